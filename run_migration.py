"""The migration commands. `python run_migration.py --help` lists them."""

import sys

from src.bootstrap import prepare


def main() -> int:
    # Imported only now: `prepare` may have had to find the Python that has the packages.
    from src.cli.exit import flush_output
    from src.cli.main import run_command

    code = run_command(sys.argv[1:])
    flush_output()
    return code


if __name__ == "__main__":
    prepare(__file__)
    sys.exit(main())
