"""Every read and write of portfolios, positions, prices, signals and revisions: values in, values out.

May be imported by database_enhanced, dataframes, health and ui.
"""
