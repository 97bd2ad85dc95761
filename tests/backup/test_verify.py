"""A backup is verified by restoring it: a damaged or unequal one is refused, with what is wrong in it."""

import gzip
import json
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from src.backup.api import find_backup
from src.backup.dump_tools import target_of
from src.backup.reading import read_backup
from src.embedded.api import bin_dir
from src.errors import BackupError, BackupNotVerified
from src.postgres.connection import connect
from tests.conftest import MakeDatabase, Servers
from tests.support.backups import accept_files, data_file, execute, make, verify


def test_a_damaged_file_is_not_verified(make_database: MakeDatabase, tmp_path: Path) -> None:
    url = make_database("v1", sample=True)
    made = make(url, tmp_path)
    path = data_file(made, "price_history")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BackupNotVerified, match=rf"{path.name} is damaged"):
        verify(made, url)
    assert find_backup(tmp_path, made.name).verified_at is None


def test_a_missing_file_is_not_verified(make_database: MakeDatabase, tmp_path: Path) -> None:
    url = make_database("v1", sample=True)
    made = make(url, tmp_path)
    data_file(made, "trading_signals").unlink()
    with pytest.raises(BackupNotVerified, match="is missing"):
        verify(made, url)


def test_a_dump_that_lacks_a_table_is_not_verified(make_database: MakeDatabase, tmp_path: Path) -> None:
    url = make_database("v1", sample=True)
    made = make(url, tmp_path)
    for path in made.data.iterdir():
        path.unlink()
    made.data.rmdir()
    with closing(connect(url)) as conn:
        environment = dict(target_of(conn).environment)
    command = [str(bin_dir(18) / "pg_dump"), "-Fd", "--exclude-table=portfolio_value_history", f"--file={made.data}"]
    subprocess.run(command, env=environment, check=True)
    with pytest.raises(BackupNotVerified, match=r"table public\.portfolio_value_history is missing"):
        verify(accept_files(made), url)


def test_a_dump_with_another_value_is_not_verified(make_database: MakeDatabase, tmp_path: Path) -> None:
    url = make_database("v1", sample=True)
    made = make(url, tmp_path)
    path = data_file(made, "portfolio_positions")
    rows = gzip.decompress(path.read_bytes())
    assert rows.count(b"13428") == 1
    path.write_bytes(gzip.compress(rows.replace(b"13428", b"13429")))
    with pytest.raises(BackupNotVerified, match=r"the rows of table public\.portfolio_positions differ"):
        verify(accept_files(made), url)
    assert [p.name for p in tmp_path.iterdir()] == [made.name], "the scratch server is gone"


def test_a_dump_that_ends_too_early_is_not_verified(make_database: MakeDatabase, tmp_path: Path) -> None:
    url = make_database("v1", sample=True)
    made = make(url, tmp_path)
    toc = made.data / "toc.dat"
    toc.write_bytes(toc.read_bytes()[:-200])
    with pytest.raises(BackupNotVerified, match="does not restore"):
        verify(accept_files(made), url)


def test_lost_indexes_and_views_are_noticed(make_database: MakeDatabase, tmp_path: Path) -> None:
    url = make_database("v3")
    made = make(url, tmp_path)
    catalog = made.path / "catalog.json"
    lines = json.loads(catalog.read_text(encoding="utf-8"))
    lines.append(["index", "public.idx_that_was_there", "CREATE INDEX …"])
    for line in lines:
        if line[:2] == ["column", "public.portfolios.name"]:
            line[2] = line[2].replace("200", "100")
    catalog.write_text(json.dumps(lines), encoding="utf-8")
    with pytest.raises(BackupNotVerified) as refused:
        verify(accept_files(made), url)
    assert "index public.idx_that_was_there is missing" in str(refused.value)
    assert "column public.portfolios.name is defined otherwise" in str(refused.value)


def test_digests_do_not_depend_on_order_or_version(
    make_database: MakeDatabase, servers: Servers, tmp_path: Path
) -> None:
    rows = [
        "(1, 1.1, 0.1::float4, 'é\t\n\\', '{1,2,NULL}', '{\"a\": [1, 2]}', '\\x00ff',"
        " '2026-01-02 03:04:05.678901+08', '1 mon 2 days')",
        "(2, 'NaN', 'Infinity', NULL, '{}', 'null', '', 'infinity', '-1 year')",
        "(3, 1e20, -0.0, '', NULL, '[]', NULL, NULL, NULL)",
    ]
    table = (
        "CREATE TABLE public.kinds (id int, n numeric, f float8, t text, a int[], j jsonb, b bytea, z timestamptz,"
        " i interval);"
    )
    digests = set()
    for version, ordered in [(version, way) for version in servers for way in (rows, rows[::-1])]:
        url = make_database("v1", version=version)
        name = url.split("/")[3].split("?")[0]
        execute(url, f"{table} INSERT INTO public.kinds VALUES {', '.join(ordered)}")
        execute(url, f"ALTER DATABASE {name} SET timezone TO 'Asia/Hong_Kong'")
        execute(url, f"ALTER DATABASE {name} SET datestyle TO 'German'")
        execute(url, f"ALTER DATABASE {name} SET extra_float_digits TO -5")
        digests.add(make(url, tmp_path).tables["public.kinds"].digest)
    assert len(digests) == 1
    url = make_database("v1")
    execute(url, f"{table} INSERT INTO public.kinds VALUES {', '.join(rows)}")
    execute(url, "UPDATE public.kinds SET i = '1 day' WHERE id = 2")
    assert make(url, tmp_path).tables["public.kinds"].digest not in digests


def test_a_broken_manifest_says_so(make_database: MakeDatabase, tmp_path: Path) -> None:
    made = make(make_database("v1"), tmp_path)
    (made.path / "manifest.json").write_text("{")
    with pytest.raises(BackupError, match=r"cannot be read: manifest\.json is no JSON"):
        find_backup(tmp_path, made.name)
    with pytest.raises(BackupError, match=r"cannot be read: manifest\.json is no JSON"):
        read_backup(made.path)
