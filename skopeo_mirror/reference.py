"""Image references: parse, normalize and pin them as containers/image does.

The rules are those of docker/reference in containers/image (`ParseNormalizedNamed`, `ParseNamed`, `Parse`) and of
opencontainers/go-digest, as observed in `tests/data/registries-conf/cases.jsonl`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Self

from skopeo_mirror.errors import InvalidReference

_HEX_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_SHARED = {algorithm: algorithm for algorithm in _HEX_DIGITS}  # one string for all the digests of a list
NAME_LIMIT = 255
_TEXT_LIMIT = 1024  # no valid reference is longer: 255 of name, 128 of tag, 128 of digest and their marks
_HEX_IN_TAG = 64  # digits of a digest: a tag holds 128 characters at most, so that one of sha512 is cut
_SHOWN_LIMIT = 200  # characters of a text in a message

_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*"
_DOMAIN = rf"{_HOST}(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(
    rf"(?P<name>(?:(?P<domain>{_DOMAIN})/)?(?P<path>{_COMPONENT}(?:/{_COMPONENT})*))"
    rf"(?::(?P<tag>[0-9A-Za-z_][0-9A-Za-z_.-]{{0,127}}))?(?:@(?P<digest>{_DIGEST}))?"
)
_IMAGE_ID = re.compile(r"[a-f0-9]{64}")
_DIGITS = re.compile(r"[a-f0-9]+")
_PASSWORD = re.compile(r"^(?:[^/@]*//)?[^/@:]*:[^/@]*@(?!sha)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Digest:
    """A content digest, `algorithm:hex`; `hex` is lower case and has the algorithm's length."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `sha256:…`, `sha384:…` or `sha512:…`; raise InvalidReference for anything else (go-digest's rules)."""
        algorithm, _, digits = text.partition(":")
        if algorithm not in _HEX_DIGITS:
            raise InvalidReference(f"{shown(text)} is no digest: its algorithm must be one of {', '.join(_HEX_DIGITS)}")
        if len(digits) != _HEX_DIGITS[algorithm] or not _DIGITS.fullmatch(digits):
            raise InvalidReference(
                f"{shown(text)} is no digest: {algorithm} needs {_HEX_DIGITS[algorithm]} lower case hex digits"
            )
        return cls(algorithm=_SHARED[algorithm], hex=digits)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """An image reference with everything that Docker's short forms leave out: `domain/path[:tag][@digest]`.

    `domain` is empty for a host that is no host name but passes for a path (`my_host.test/img`); docker/reference too.
    """

    domain: str
    path: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what people write (`docker://` may lead it): `alpine` becomes `docker.io/library/alpine`.

        Raises InvalidReference. A missing tag stays missing. The rule is docker/reference's `ParseNormalizedNamed`.
        """
        return cls._parse(text.removeprefix("docker://"))

    @classmethod
    def parse_canonical(cls, text: str) -> Self:
        """Read a reference spelled out in full (docker/reference's `ParseNamed`); else raise InvalidReference."""
        reference = cls._parse(text)
        if str(reference) != text:
            raise InvalidReference(f"{shown(text)} names no registry host (it would be read as {reference})")
        return reference

    @classmethod
    def _parse(cls, text: str) -> Self:
        if not text:
            raise InvalidReference("the image reference is empty")
        if len(text) > _TEXT_LIMIT:
            raise InvalidReference(f"{shown(text)} is longer than any image reference ({len(text)} characters)")
        if _IMAGE_ID.fullmatch(text):
            raise InvalidReference(f"{shown(text)} is an image ID, not a repository: 64 hex digits are no name")
        domain, remainder = _split_domain(text)
        path = remainder.partition(":")[0]
        if path.lower() != path:
            raise InvalidReference(f"{shown(text)} is no image reference: the repository must be lower case")
        match = _REFERENCE.fullmatch(f"{domain}/{remainder}")
        if match is None:
            raise InvalidReference(f"{shown(text)} is no image reference: {_blame(text)}")
        if len(match["name"]) > NAME_LIMIT:
            raise InvalidReference(
                f"{shown(text)} is no image reference: its name has {len(match['name'])} characters, "
                f"more than {NAME_LIMIT}"
            )
        digest = None if match["digest"] is None else Digest.parse(match["digest"])
        return cls(domain=match["domain"] or "", path=match["path"], tag=match["tag"], digest=digest)

    @property
    def name(self) -> str:
        """The repository, `domain/path`, without tag and digest."""
        return f"{self.domain}/{self.path}" if self.domain else self.path

    def without_tag(self) -> Self:
        """Return the same reference, its tag dropped."""
        return self if self.tag is None else replace(self, tag=None)

    def without_digest(self) -> Reference:
        """The same name and tag, wherever it points."""
        return Reference(domain=self.domain, path=self.path, tag=self.tag)

    def under(self, tag: str) -> Reference:
        """The same name under another tag, whatever it pointed at."""
        return Reference(domain=self.domain, path=self.path, tag=tag)

    def pin(self, digest: Digest) -> PinnedReference:
        """Return the same name and tag at `digest`, whatever it pointed at before."""
        return PinnedReference(domain=self.domain, path=self.path, tag=self.tag, digest=digest)

    def __str__(self) -> str:
        tag = "" if self.tag is None else f":{self.tag}"
        digest = "" if self.digest is None else f"@{self.digest}"
        return f"{self.name}{tag}{digest}"


@dataclass(frozen=True, kw_only=True, slots=True)
class PinnedReference(Reference):
    """A reference that always has a digest."""

    digest: Digest


def split_repository(text: str) -> tuple[str, str]:
    """Split a bare repository name, not normalized, into host (may be empty) and path; raise InvalidReference.

    docker/reference's `Parse`, for names that must have neither tag nor digest.
    """
    match = _REFERENCE.fullmatch(text) if len(text) <= _TEXT_LIMIT else None
    if match is None or len(match["name"]) > NAME_LIMIT:
        raise InvalidReference(f"{shown(text)} is no repository name")
    if match["tag"] is not None or match["digest"] is not None:
        raise InvalidReference(f"{shown(text)} must have neither tag nor digest")
    return match["domain"] or "", match["path"]


def is_domain(text: str) -> bool:
    """Whether `text` is a registry host with an optional port (docker/reference's `DomainRegexp`, whole text)."""
    return re.fullmatch(_DOMAIN, text) is not None


def shown(text: str) -> str:
    """Quote `text` for a message: control characters escaped, cut where it is long, no password before an `@`."""
    public = _PASSWORD.sub("…@", text)
    return repr(public) if len(public) <= _SHOWN_LIMIT else f"{public[:_SHOWN_LIMIT]!r}…"


def tag_of(image: Reference) -> str:
    """The tag that keeps an image at the destination: its own, else one made of its digest, else `latest`.

    `pin-sha256-…`, because a registry may collect what has no tag; `sha256-…` belongs to the OCI referrers schema.
    """
    if image.tag is not None:
        return image.tag
    if image.digest is None:
        return "latest"
    return f"pin-{image.digest.algorithm}-{image.digest.hex[:_HEX_IN_TAG]}"


def _split_domain(text: str) -> tuple[str, str]:
    """Docker's rule for what is a host: the first component if it has a dot or colon, or is localhost."""
    first, slash, rest = text.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        domain, remainder = first, rest
    else:
        domain, remainder = "docker.io", text
    if domain == "index.docker.io":
        domain = "docker.io"
    if domain == "docker.io" and "/" not in remainder:
        remainder = f"library/{remainder}"
    return domain, remainder


def _blame(text: str) -> str:
    """Guess the likeliest reason why `text` does not parse."""
    first, slash, rest = text.partition("/")
    if "://" in text:
        return "a transport or URL scheme has no place here"
    if text.startswith("@"):
        return "it has a digest but no repository"
    if "[" in first:
        return "containers/image takes no IPv6 addresses"
    if any(character.isspace() for character in text):
        return "it has blanks in it"
    odd = next((character for character in text if not character.isprintable()), None)
    if odd is not None:
        return f"it has the character U+{ord(odd):04X} in it"
    if slash and not rest:
        return "no repository follows the host"
    return "expected host[:port]/path[:tag][@sha256:…]"
