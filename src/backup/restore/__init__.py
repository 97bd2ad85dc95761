"""Restoring a backup: into a new database that is then renamed, or in place in one transaction.

May be imported by backup.api and cli.
"""
