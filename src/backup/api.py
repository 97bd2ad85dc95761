"""Backups, as others use them: make, verify, list, find, restore, delete, prune.

A backup counts only once `verify_backup` has restored it and found it equal.
"""

from src.backup.archive import Archive
from src.backup.delete import Holder, delete_backup, holder_of, in_use, is_young, preview, prune, refuse_deletion
from src.backup.fingerprint import TableDigest
from src.backup.make import Outlook, backup_outlook, make_backup
from src.backup.manifest import Backup, Progress, find_backup, list_backups
from src.backup.restore.kept_databases import Kept, kept_databases
from src.backup.restore.preview import Preview, TableChange, preview_restore
from src.backup.restore.restore import RestoreOutcome, restore_backup
from src.backup.retention import Rule, Verdict
from src.backup.verify import verify_backup

__all__ = [
    "Archive", "Backup", "Holder", "Kept", "Outlook", "Preview", "Progress", "RestoreOutcome", "Rule", "TableChange",
    "TableDigest", "Verdict", "backup_outlook", "delete_backup", "find_backup", "holder_of", "in_use", "is_young",
    "kept_databases", "list_backups", "make_backup", "preview", "preview_restore", "prune", "refuse_deletion",
    "restore_backup", "verify_backup",
]  # fmt: skip
