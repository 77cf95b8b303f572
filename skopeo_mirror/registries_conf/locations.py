"""Prefixes and locations as people write them, and what they mean by it (pure)."""

from __future__ import annotations

import re

from skopeo_mirror.errors import InvalidReference
from skopeo_mirror.reference import Reference, shown

HUB = "docker.io"
HUB_HOSTS = {
    "index.docker.io": "is docker.io by another name",
    "registry-1.docker.io": "is docker.io by another name",
    "registry.hub.docker.com": "is docker.io by another name",
    "hub.docker.com": "is the web site of docker.io, no registry",
}
"""The hosts that people take for the registry of Docker Hub, and what they are."""

PLACEHOLDER = re.compile(r"\{\{.*?(?:\}\}|$)|\{%.*?(?:%\}|$)|\$\{[^}]*\}?|\$\([^)]*\)?|\$\w+|<[A-Za-z][\w .-]*>")
"""What a template leaves behind that nobody filled in."""

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_USER = re.compile(r"^[^/@]*@")
_DIGEST = re.compile(r"@[A-Za-z][\w+.-]*:[0-9a-fA-F]*$")
_TAG = re.compile(r"(?<=[^/]):[\w][\w.-]*$")


def is_location(text: str) -> bool:
    """Whether images can lie below `text`: `text/a/a` is a reference."""
    try:
        Reference.parse_canonical(f"{text}/a/a")
    except InvalidReference:
        return False
    return True


def cleaned(text: str) -> str:
    """Return the location that `text` likely means, or nothing where that cannot be told. It holds no credentials."""
    text = _without(text.strip(), (_SCHEME, _USER, re.compile(r"[?#].*$"), re.compile(r"/+$")))
    text = _without(text, (_DIGEST, re.compile(r"/v[12]$")))
    host, slash, path = text.partition("/")
    if slash:
        path = _TAG.sub("", path).lower()
    elif not re.fullmatch(r"[^:]*(:[0-9]{1,5})?", host):
        host = _TAG.sub("", host)
    host = HUB if host in HUB_HOSTS else host
    text = f"{host}{slash}{path}"
    return text if is_location(text) else ""


def fault(text: str, key: str) -> tuple[str, str] | None:
    """Return what is wrong with a prefix or location that makes no reference, and the cure; None: only that."""
    placeholder = PLACEHOLDER.search(text)
    if placeholder is not None:
        return f"{shown(placeholder[0])} is of a template that nobody filled in", "put the value in its place"
    causes = [cause for pattern, cause in _CAUSES if pattern.search(text)]
    path = _DIGEST.sub("", _SCHEME.sub("", text)).partition("/")[2]
    tagged = _TAG.search(f"/{path}") is not None or _DIGEST.search(text) is not None
    causes += ["it has a tag or digest"] if tagged else []
    causes += ["its path has capitals, which no repository has"] if path != path.lower() and not causes else []
    meant = cleaned(text)
    if not causes or not meant:
        return None
    advice = f'write {key} = "{meant}"'
    if tagged:
        advice += ", without tag and digest"
    if _USER.search(_SCHEME.sub("", text)):
        advice += "; credentials belong in an auth file: skopeo login"
    elif text.strip().lower().startswith("http://"):
        advice += ", and insecure = true for a plain HTTP registry"
    return " and ".join(causes), advice


_CAUSES = (
    (re.compile(r"\s"), "it has blanks in it"),
    (re.compile(r"^\s*[A-Za-z][A-Za-z0-9+.-]*://"), "it has a scheme, and registries.conf names hosts, not URLs"),
    (re.compile(r"^(?:\s*[A-Za-z][A-Za-z0-9+.-]*://)?[^/@]*@(?!sha\d)"), "it has a user in it"),
    (re.compile(r"\?"), "it has a query in it"),
)


def _without(text: str, patterns: tuple[re.Pattern[str], ...]) -> str:
    for pattern in patterns:
        text = pattern.sub("", text)
    return text
