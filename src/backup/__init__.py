"""Backups: make, verify by restoring, tarballs, deletion, retention; restore/ replaces a database by one.

May be imported by migration, health, diagnostics, cli and ui; `api` is what they use.
"""
