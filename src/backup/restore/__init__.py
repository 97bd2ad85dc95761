"""Putting a backup in the place of a database: by renaming a verified copy, or in place in one transaction.

May be imported by backup.api and cli.
"""
