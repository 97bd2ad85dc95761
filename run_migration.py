"""The migration commands. `python run_migration.py --help` lists them."""

import sys

from src.bootstrap import prepare


def main() -> int:
    # Imported only now: `prepare` may have had to look for the Python that has the packages.
    from src.cli.context import Services
    from src.cli.exit import flush_output
    from src.cli.main import run_command
    from src.database_enhanced import DatabaseManager
    from src.embedded.api import database_url
    from src.health.monitor import look_once
    from src.sample.load import init_database, remove_sample

    code = run_command(
        sys.argv[1:],
        Services(
            database_url=database_url,
            manager=lambda settings: DatabaseManager(settings=settings),
            look=lambda settings, url: look_once(settings, url, DatabaseManager(settings=settings)),
            init_database=init_database,
            remove_sample=remove_sample,
        ),
    )
    flush_output()
    return code


if __name__ == "__main__":
    prepare(__file__)
    sys.exit(main())
