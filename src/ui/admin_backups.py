"""What only an admin may do with backups, at once and without a process of its own. All of it is in the audit."""

from collections.abc import Sequence

from src.errors import InvalidInput
from src.migration import backup as store
from src.migration.backup import Rule
from src.ui import cache
from src.ui import format as fmt
from src.ui.admin import as_admin

WORD = "delete"


def _check_typed(typed: str) -> None:
    if typed.strip() != WORD:
        raise InvalidInput(f"Type {WORD} to do it; nothing was deleted.")


def delete(name: str, typed: str) -> str:
    """Delete one backup. What to tell whoever asked. Raises BackupError where it must stay."""
    with as_admin("delete", backup=name) as asked:
        _check_typed(typed)
        found = store.find_backup(cache.settings().backup_dir, name)
        store.delete_backup(found, wanted=store.holder_of(cache.database_url()).wanted)
        asked.write_down("done")
        return f"Deleted {name}: {fmt.size(found.bytes)} freed."


def prune(keep: int, days: int, shown: Sequence[str], typed: str) -> str:
    """Delete what the rule gives up, of those that were `shown` as going."""
    with as_admin("prune", keep=keep, days=days) as asked:
        _check_typed(typed)
        gone = store.prune(cache.database_url(), cache.settings().backup_dir, Rule(keep, days), shown)
        asked.write_down("done", deleted=[one.name for one in gone])
        if not gone:
            return "Nothing was deleted: look at what goes now."
        return f"Deleted {fmt.plural(len(gone), 'backup')}: {fmt.size(sum(one.bytes for one in gone))} freed."
