"""The reading of registries.conf files: every problem at once, and the configuration merged over all of them."""

from __future__ import annotations

import errno
import hashlib
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from skopeo_mirror.errors import InvalidConfiguration
from skopeo_mirror.files import called, open_named
from skopeo_mirror.registries_conf import toml
from skopeo_mirror.registries_conf.entry_warnings import duplicate_warnings, entry_warnings, object_warnings
from skopeo_mirror.registries_conf.foreign import is_objects
from skopeo_mirror.registries_conf.key_warnings import key_warnings
from skopeo_mirror.registries_conf.keys import fold
from skopeo_mirror.registries_conf.misreading import syntax_problem
from skopeo_mirror.registries_conf.model import Configuration, Registry
from skopeo_mirror.registries_conf.parsing import Contents, parse_document
from skopeo_mirror.registries_conf.problem import Lines, Position, Problem, errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_NOTHING_REDIRECTED = (
    "has no [[registry]] table, so nothing is redirected: every image comes from where its name says",
    "write a [[registry]] with location, and a [[registry.mirror]] with location",
)
_NO_OBJECT_REDIRECTS = (
    "nothing is redirected: every image comes from where its name says",
    "write source and mirrors into an object's list",
)
_NO_FILE = (
    "there is none on this host, so nothing is redirected: every image comes from where its name says",
    "name one with -r FILE, or write /etc/containers/registries.conf",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Examination:
    """What was found in the files."""

    configuration: Configuration | None
    """What they say; None where one of them is invalid."""
    problems: tuple[Problem, ...]
    """Everything that is wrong with them."""
    files: tuple[str, ...] = ()
    """Their names, in the order in which they are merged."""
    of_objects: bool = False
    """Whether one of them holds OpenShift's objects."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems for which containers/image refuses the configuration."""
        return errors(self.problems)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading(Examination):
    """An examination that found no error: there is a configuration."""

    configuration: Configuration


def read(files: Sequence[Path], *, strict: bool = False) -> Reading:
    """Read `files` as `examine` does; raise as `accepted` does."""
    return accepted(examine(files), strict=strict)


def accepted(examination: Examination, *, strict: bool = False) -> Reading:
    """Return what was found; raise InvalidConfiguration with every error, and with `strict` every warning as well."""
    fatal = examination.problems if strict else examination.errors
    if fatal or examination.configuration is None:
        raise InvalidConfiguration(str(problem) for problem in fatal)
    return Reading(configuration=examination.configuration, problems=examination.problems, files=examination.files)


def examine(files: Sequence[Path]) -> Examination:
    """Read the main file, then its drop-ins in the given order, and merge them as containers/image does.

    Files of OpenShift's objects are taken together as OpenShift does. `-` is standard input.
    Never raises for what a file is or contains; a file that cannot be read is an error among the problems.
    Raises UsageError where it is YAML and the library for that is missing.
    """
    problems: list[Problem] = []
    contents: list[tuple[str, bytes]] = []
    for file in files:
        try:
            contents.append((called(file), _content(file)))
        except OSError as error:
            advice = "check the path" if isinstance(error, FileNotFoundError) else ""
            problems.append(Position(file=called(file)).error("", f"cannot be read: {error.strerror or error}", advice))
    examination = interpret_files(contents)
    problems += examination.problems
    if not files:
        problems.append(Position(file="registries.conf").warning("", *_NO_FILE))
    configuration = None if errors(problems) else examination.configuration
    return Examination(
        configuration=configuration,
        problems=tuple(problems),
        files=tuple(map(called, files)),
        of_objects=examination.of_objects,
    )


def interpret_files(files: Sequence[tuple[str, bytes]]) -> Examination:
    """Interpret the contents of files, each with its name for messages (pure)."""
    if any(is_objects(content) for _, content in files):
        return _interpret_objects(files)
    problems: list[Problem] = []
    registries: dict[str, Registry] = {}
    others: dict[str, Any] = {}
    explained = False
    for file, content in files:
        contents, found = _parse_file(file, content)
        problems += found
        explained = explained or contents.foreign is not None
        problems += duplicate_warnings(contents.registries)
        # Within a file the first entry of a prefix wins; across files the last does.
        registries |= {registry.prefix: registry for registry in reversed(contents.registries)}
        others = _merge_others(others, contents.others)
    problems += entry_warnings(registries.values())
    order = {file: number for number, (file, _) in enumerate(files)}
    problems.sort(key=lambda problem: (order[problem.file], problem.line or sys.maxsize))
    if errors(problems):
        return Examination(configuration=None, problems=tuple(problems))
    if files and not registries and not explained:  # by a warning of its own
        problems.append(Position(file=files[0][0]).warning("", *_NOTHING_REDIRECTED))
    configuration = Configuration(
        registries=tuple(registries[prefix] for prefix in sorted(registries) if prefix),  # an empty one matches nothing
        files=tuple(file for file, _ in files),
        sha256=hashlib.sha256(b"".join(content for _, content in files)).hexdigest(),
        others=others,
    )
    return Examination(configuration=configuration, problems=tuple(problems))


def _interpret_objects(files: Sequence[tuple[str, bytes]]) -> Examination:
    """Interpret files of OpenShift's objects. Raises UsageError where the library for YAML is missing."""
    from skopeo_mirror.registries_conf.mirror_sets.conversion import converted  # noqa: PLC0415 - YAML alone needs it
    from skopeo_mirror.registries_conf.mirror_sets.objects import Objects, read_objects  # noqa: PLC0415 - as above

    objects = Objects()
    for file, content in files:
        if is_objects(content):
            read_objects(file, content, objects)
        elif _says_something(content):
            text = "is no file of OpenShift objects, as another is: the two do not mix"
            objects.error(Position(file=file), text, "`skopeo-mirror normalize` makes TOML of them")
    registries, together = converted(objects)
    order = {file: number for number, (file, _) in enumerate(files)}
    wrong = {(one.file, one.line, one.column) for one in errors(objects.problems)}
    more = (one for one in object_warnings(registries) if (one.file, one.line, one.column) not in wrong)
    found = dict.fromkeys([*objects.problems, *together, *more])
    problems = sorted(found, key=lambda one: (order[one.file], one.line or sys.maxsize, one.column or 0))
    if not registries and not problems:
        problems.append(Position(file=files[0][0]).warning("", *_NO_OBJECT_REDIRECTS))
    configuration = Configuration(
        registries=tuple(sorted(registries, key=lambda registry: registry.prefix)),
        files=tuple(file for file, _ in files),
        sha256=hashlib.sha256(b"".join(content for _, content in files)).hexdigest(),
    )
    return Examination(
        configuration=None if errors(problems) else configuration, problems=tuple(problems), of_objects=True
    )


def _says_something(content: bytes) -> bool:
    """Whether a file has more than comments, in TOML or YAML."""
    return any(
        line.strip() not in {b"", b"---"} and not line.lstrip().startswith(b"#") for line in content.splitlines()
    )


def dropin_files(directory: Path) -> tuple[Path, ...]:
    """Return the drop-ins of a directory in the order in which they are merged: `*.conf`, by name (bytes).

    Raises OSError where the directory cannot be listed.
    """
    files = (file for file in directory.iterdir() if file.name.endswith(".conf") and not file.is_dir())
    return tuple(sorted(files, key=lambda file: file.name.encode(errors="surrogateescape")))


def _content(file: Path) -> bytes:
    with open_named(file) as stream:
        content = stream.read(toml.SIZE_LIMIT + 1)
    if len(content) > toml.SIZE_LIMIT:
        raise OSError(errno.EFBIG, f"longer than {toml.SIZE_LIMIT // 1024 // 1024} MiB, the most that is read")
    return content


def _parse_file(file: str, content: bytes) -> tuple[Contents, list[Problem]]:
    text = ""
    try:
        text = toml.decode(content)
        document, newer = toml.parse(text)
    except toml.TomlError as error:
        return Contents(), [syntax_problem(file, text, error)]
    registries = (value for key, value in document.items() if fold(key) == "registry" and isinstance(value, list))
    position = Position(file=file, lines=Lines(text, registries=len(next(registries, []))))
    contents, problems = parse_document(document, position)
    return contents, [
        *problems,
        *_old_readers(position, content, newer),
        *key_warnings(document, position, contents.foreign),
    ]


def _old_readers(position: Position, content: bytes, newer: toml.TomlError | None) -> Iterator[Problem]:
    """Yield a warning for what the TOML readers of older skopeos refuse."""
    advice = "`skopeo-mirror normalize` writes what every skopeo reads"
    if toml.has_mark(content):
        text = "begins with a byte order mark, for which skopeo 1.9.3 refuses the whole file"
        yield replace(position.warning("", text, f"save it as UTF-8 without one; {advice}"), line=1)
    if newer is not None:
        text = "this is TOML 1.1, for which skopeo 1.9.3 and 1.18 refuse the whole file"
        advice = f"write an inline table on one line, without a comma at its end; {advice}"
        yield replace(position.warning("", text, advice), line=newer.line, column=newer.column)


def _merge_others(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """containers/image's `updateWithConfigurationFrom`: a set value replaces, aliases are merged."""
    merged = before | {key: value for key, value in after.items() if value != "" and key != "aliases"}
    aliases = before.get("aliases", {}) | after.get("aliases", {})
    return merged | {"aliases": aliases} if aliases else merged
