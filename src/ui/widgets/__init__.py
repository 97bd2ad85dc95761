"""Parts that pages are drawn with: tables, charts, figures as text, links, preferences.

Imported by ui.comparison, ui.lineage, ui.portfolio, ui.portfolios, ui.script and ui.system_status.
"""
