"""What a phase would meet in this database: facts of its catalog and rows, rules over them, findings.

Imported by migration.engine, migration.inspection, migration.plan, migration.recommendations, migration.run and ui.
"""
