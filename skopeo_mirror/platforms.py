"""Platforms of images: `OS/ARCH[/VARIANT]`, as people ask for them and as an index gives them (pure).

Names and their other spellings are those of containerd's `platforms` package, which Docker, BuildKit and nerdctl share.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from skopeo_mirror.errors import InvalidReference

_FORM: Final = re.compile(r"[a-z0-9._-]+/[a-z0-9._-]+(?:/[a-z0-9._-]+)?")
_OTHER_NAMES: Final = {
    "aarch64": ("arm64", None),
    "armel": ("arm", "v6"),
    "armhf": ("arm", "v7"),
    "i386": ("386", None),
    "x86-64": ("amd64", None),
    "x86_64": ("amd64", None),
}
_IMPLIED: Final = {"amd64": "v1", "arm": "v7", "arm64": "v8"}
"""The variant that an architecture is where none is given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """An operating system on an architecture; `str()` of it is what `parse` reads."""

    os: str
    architecture: str
    variant: str | None = None

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read `OS/ARCH[/VARIANT]`, in any letter case. Raises InvalidReference."""
        if _FORM.fullmatch(text.lower()) is None:
            raise InvalidReference(f"{text!r} is no platform: write OS/ARCH or OS/ARCH/VARIANT, as in linux/amd64")
        system, architecture, *variant = text.lower().split("/")
        architecture, implied = _OTHER_NAMES.get(architecture, (architecture, None))
        return cls(os=system, architecture=architecture, variant=variant[0] if variant else implied)

    def takes(self, other: Platform) -> bool:
        """Whether an image for `other` is one of those that are asked for with this; without variant any is."""
        if (self.os, self.architecture) != (other.os, other.architecture):
            return False
        implied = _IMPLIED.get(self.architecture)
        return self.variant is None or self.variant == (other.variant or implied)

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))
