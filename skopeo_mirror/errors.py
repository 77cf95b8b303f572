"""Every error the tool raises on purpose: one tree, each class owns its exit status.

The messages are for people: what is wrong, where, and what to do about it.
"""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class SkopeoMirrorError(Exception):
    """The root of the tree; `str()` of it is shown to the user, escaped, as one line."""

    exit_status: ClassVar[int] = 2


class UsageError(SkopeoMirrorError):
    """Options or arguments that make no sense together."""


class InvalidReference(SkopeoMirrorError):  # noqa: N818 - reads better where it is caught
    """A text that is no image reference; the message does not repeat where it was found."""


class InvalidInput(SkopeoMirrorError):  # noqa: N818
    """An image list or image set that cannot be used; all its problems at once, one a line."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class InvalidConfiguration(InvalidInput):
    """A registries.conf that cannot be used; all its problems at once, one a line."""


class DestinationRefused(SkopeoMirrorError):  # noqa: N818
    """A destination that cannot be written to, or not without losing something."""


class Unroutable(SkopeoMirrorError):  # noqa: N818
    """An image that the configuration sends to a place that is no valid reference."""

    exit_status: ClassVar[int] = 1


class CatalogUnavailable(SkopeoMirrorError):  # noqa: N818
    """An operator catalog, or a release, that no candidate serves: what it asks for cannot be told."""

    exit_status: ClassVar[int] = 1


class SkopeoUnusable(SkopeoMirrorError):  # noqa: N818
    """No skopeo, one that cannot be started, or one that is too old."""

    exit_status: ClassVar[int] = 3


class RunBroken(SkopeoMirrorError):  # noqa: N818
    """This machine let a run down when images had been copied: a disk that is full, a file that cannot be written."""

    exit_status: ClassVar[int] = 1


class OutputLost(SkopeoMirrorError):  # noqa: N818
    """Results that standard output did not take."""

    exit_status: ClassVar[int] = 1

    def __init__(self, error: OSError) -> None:
        why = "is closed" if error.errno == errno.EBADF else f"cannot be written: {error.strerror}"
        super().__init__(f"standard output {why}; what should be there is lost")


def words_of(error: OSError) -> str:
    """Which file it is about, if any, and what is wrong with it."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


@contextmanager
def problems_of(subject: str) -> Iterator[None]:
    """Let an InvalidInput of the block name `subject` before each of its problems."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"{subject}: {problem}" for problem in error.problems) from error
