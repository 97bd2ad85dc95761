"""Backups on System Status: the list, the actions on one, retention, download.

Imported by ui.process and ui.system_status.page.
"""
