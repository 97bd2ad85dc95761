"""Sample data: a database with generated positions, signals and prices. Imported by cli."""
