"""Portfolios, valuation, comparison, edits, trading costs: pure values and functions, no I/O. Anyone may import it."""
