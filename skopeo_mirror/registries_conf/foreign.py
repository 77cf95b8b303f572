"""Mirrors in other programs' words: what is taken for a registries.conf, and the tables that say the same (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skopeo_mirror.registries_conf import keys
from skopeo_mirror.registries_conf.locations import HUB, cleaned
from skopeo_mirror.registries_conf.model import Configuration, Mirror, Registry
from skopeo_mirror.registries_conf.writing import normalized

if TYPE_CHECKING:
    from collections.abc import Mapping

_LISTED = 5  # mirrors that are written out in one line
_NETWORK = re.compile(r".*/\d+")  # the Docker daemon takes 10.0.0.0/8, too
_OBJECTS = re.compile(
    r"""^[ \t]*(?:-[ \t]+)?["']?(?:kind|apiVersion|image(?:Digest|Content)Sources"""
    r"""|image(?:Digest|Tag)Mirrors|repositoryDigestMirrors)["']?[ \t]*:(?:\s|$)"""
    r"""|\A(?:\s|---|#[^\n]*\n)*\{(?s:.*)\bkind["']?\s*:""",
    re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreign:
    """Another program's configuration."""

    key: str
    """The key at the top by which it is known."""
    what: str
    """Whose it is, for people."""
    instead: str
    """A registries.conf that says the same; empty where there is nothing to say."""

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
            insecure = listed(document.get("insecure-registries"))
            tables: dict[str, Any] = {host: {"insecure": True} for host in insecure if not _NETWORK.fullmatch(host)}
            tables.setdefault(HUB, {})["mirrors"] = document.get("registry-mirrors")
            return _foreign(key, "a setting of the Docker daemon (daemon.json)", tables, "mirrors")
    mirrors = document.get("mirrors")
    if isinstance(mirrors, dict):
        return _foreign("mirrors", "the table of mirrors of k3s or containerd", mirrors, "endpoint")
    return None


def listed(value: object) -> list[str]:
    """Return the hosts of an array, cleaned of schemes and slashes, each once; what is none is left out."""
    return list(dict.fromkeys(filter(None, map(cleaned, _texts(value)))))


def mirror_advice(value: object) -> str:
    """Say how the mirrors of `value`, strings, are written."""
    found = listed(value)[:_LISTED]
    if not found:
        return "write [[registry.mirror]], and below it location, for each mirror"
    return "write " + ", ".join(f'[[registry.mirror]] and below it location = "{mirror}"' for mirror in found)


def _foreign(key: str, what: str, hosts: Mapping[str, Any], mirrors_key: str) -> Foreign:
    """Tell of a table of hosts, each with its mirrors below `mirrors_key`."""
    mirrors: dict[str, list[str]] = {}
    insecure: set[str] = set()
    plain: set[str] = set()
    for host, table in hosts.items():
        name = HUB if host in {"*", "_default"} else cleaned(host)
        if not name or not isinstance(table, dict):
            continue
        urls = _texts(table.get(mirrors_key))
        if found := [mirror for mirror in listed(urls) if mirror != name]:
            mirrors[name] = found
        plain.update(listed([url for url in urls if url.lower().startswith("http://")]))
        if table.get("http") is True or table.get("insecure") is True:
            insecure.add(name)
    registries = tuple(
        Registry(
            prefix=host,
            location=host,
            insecure=host in insecure,
            mirrors=tuple(
                Mirror(location=mirror, insecure=mirror in insecure | plain) for mirror in mirrors.get(host, ())
            ),
        )
        for host in {*mirrors, *insecure}
    )
    return Foreign(key=key, what=what, instead=normalized(Configuration(registries=registries)))


def _texts(value: object) -> list[str]:
    """The strings of an array, or the one that stands in place of it."""
    return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]


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


def is_objects(content: bytes) -> bool:
    """Whether a file holds OpenShift's objects rather than TOML, by what stands in it."""
    return _OBJECTS.search(content.decode("utf-8", "replace").removeprefix("\ufeff")) is not None
