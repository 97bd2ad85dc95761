"""`python -m tests.schema.expected_catalogs`: note the catalogs of fresh databases as what versions should have."""

import sys
import tempfile
from pathlib import Path

import psycopg2

from src.config import PROJECT_ROOT, load_settings
from src.embedded.api import PrivateServer
from src.journal.model import Phase
from src.migration import engine
from src.migration.model import Options
from src.schema.catalog import write_expected
from src.schema.versions import SchemaVersion


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, PrivateServer(Path(folder)) as server:
        for version, name, file in (
            (SchemaVersion.V1, "v1", "init.sql"),
            (SchemaVersion.V2, "v2", "init.sql"),
            (SchemaVersion.V3, "v3", "init_multi_portfolio.sql"),
        ):
            url = server.url.replace("/postgres?", f"/{name}?")
            admin = psycopg2.connect(server.url)
            admin.autocommit = True
            admin.cursor().execute(f"CREATE DATABASE {name}")
            admin.close()
            conn = psycopg2.connect(url)
            conn.cursor().execute((PROJECT_ROOT / "migrations" / file).read_text(encoding="utf-8"))
            conn.commit()
            if version is SchemaVersion.V2:
                options = Options(backup=False, legacy_roles=("postgres",))
                engine.run(url, Phase.PHASE1, options, load_settings(), lambda event: None)
            sys.stdout.write(f"{write_expected(conn, version)}\n")
            conn.close()


if __name__ == "__main__":
    main()
