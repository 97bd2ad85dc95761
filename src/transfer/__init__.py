"""Import and export of positions as files: bytes and values in, bytes and values out. Imported by ui."""
