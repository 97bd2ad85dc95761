"""What schema hk_migration records of runs and of admins: runs, events, the audit, the run lock, sessions of clients.

Imported by accounts, backup, cli, health, migration, sample and ui.
"""
