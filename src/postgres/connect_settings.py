"""Which setting of DATABASE_URL libpq itself cannot use, found without reading what libpq says of it.

Asked only after a connection has failed: libpq is given the same settings for an address of this process, where only
the settings can be in the way.
"""

import os
import re
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from src.errors import ConfigurationError

# libpq reads these as integers, and reports a wrong one too late or not at all.
_INTEGERS = (
    "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
)  # fmt: skip
_ADDRESS = ("host", "hostaddr", "port")


def parse(url: str) -> dict[str, str]:
    """libpq's reading of `url`. Raises ConfigurationError, naming the setting that cannot be read where it is known.

    An unencoded @ or / in a password makes libpq take pieces of it for a host, a port or a setting: then nothing of
    the URL is named.
    """
    try:
        parsed: dict[str, str] = parse_dsn(url)
    except (psycopg2.ProgrammingError, UnicodeError):
        unknown = _unknown_parameter(url)
        if unknown is not None:
            raise refusal(unknown) from None
        parsed = {}
    ports = parsed.get("port", "").split(",")
    in_place = not any("@" in parsed.get(key, "") for key in ("host", "hostaddr", "dbname"))
    numbers = all(port.isdecimal() for port in ports if port)
    if in_place and not numbers and _is_parameter("port", url):
        raise refusal("port")
    if not parsed or not in_place or not numbers:
        raise ConfigurationError(
            "DATABASE_URL cannot be read: write it as postgresql://user:password@host:5432/database, with special "
            "characters of the password URL-encoded (@ as %40, / as %2F, : as %3A)."
        )
    for key in _INTEGERS:
        if not re.fullmatch(r"\s*[-+]?\d{1,9}\s*", parsed.get(key, "0")):
            raise refusal(key)
    if not all(0 < int(port) < 65536 for port in ports if port):
        raise refusal("port")
    return parsed


def refusal(setting: str, said: str = "") -> ConfigurationError:
    """The error for a setting that cannot be used; `said`: libpq's text."""
    where = f"{setting} in the environment" if setting.startswith("PG") else f"{setting} in DATABASE_URL, in .env"
    return ConfigurationError(f"The setting {setting} cannot be used{f': {said}' if said else ''}. Correct {where}.")


def wrong_setting(parsed: Mapping[str, str]) -> str | None:
    """The setting that libpq refuses before it asks any server; None where it takes them all.

    Of the environment (PGSSLMODE, say) only what is set can be named, not which of it is wrong.
    """
    ports, hosts = parsed.get("port", "").split(","), parsed.get("host", "").split(",")
    addresses = parsed.get("hostaddr", "").split(",")
    if "hostaddr" in parsed and "host" in parsed and len(addresses) != len(hosts):
        return "hostaddr"
    if len(ports) > 1 and len(ports) != len(addresses if "hostaddr" in parsed else hosts):
        return "port"
    try:
        with socket.socket() as own:
            own.bind(("127.0.0.1", 0))
            own.listen()
            return _refused_here(
                parsed, {"host": "127.0.0.1", "hostaddr": "127.0.0.1", "port": str(own.getsockname()[1])}
            )
    except OSError:
        return None  # no file or no address is left: that says nothing about the settings


def _refused_here(parsed: Mapping[str, str], here: Mapping[str, str]) -> str | None:
    """The setting that libpq refuses for the address `here`, where something listens."""
    others = {key: value for key, value in parsed.items() if key not in _ADDRESS}
    if _is_accepted({**others, **here}):
        return None
    if not _is_accepted(here):
        return ", ".join(sorted(name for name in os.environ if name.startswith("PG"))) or None
    for key in others:
        if _is_accepted({**{one: value for one, value in others.items() if one != key}, **here}):
            return key
    for key, value in others.items():
        if not _is_accepted({key: value, **here}):
            return key
    return None


def wrong_file(parsed: Mapping[str, str]) -> str | None:
    """The setting that names a certificate or a key which cannot be read; None where there is none."""
    root = parsed.get("sslrootcert", "")
    verifies = parsed.get("sslmode", "").startswith("verify")
    if root not in ("", "system") and (verifies or Path(root).exists()):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(root)
        except OSError:
            return "sslrootcert"
    for key in ("sslcert", "sslkey", "sslcrl"):
        # libpq goes on without one that does not exist.
        if key in parsed and Path(parsed[key]).exists() and not _is_readable(Path(parsed[key])):
            return key
    return None


def _is_readable(file: Path) -> bool:
    try:
        file.read_bytes()
    except OSError:
        return False
    return True


def _is_accepted(parsed: Mapping[str, str]) -> bool:
    """Whether libpq begins a connection with these."""
    try:
        psycopg2.connect(make_dsn(**parsed), async_=True).close()
    except psycopg2.Error:
        return False
    return True


def _parameters(url: str) -> list[str]:
    """The names of the URL's parameters; none where what has their form may be a piece of a password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return []
    if not parts.scheme.startswith("postgres") or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        return []
    return [pair.partition("=")[0] for pair in parts.query.split("&") if pair]


def _is_parameter(name: str, url: str) -> bool:
    return name in _parameters(url) or "://" not in url


def _unknown_parameter(url: str) -> str | None:
    """The name of a parameter of the URL that libpq does not know."""
    for name in _parameters(url):
        try:
            parse_dsn(f"postgresql:///?{name}=1")
        except (psycopg2.ProgrammingError, UnicodeError):
            return name if re.fullmatch(r"\w{1,40}", name) else None
    return None
