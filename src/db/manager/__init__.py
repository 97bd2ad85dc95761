"""The methods of DatabaseManager, a group per module; src/database_enhanced.py puts them together."""
