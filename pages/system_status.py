"""System Status: health, schema, the migration, backups, history. Traders see health, an admin also buttons."""

from src.ui import admin, status_view

may = admin.may_administer()
status_view.show(may)
