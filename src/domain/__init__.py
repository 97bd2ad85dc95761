"""Portfolios, valuation, edits, revisions, prices, exchange rules: pure values and functions, no I/O.

Imported by database_enhanced, dataframes, health, market, migration, portfolios, transfer and ui.
"""
