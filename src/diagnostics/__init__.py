"""The checks of test_migration.py, which examine a database and leave no trace. May be imported by cli."""
