"""What a phase would meet in this database: facts of its catalog and rows, rules over them, findings.

Imported by cli, migration.engine, migration.plan, migration.run and ui.
"""
