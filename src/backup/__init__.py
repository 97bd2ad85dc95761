"""Backups: make, verify by restoring, archive, delete, retention; restore/ puts one in the place of a database.

May be imported by migration, health, diagnostics, cli and ui; `api` is what they use.
"""
