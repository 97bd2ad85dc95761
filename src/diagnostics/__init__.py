"""The checks of test_migration.py, which examine a database and leave no trace. Imported by cli."""
