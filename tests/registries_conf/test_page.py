"""The page of rules, registries_conf/README.md, says what the program does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from skopeo_mirror.errors import Unroutable
from skopeo_mirror.output.problems import problem_lines
from skopeo_mirror.reference import Reference
from skopeo_mirror.registries_conf.reading import interpret_files
from skopeo_mirror.registries_conf.routing import Router

if TYPE_CHECKING:
    from skopeo_mirror.registries_conf.model import Configuration

PAGE = Path(__file__).parents[2] / "skopeo_mirror/registries_conf/README.md"
EXAMPLE = re.compile(r"^### (.*?)\n\n```toml\n(.*?)```\n\n```\n(.*?)```$", re.MULTILINE | re.DOTALL)
ROUTE = re.compile(r"(\S+) -> (.*)")


def examples() -> list[tuple[str, str, str]]:
    return [(match[1], match[2], match[3]) for match in EXAMPLE.finditer(PAGE.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("text", "shown"), [pytest.param(text, shown, id=title) for title, text, shown in examples()])
def test_an_example_shows_what_comes_of_it(text: str, shown: str) -> None:
    examination = interpret_files([("FILE", text.encode())])
    said = problem_lines(examination.problems)
    for line in shown.splitlines():
        if match := ROUTE.fullmatch(line):
            assert examination.configuration is not None
            said.append(f"{match[1]} -> {candidates(examination.configuration, match[1])}")
    assert said == shown.splitlines()


def test_every_rule_has_an_example() -> None:
    assert len(examples()) == PAGE.read_text(encoding="utf-8").count("\n### ")


def candidates(configuration: Configuration, image: str) -> str:
    try:
        route = Router(configuration).route(Reference.parse(image))
    except Unroutable as error:
        return str(error)
    return ", ".join(
        str(candidate.reference) + " (insecure)" * candidate.insecure + " (blocked)" * candidate.blocked
        for candidate in route.candidates
    )
