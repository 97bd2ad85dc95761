"""The command line of run_migration.py: arguments, commands, exit codes, output as text or JSON.

May be imported by ui.reads.commands (which starts commands) and run_migration.py.
"""
