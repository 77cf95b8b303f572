"""The two views of a route: the document and the tree."""

from __future__ import annotations

from skopeo_mirror.output.routes import Routed, route_document, route_tree
from skopeo_mirror.reference import Reference
from skopeo_mirror.registries_conf.model import Configuration, Mirror, PullFromMirror, Registry
from skopeo_mirror.registries_conf.problem import Position
from skopeo_mirror.registries_conf.routing import Route, Router

QUAY = Registry(
    prefix="quay.io",
    location="quay.io",
    blocked=True,
    mirrors=(
        Mirror(location="m.test/q", insecure=True),
        Mirror(location="t.test", pull_from_mirror=PullFromMirror.DIGEST_ONLY),
    ),
    position=Position(file="r.conf", index=0, line=3),
)
HOSTS = Registry(prefix="*.a.test", location="")
ROUTER = Router(Configuration(registries=(QUAY, HOSTS)))


def routed(image: str) -> Routed:
    reference = Reference.parse(image)
    return Routed(image=image, route=ROUTER.route(reference))


def test_the_document() -> None:
    nowhere = Route(reference=Reference.parse("quay.io/x"), registry=QUAY, candidates=())
    broken = Routed(image="x.test", route=nowhere, error="no reference")
    assert route_document([routed("quay.io/x"), routed("alpine:3"), broken]) == {
        "schema": "skopeo-mirror/route/v1",
        "routes": [
            {
                "image": "quay.io/x",
                "reference": "quay.io/x:latest",
                "prefix": "quay.io",
                "candidates": [
                    {
                        "reference": "m.test/q/x:latest",
                        "location": "m.test/q",
                        "insecure": True,
                        "kind": "mirror",
                        "blocked": False,
                    },
                    {
                        "reference": "quay.io/x:latest",
                        "location": "quay.io",
                        "insecure": False,
                        "kind": "origin",
                        "blocked": True,
                    },
                ],
                "skipped": [{"location": "t.test", "why": "pull-from-mirror is digest-only, and this is a tag"}],
                "error": None,
            },
            {
                "image": "alpine:3",
                "reference": "docker.io/library/alpine:3",
                "prefix": None,
                "candidates": [
                    {
                        "reference": "docker.io/library/alpine:3",
                        "location": "docker.io",
                        "insecure": False,
                        "kind": "origin",
                        "blocked": False,
                    }
                ],
                "skipped": [],
                "error": None,
            },
            {
                "image": "x.test",
                "reference": "quay.io/x",
                "prefix": "quay.io",
                "candidates": [],
                "skipped": [],
                "error": "no reference",
            },
        ],
    }


def test_the_tree() -> None:
    assert route_tree(routed("quay.io/x")) == (
        "quay.io/x = quay.io/x:latest\n"
        "├─ prefix quay.io, the longest that matches (r.conf:3)\n"
        "├─ 1. m.test/q/x:latest  (mirror m.test/q, insecure)\n"
        "├─ 2. quay.io/x:latest  (origin quay.io, blocked: not tried)\n"
        "└─ left out: t.test: pull-from-mirror is digest-only, and this is a tag (--all-mirrors uses it all the same)"
    )


def test_the_tree_without_rewrite_and_without_entry() -> None:
    assert route_tree(routed("x.a.test/y:1")) == (
        "x.a.test/y:1\n├─ prefix *.a.test, the longest that matches\n└─ 1. x.a.test/y:1  (origin, not rewritten)"
    )
    assert route_tree(routed("b.test/y:1")) == (
        "b.test/y:1\n├─ no entry matches: pulled from where its name says\n└─ 1. b.test/y:1  (origin b.test)"
    )


def test_the_tree_of_an_image_without_route() -> None:
    nowhere = Route(reference=Reference.parse("quay.io/x"), registry=QUAY, candidates=())
    broken = Routed(image="x.test", route=nowhere, error="no reference")
    assert route_tree(broken).endswith("└─ no route: no reference")
