"""Which schema a database has, what that can do, and how its catalog differs from the expected one.

May be imported by portfolios, backup, migration, health, diagnostics, dataframes and ui.
"""
