"""Backups, as others use them: make, verify, list, find, restore, delete.

A backup counts only once `verify_backup` has restored it and found it equal.
"""

from src.migration.backup_make import Outlook, backup_outlook, make_backup
from src.migration.digest import TableDigest
from src.migration.manifest import Backup, Progress, delete_backup, find_backup, list_backups
from src.migration.restore import RestoreOutcome, restore_backup
from src.migration.verify import verify_backup

__all__ = [
    "Backup", "Outlook", "Progress", "RestoreOutcome", "TableDigest", "backup_outlook", "delete_backup", "find_backup",
    "list_backups", "make_backup", "restore_backup", "verify_backup",
]  # fmt: skip
