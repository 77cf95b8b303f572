"""Mirrors in other programs' words: what is taken for a registries.conf, and the tables that say the same (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skopeo_mirror.registries_conf import keys
from skopeo_mirror.registries_conf.locations import HUB, cleaned
from skopeo_mirror.registries_conf.model import Configuration, Mirror, Registry
from skopeo_mirror.registries_conf.normalizing import normalize

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

_LISTED = 5  # mirrors that are written out in one line
_NETWORK = re.compile(r".*/\d+")  # the Docker daemon takes 10.0.0.0/8, too


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreign:
    """`key`: the top-level key by which it is known; `what`: whose it is; `instead`: a file that says the same."""

    key: str
    what: str
    instead: str

    @property
    def advice(self) -> str:
        """What to do about it."""
        if self.instead:
            return "write registries.conf's own tables: `skopeo-mirror validate` prints a file that means the same"
        return "write [[registry]] with location, and below it [[registry.mirror]] with location for each mirror"


def foreign(document: Mapping[str, Any]) -> Foreign | None:
    """Return whose configuration `document` is, where it is another program's."""
    registry = document.get("registry")
    if isinstance(registry, dict) and any(
        isinstance(value, dict) and keys.fold(key) not in keys.REGISTRY for key, value in registry.items()
    ):
        return _foreign("registry", "BuildKit's table of mirrors (buildkitd.toml)", registry, "mirrors")
    plugins = document.get("plugins")
    if isinstance(plugins, dict):
        what = "containerd's configuration (config.toml)"
        return _foreign("plugins", what, _below(plugins, "mirrors") or {}, "endpoint")
    hosts = document.get("host")
    if isinstance(hosts, dict):
        server = cleaned(str(document.get("server", "")))
        return _foreign("host", "containerd's hosts.toml", {server or HUB: {"host": list(hosts)}}, "host")
    for key in ("registry-mirrors", "insecure-registries"):
        if key in document:
            return _docker_daemon(key, document)
    mirrors = document.get("mirrors")
    if isinstance(mirrors, dict):
        return _foreign("mirrors", "the table of mirrors of k3s or containerd", mirrors, "endpoint")
    return None


def tables(
    mirrors: Mapping[str, Iterable[str]],
    *,
    insecure: Collection[str] = (),
    plain: Collection[str] = (),
) -> str:
    """Return `[[registry]]` tables of hosts with their mirrors and of `insecure` hosts; `plain` mirrors are, too."""
    return normalize(
        Configuration(
            registries=tuple(
                Registry(
                    prefix=host,
                    location=host,
                    insecure=host in insecure,
                    mirrors=tuple(
                        Mirror(location=mirror, insecure=mirror in insecure or mirror in plain)
                        for mirror in mirrors.get(host, ())
                    ),
                )
                for host in {*mirrors, *insecure}
            )
        )
    )


def listed(value: object) -> list[str]:
    """Return the hosts of an array, cleaned of schemes and slashes, each once; what is none is left out."""
    texts = value if isinstance(value, list) else [value]
    found = (cleaned(text) for text in texts if isinstance(text, str))
    return list(dict.fromkeys(one for one in found if one))


def mirror_advice(value: object) -> str:
    """Say how the mirrors of `value`, strings, are written."""
    found = listed(value)[:_LISTED]
    if not found:
        return "write [[registry.mirror]], and below it location, for each mirror"
    return "write " + ", ".join(f'[[registry.mirror]] and below it location = "{mirror}"' for mirror in found)


def _foreign(key: str, what: str, hosts: Mapping[str, Any], mirrors_key: str) -> Foreign:
    mirrors: dict[str, list[str]] = {}
    insecure: set[str] = set()
    plain: set[str] = set()
    for host, table in hosts.items():
        name = HUB if host in {"*", "_default"} else cleaned(host)
        if not name or not isinstance(table, dict):
            continue
        found = [mirror for mirror in listed(table.get(mirrors_key)) if mirror != name]
        if found:
            mirrors[name] = found
        plain.update(_over_http(table.get(mirrors_key)))
        if table.get("http") is True or table.get("insecure") is True:
            insecure.add(name)
    known = mirrors or insecure
    return Foreign(key=key, what=what, instead=tables(mirrors, insecure=insecure, plain=plain) if known else "")


def _docker_daemon(key: str, document: Mapping[str, Any]) -> Foreign:
    urls = document.get("registry-mirrors")
    insecure = [host for host in listed(document.get("insecure-registries")) if not _NETWORK.fullmatch(host)]
    found = [mirror for mirror in listed(urls) if mirror != HUB]
    mirrors = {HUB: found} if found else {}
    known = mirrors or insecure
    instead = tables(mirrors, insecure=insecure, plain=_over_http(urls)) if known else ""
    return Foreign(key=key, what="a setting of the Docker daemon (daemon.json)", instead=instead)


def _over_http(urls: object) -> list[str]:
    texts = urls if isinstance(urls, list) else [urls]
    return listed([url for url in texts if isinstance(url, str) and url.lower().startswith("http://")])


def _below(table: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The first table called `name`, however deep."""
    pending: list[Mapping[str, Any]] = [table]
    while pending:
        one = pending.pop(0)
        for key, value in one.items():
            if isinstance(value, dict):
                if keys.fold(key) == name:
                    return value
                pending.append(value)
    return None
