"""DataFrames for the older callers of DatabaseManager, built from the values of portfolios.

Imported by database_enhanced.
"""
