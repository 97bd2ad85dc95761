"""Restoring a backup: into a new database that is then renamed, or in place in one transaction.

Imported by backup.api and cli.
"""
