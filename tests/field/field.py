"""What commit e46a308 left in the field, as the tests of this folder use it: dumps, a backup, and names.

Imported by make_interfaces.py too, with the code of that commit: nothing of src may be imported here.
"""

import gzip
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2

HERE = Path(__file__).resolve().parent
BACKUP = "v2_backup"

# The commands whose JSON is compared, by dump. "{backup}" is the name of the backup.
COMMANDS = {
    "v1_archive": ("check", "plan phase1", "history"),
    "v1_paused": ("check", "plan phase1", "history", "history 1"),
    "v2_history": (
        "check", "plan phase2", "plan rollback", "history", "history 1", "history 2", "history --kind action",
        "backups", "verify {backup}",
    ),
    "v2_paused": ("check", "plan phase2", "history"),
    "v3_saves": ("check", "plan rollback", "history"),
}  # fmt: skip


def restore(url: str, name: str) -> None:
    """Execute the dump `name` in the empty database at `url`, as its owner, in one transaction."""
    text = gzip.decompress((HERE / "dumps" / f"{name}.sql.gz").read_bytes()).decode()
    conn = psycopg2.connect(url)
    try:
        with conn, conn.cursor() as cur:
            cur.execute(text)
    finally:
        conn.close()


def unpack_backup(folder: Path) -> str:
    """Put the backup into the folder of backups `folder`; its name."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tarfile.open(HERE / "dumps" / f"{BACKUP}.tar.gz") as tar:
        tar.extractall(folder, filter="data")
    (found,) = (path for path in folder.iterdir() if path.is_dir())
    return found.name


def key_paths(value: object, at: str = "") -> Iterator[str]:
    """Each key of a JSON value with those above it: "tables[].name"."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{at}.{key}".lstrip(".")
            yield from key_paths(inner, f"{at}.{key}".lstrip("."))
    elif isinstance(value, list):
        for inner in value:
            yield from key_paths(inner, f"{at}[]")


def keys_of(output: str) -> dict[str, list[str]]:
    """The keys of a command's records, by the kind of record (`type`)."""
    found: dict[str, set[str]] = {}
    for line in output.splitlines():
        record = json.loads(line)
        found.setdefault(str(record.get("type")), set()).update(key_paths(record))
    return {kind: sorted(keys) for kind, keys in sorted(found.items())}
