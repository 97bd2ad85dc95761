"""Backups, as others use them: make, verify, list, find, restore, delete, prune.

A backup counts only once `verify_backup` has restored it and found it equal.
"""

from src.backup.delete import Usage, delete_backup, in_use, is_young, preview, prune, refuse_deletion, usage_of
from src.backup.fingerprint import TableFingerprint
from src.backup.folders import Folders, Listing, find_in, folders, list_all, listing, note_folder, noted
from src.backup.make import Estimate, estimate_backup, make_backup
from src.backup.manifest import Backup, Progress
from src.backup.reading import UnreadableBackup, find_backup, list_backups
from src.backup.restore.kept_databases import KeptDatabase, kept_databases
from src.backup.restore.model import RestoreWay
from src.backup.restore.preview import Preview, TableChange, preview_restore
from src.backup.restore.restore import RestoreOutcome, restore_backup
from src.backup.retention import Decision, RetentionRule
from src.backup.tarball import BackupTarball
from src.backup.verify import verify_backup

__all__ = [
    "Backup",
    "BackupTarball",
    "Decision",
    "Estimate",
    "Folders",
    "KeptDatabase",
    "Listing",
    "Preview",
    "Progress",
    "RestoreOutcome",
    "RestoreWay",
    "RetentionRule",
    "TableChange",
    "TableFingerprint",
    "UnreadableBackup",
    "Usage",
    "delete_backup",
    "estimate_backup",
    "find_backup",
    "find_in",
    "folders",
    "in_use",
    "is_young",
    "kept_databases",
    "list_all",
    "list_backups",
    "listing",
    "make_backup",
    "note_folder",
    "noted",
    "preview",
    "preview_restore",
    "prune",
    "refuse_deletion",
    "restore_backup",
    "usage_of",
    "verify_backup",
]  # fmt: skip
