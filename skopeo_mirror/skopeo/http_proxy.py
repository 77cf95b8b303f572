"""HTTP proxies: whether skopeo talks to a registry through one, by the rules of Go's net/http (pure).

Only the names of the variables are ever told: what they hold can have a password in it.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")


def proxy_variables(host: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that send requests for `host` (with its port, if it has one) to a proxy; none where none does."""
    name, _, port = host.rpartition(":") if host.rpartition(":")[2].isdigit() else (host, "", "")
    excluded = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    address = _address(name)
    is_loopback = name == "localhost" or (address is not None and address.is_loopback)
    if is_loopback or any(_covers(entry.strip(), name, port) for entry in excluded.split(",")):
        return ()
    return tuple(variable for variable in _VARIABLES if environment.get(variable))


def _covers(entry: str, name: str, port: str) -> bool:
    """Whether an entry of NO_PROXY is for that host: `*`, an address, a network, a name with all below it."""
    if not entry:
        return False
    if entry == "*":
        return True
    address = _address(name)
    try:
        if address is not None and "/" in entry:
            return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
    entry, _, entry_port = entry.partition(":")
    if entry_port not in {"", port}:
        return False
    entry = entry.removeprefix("*").lower()
    return name.lower() == entry or name.lower().endswith(entry if entry.startswith(".") else f".{entry}")


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return None
