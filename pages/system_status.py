"""System Status: health, schema, the migration, backups, history. Traders see health, an admin also buttons."""

from src.ui import auth, status_view

status_view.show(auth.require_user())
