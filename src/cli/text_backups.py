"""What the commands say of backups, as lines of text. Pure: values in, lines out."""

from collections.abc import Sequence
from pathlib import Path

from src.backup.api import Backup, Listing, RestoreWay, UnreadableBackup
from src.backup.restore.preview import Preview
from src.backup.retention import Decision
from src.cli.text import client_lines, table
from src.text import moment, size


def backup_lines(backups: Sequence[Backup], folder: Path) -> list[str]:
    rows = [
        (
            one.name,
            moment(one.created_at),
            one.database,
            f"v{one.schema_version}",
            size(one.bytes),
            ("NOT VERIFIED" if one.verified_at is None else f"verified {moment(one.verified_at)}")
            + ("" if one.path.parent == folder else f", in {one.path.parent}"),
        )
        for one in backups
    ]
    if not rows:
        return [f"No backup in {folder}."]
    return table(("backup", "made", "database", "schema", "size", ""), rows, right=(4,))


def listing_lines(listing: Listing, folder: Path) -> list[str]:
    """The backups, those that cannot be read, and what is not known."""
    lines = [] if listing.unreadable and not listing.backups else backup_lines(listing.backups, folder)
    return [*lines, *unreadable_lines(listing.unreadable), *listing.notes]


def unreadable_lines(unreadable: Sequence[UnreadableBackup]) -> list[str]:
    if not unreadable:
        return []
    return [
        *(f"  ✗ {one} It is {one.path}." for one in unreadable),
        "What cannot be read counts for nothing. Put it right, or remove its folder yourself: no command deletes it.",
    ]


def restore_lines(preview: Preview) -> list[str]:
    """What a restore does: to which rows, in which way, to whom."""
    version = "not recognised" if preview.version is None else f"v{preview.version}"
    lines = [
        f"{preview.database} becomes what it was {moment(preview.backup.created_at)}, without what was written since.",
        f"Schema now: {version}; then: v{preview.backup.schema_version}.",
        "",
    ]
    rows = []
    for one in preview.tables:
        now = f"{'about ' if one.about else ''}{one.now:,}" if one.now is not None else "?" if one.about else "none"
        change = "?" if one.difference is None else f"{one.difference:+,}" if one.difference else "as many"
        rows.append((one.table, now, "none" if one.then is None else f"{one.then:,}", change))
    lines += table(("rows of", "now", "then", ""), rows, right=(1, 2, 3)) if rows else ["No table, now or then."]
    lines += ["", f"How: {preview.way}. {preview.why}"]
    if preview.kept_as is not None:
        lines.append(f"What is there now is kept as the database {preview.kept_as}.")
    lines.append(f"Disk: {_room(preview)}.")
    lines += ["", f"Connected now: {len(preview.clients) or 'nobody'}", *client_lines(preview.clients)]
    lines += [f"  ! {note}" for note in preview.notes] + [f"  ✗ {text}" for text in preview.obstacles]
    return lines


def _room(preview: Preview) -> str:
    where = "on the server's disk" if preview.way is RestoreWay.SWAP else "in the folder of backups"
    free = "" if preview.free is None else f", {size(preview.free)} are free"
    return f"needs about {size(preview.needed)} {where}{free}"


def decision_lines(decisions: Sequence[Decision], folder: Path) -> list[str]:
    """What a rule does with each backup."""
    rows = [
        (
            "delete" if one.goes else "keep",
            one.backup.name,
            moment(one.backup.created_at),
            size(one.backup.bytes),
            one.why,
        )
        for one in decisions
    ]
    if not rows:
        return [f"No backup of this database in {folder}."]
    return table(("", "backup", "made", "size", "why"), rows, right=(3,))
