"""The exchange: trading sessions, ticks, lots, fees, from tables with effective dates.

Imported by health, sample and ui.
"""
