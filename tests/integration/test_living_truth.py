"""The living truth: generated configurations, routed by this project and by the installed skopeo, agree.

skopeo runs with `--debug`, and nothing answers it: all its requests go to a proxy that does not exist, and those to
localhost to ports where nothing listens. So none leaves the machine, every candidate fails, and the log names them all.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, assume, event, given, reject, settings
from hypothesis import strategies as st

from skopeo_mirror.errors import InvalidConfiguration, InvalidReference, Unroutable
from skopeo_mirror.reference import Reference
from skopeo_mirror.registries_conf.reading import dropin_files, examine, read
from skopeo_mirror.registries_conf.routing import Router
from skopeo_mirror.registries_conf.writing import normalized

if TYPE_CHECKING:
    from collections.abc import Callable

SKOPEO = os.environ.get("SKOPEO_MIRROR_SKOPEO", "skopeo")
NOWHERE = "http://127.0.0.1:9"
QUICK = settings(
    deadline=None,  # a process an example
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],  # explaining a failure takes thousands of them
    suppress_health_check=list(HealthCheck),
)
DIGEST = "sha256:" + "a1" * 32
Table = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Case:
    """The `[[registry]]` tables of the main file and of the drop-ins, by file name, and an image."""

    main: list[Table]
    dropins: dict[str, list[Table]] = field(default_factory=dict)
    image: str

    @property
    def mirrors(self) -> list[Table]:
        tables = [*self.main, *(table for file in self.dropins.values() for table in file)]
        return [mirror for table in tables for mirror in table["mirror"]]  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A candidate that was tried; a blocked one shows no `insecure`, for nothing is sent to it."""

    reference: str
    blocked: bool
    insecure: bool


@dataclass(frozen=True, kw_only=True)
class KnownDifference:
    """Cases that skopeo before version `until` takes otherwise; this project follows the later ones."""

    name: str
    until: tuple[int, ...]
    concerns: Callable[[Case], bool]


KNOWN_DIFFERENCES = (
    KnownDifference(
        # `m.test/` became `m.test//image`, which is no reference: trimming came later. normalize writes none.
        name="a slash at the end of a mirror's location is not trimmed",
        until=(1, 22),
        concerns=lambda case: any(str(mirror["location"]).endswith("/") for mirror in case.mirrors),
    ),
)


HOSTS = ["a.test", "b.test", "c.a.test", "q.b.test", "a.test:5000", "localhost:1", "docker.io", "reg:5000", "A.test"]
PATHS = ["", "", "/x", "/x/y", "/xy", "/library", "/x/y/z"]
WILDCARDS = ["*.test", "*.a.test", "*.b.test", "*.io"]
ODD_PLACES = ["", "/", "registry", "m.test/UPPER", "http://a.test", "https://a.test/x", "[::1]:5000", "a.test/x:1"]
ODD_WILDCARDS = ["*.a.test/x", "*.test:5000", "*", "*.Test"]
IMAGES = ["x", "x:1", "x/y", "library/x", f"img@{DIGEST}", "m_x.test/y", "a.test", "docker.io/x", "index.docker.io/x:1"]


def rarely(odd: st.SearchStrategy[object], usual: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.integers(0, 19).flatmap(lambda number: odd if number == 0 else usual)


def one_of(*values: object) -> st.SearchStrategy[object]:
    return st.sampled_from(values)


place = st.builds("{}{}".format, st.sampled_from(HOSTS), st.sampled_from(PATHS))
with_slash = place.map("{}/".format)
location = rarely(one_of(*ODD_PLACES) | with_slash, place)
wildcard = rarely(one_of(*ODD_WILDCARDS), one_of(*WILDCARDS))
rare_flag = rarely(st.booleans(), st.none())
flag = one_of(None, True, False)
use = rarely(one_of("any"), one_of(None, None, "", "all", "digest-only", "tag-only"))
mirror = st.fixed_dictionaries({"location": location, "insecure": flag, "pull-from-mirror": use})
registry = st.fixed_dictionaries(
    {
        "prefix": st.none() | location | wildcard,
        "location": rarely(st.none() | wildcard, location),
        "insecure": rare_flag,
        "blocked": rare_flag,
        "mirror-by-digest-only": rare_flag,
        "pull-from-mirror": rarely(one_of("", "all"), st.none()),
        "mirror": st.lists(mirror, max_size=3),
    }
) | st.fixed_dictionaries({"prefix": one_of(*WILDCARDS), "blocked": rare_flag, "mirror": st.lists(mirror, max_size=2)})
registries = st.lists(registry, max_size=4)
names = st.sampled_from(["05-a.conf", "50-b.conf", "B.conf", "z.conf", "n.txt"])
dropins = st.dictionaries(names, registries, max_size=3)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A configuration and an image that is named after one of its prefixes, mostly."""
    main = draw(registries)
    rest = draw(st.just({}) | dropins)
    tables = [*main, *(table for file in rest.values() for table in file)]
    prefixes = [str(table.get("prefix") or table.get("location") or "") for table in tables]
    prefix = draw(st.sampled_from(prefixes) if prefixes else place)
    host, slash, namespace = prefix.partition("/")
    host = host.replace("*", str(draw(one_of("x", "x.y", f"x{host[1:]}"))))  # the last has the wildcard's suffix twice
    port = draw(one_of("", "", "", ":8443")) if ":" not in host else ""
    name = f"{host}{port}{slash}{namespace}"
    path = draw(one_of("", "/x", "/x/y", "/img", "/library/x"))
    tag = draw(one_of("", ":1", ":latest", f"@{DIGEST}", f"@{DIGEST}"))
    image = draw(rarely(st.sampled_from(IMAGES), st.just(f"{name}{path}{tag}")))
    assume(not has_tag_and_digest(str(image)))  # refused by skopeo; this project pulls by the digest
    return Case(main=main, dropins=rest, image=str(image))


def has_tag_and_digest(image: str) -> bool:
    try:
        reference = Reference.parse(image)
    except InvalidReference:
        return False
    return reference.tag is not None and reference.digest is not None


@given(case=cases())
@settings(QUICK, max_examples=500)
def test_skopeo_tries_what_route_gives(case: Case) -> None:
    assume(not is_known_difference(case))
    with tempfile.TemporaryDirectory() as directory:
        files = written(case, Path(directory))
        ours = verdict(files, case.image)
        theirs = skopeo_verdict(Path(directory), files[0], case.image)
    event(ours if isinstance(ours, str) else "tried")
    assert theirs == ours


@given(case=cases())
@settings(QUICK, max_examples=100)
def test_skopeo_tries_the_same_after_normalize(case: Case) -> None:
    with tempfile.TemporaryDirectory() as directory:
        files = written(case, Path(directory))
        ours = verdict(files, case.image)
        assume(ours not in ("config", "ref"))
        try:
            text = normalized(read(files).configuration)
        except InvalidConfiguration:  # files that contradict each other: one file cannot say that
            reject()
        alone = Path(directory, "alone")
        alone.mkdir()
        (alone / "registries.conf").write_text(text, encoding="utf-8")
        assert skopeo_verdict(alone, alone / "registries.conf", case.image) == ours


def test_known_differences_are_still_there() -> None:
    """One that a skopeo from `until` on still shows, or an earlier one does not, is described wrongly."""
    case = Case(main=[{"location": "b.test/", "mirror": [{"location": "b.test/"}]}], image="b.test/x:1")
    with tempfile.TemporaryDirectory() as directory:
        files = written(case, Path(directory))
        theirs = skopeo_verdict(Path(directory), files[0], case.image)
    assert (theirs == "sources") is is_known_difference(case)


def is_known_difference(case: Case) -> bool:
    return any(version() < difference.until and difference.concerns(case) for difference in KNOWN_DIFFERENCES)


def verdict(files: list[Path], image: str) -> list[Tried] | str:
    """What this project makes of it: the candidates, or the stage at which it refuses."""
    try:
        reference = Reference.parse(image)
    except InvalidReference:
        return "ref"
    configuration = examine(files).configuration
    if configuration is None:
        return "config"
    try:
        route = Router(configuration).route(reference)
    except Unroutable:
        return "sources"
    return [
        Tried(
            reference=str(candidate.reference),
            blocked=candidate.blocked,
            insecure=candidate.insecure and not candidate.blocked,
        )
        for candidate in route.candidates
    ]


def skopeo_verdict(home: Path, main: Path, image: str) -> list[Tried] | str:
    """What skopeo makes of it, from its log; `home` has the drop-ins."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("CONTAINERS_", "XDG_"))}
    run = subprocess.run(
        [SKOPEO, "--debug", "--registries-conf", str(main), "inspect", "--raw", f"docker://{image}"],
        env=environment | {"HOME": str(home), "HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE, "NO_PROXY": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    log = run.stderr.replace(r"\"", "'")
    *before, fatal = log.splitlines()
    assert "level=fatal" in fatal, log
    # The last line sums up what every candidate said: it is none's own.
    _, *attempts = re.split(r"Trying to access '([^']*)'", "\n".join(before))
    if attempts:
        return [
            Tried(
                reference=reference,
                blocked=" is blocked in " in rest,
                insecure='level=debug msg="GET http://' in rest,
            )
            for reference, rest in zip(attempts[::2], attempts[1::2], strict=True)
        ]
    if "loading registries configuration" in fatal:
        return "config"
    return "sources" if "rewriting reference" in fatal else "ref"


@cache
def version() -> tuple[int, ...]:
    said = subprocess.run([SKOPEO, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.findall(r"\d+", said.split()[2])))[:3]


def written(case: Case, home: Path) -> list[Path]:
    """Write the case's files below `home`; returns the main file and the drop-ins."""
    main = home / "registries.conf"
    main.write_text(toml(case.main), encoding="utf-8")
    directory = home / ".config/containers/registries.conf.d"
    directory.mkdir(parents=True)
    for name, content in case.dropins.items():
        (directory / name).write_text(toml(content), encoding="utf-8")
    return [main, *dropin_files(directory)]


def toml(registries: list[Table]) -> str:
    return "".join(table_toml("registry", registry) for registry in registries)


def table_toml(header: str, table: Table) -> str:
    mirrors = table.get("mirror", [])
    assert isinstance(mirrors, list)
    pairs = {key: value for key, value in table.items() if key != "mirror" and value is not None}
    lines = [
        f"[[{header}]]",
        *(f"{key} = {str(value).lower() if value in (True, False) else repr(value)}" for key, value in pairs.items()),
    ]
    return "".join(f"{line}\n" for line in lines) + "".join(table_toml("registry.mirror", mirror) for mirror in mirrors)
