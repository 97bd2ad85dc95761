"""The embedded PostgreSQL and Valkey: started when no server is configured, ended with the last process that uses them.

Use `api`. Imported by accounts, backup, cli, database_enhanced, test_migration.py and ui.
"""
