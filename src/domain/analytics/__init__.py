"""Derived from portfolios: comparison, attribution, return statistics, the trades of a change and what they cost.

Imported by transfer and ui.
"""
