"""Which schema a database has, what that can do, and how its catalog differs from the expected one.

Imported by backup, cli, database_enhanced, dataframes, diagnostics, health, journal, migration, portfolios, sample and
ui.
"""
