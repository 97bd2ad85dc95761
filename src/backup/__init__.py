"""Backups: make, verify by restoring, tarballs, deletion, retention; restore/ replaces a database by one. Use `api`.

Imported by cli, diagnostics, health, migration and ui.
"""
