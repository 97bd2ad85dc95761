"""The migration on System Status: findings, plans with their buttons, the run, its proof.

Imported by ui.system_status.history_view and ui.system_status.page.
"""
