"""What schema hk_migration records of runs and of admins: runs, events, the audit, the run lock, sessions of clients.

May be imported by backup, migration, health, diagnostics, cli, sample and ui.
"""
