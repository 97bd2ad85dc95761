"""What pages read: cached queries, the live state of the database, the commands under way.

Imported by pages/, ui.comparison, ui.lineage, ui.portfolio, ui.portfolios, ui.process, ui.script, ui.system_status and
ui.widgets.
"""
