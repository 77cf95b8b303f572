"""Text that no terminal acts upon (pure)."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` with everything escaped that a terminal would act upon, newlines included."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
