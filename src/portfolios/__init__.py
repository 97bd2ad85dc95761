"""Every read and write of portfolios, positions, prices, signals and revisions: values in, values out.

Imported by database_enhanced, dataframes, health and migration.
"""
