"""The page of the system: health, the migration, backups, activity; and the admin's actions.

Imported by pages/ and ui.process.
"""
