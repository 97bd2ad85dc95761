"""System Status: health, schema, the migration, backups, history. Traders see health, an admin also buttons."""

from src.ui.access import current_user
from src.ui.system_status import page

page.show(current_user.require_user())
