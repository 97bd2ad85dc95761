"""The hosts of a URL and their addresses, and whether an address answers at all."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from src.postgres.errors import Reason


@dataclass(frozen=True)
class Host:
    """A host of a URL, "db1, port 5432" say. `addresses`: libpq's settings for each; none where it has no address."""

    place: str
    addresses: tuple[dict[str, str], ...]


def hosts_of(parsed: Mapping[str, str]) -> tuple[Host, ...]:
    """The hosts in order. One of no particular address where a service file or libpq's default names it."""
    names = parsed.get("host") or os.environ.get("PGHOST") or ""
    numbers = parsed.get("hostaddr") or os.environ.get("PGHOSTADDR") or ""
    if "service" in parsed or not (names or numbers):
        return (Host("its host", (dict(parsed),)),)
    every_name = names.split(",") if names else []
    every_number = numbers.split(",") if numbers else []
    ports = (parsed.get("port") or os.environ.get("PGPORT") or "5432").split(",")
    found = []
    for at in range(max(len(every_name), len(every_number))):
        port = (ports[at] if len(ports) > 1 and at < len(ports) else ports[0]) or "5432"
        name = every_name[at] if at < len(every_name) else ""
        number = every_number[at] if at < len(every_number) else ""
        settings = {**parsed, "host": name, "port": port}
        if number:
            addresses = [{**settings, "hostaddr": number}]
        elif not name or _is_socket(name):
            addresses = [settings]
        else:
            addresses = [{**settings, "hostaddr": one} for one in _addresses_of(name)]
        found.append(Host(f"{name or number or 'its host'}, port {port}", tuple(addresses)))
    return tuple(found)


def reason_of_address(parsed: Mapping[str, str], limit_s: float) -> Reason:
    """Whether something accepts connections at the address of `parsed`, a setting of `Host.addresses`."""
    name, number, port = parsed.get("host", ""), parsed.get("hostaddr", ""), parsed.get("port", "5432")
    try:
        if number:
            socket.create_connection((number, int(port)), limit_s).close()
        elif _is_socket(name):
            with socket.socket(socket.AF_UNIX) as one:
                one.settimeout(limit_s)
                place = Path(name) / f".s.PGSQL.{port}"
                one.connect(f"\0{str(place)[1:]}" if name.startswith("@") else str(place))
        else:
            return Reason.AWAY
    except (socket.gaierror, UnicodeError):
        return Reason.UNKNOWN_HOST
    except TimeoutError:
        return Reason.SILENT
    except OSError:
        return Reason.AWAY
    return Reason.NO_SESSION


def _is_socket(name: str) -> bool:
    return name.startswith(("/", "@"))


def _addresses_of(name: str) -> list[str]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(address[4][0]) for address in found))
