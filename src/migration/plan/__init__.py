"""The plan of a phase: its steps in order, how long each may take, and what is possible afterwards.

Imported by cli, migration.engine, migration.inspection, migration.run and ui.
"""
