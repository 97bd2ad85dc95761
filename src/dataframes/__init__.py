"""DataFrames for the older callers of DatabaseManager. May be imported by database_enhanced alone."""
