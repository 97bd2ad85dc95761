"""The migration commands. `python run_migration.py --help` lists them."""

import sys

from src.bootstrap import prepare


def main() -> int:
    # Imported only now: `prepare` may have had to look for the Python that has the packages.
    from src.database_enhanced import DatabaseManager
    from src.embedded import database_url
    from src.health.watch import look_once
    from src.migration.cli import run_command
    from src.migration.cli_context import Services
    from src.migration.cli_ending import flush_output
    from src.sample import init_database, remove_sample

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
