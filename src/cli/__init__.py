"""The command line of run_migration.py: arguments, commands, exit codes, output as text or JSON.

Imported by run_migration.py, test_migration.py and ui.
"""
