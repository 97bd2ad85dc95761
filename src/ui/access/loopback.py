"""Where the dashboard listens. Pure."""

import ipaddress

ANY = str(ipaddress.IPv4Address(0))


def is_loopback(address: str) -> bool:
    """Whether a server that listens on `address` can be reached from its own machine only."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def url_of(address: str, port: int) -> str:
    """The URL a browser on this machine can open for a server that listens on `address`."""
    host = {"": "127.0.0.1", ANY: "127.0.0.1", "::": "::1"}.get(address, address)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
