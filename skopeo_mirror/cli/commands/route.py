"""`route`: from where each image would be pulled."""

from __future__ import annotations

import json as json_text

import typer

from skopeo_mirror.cli import asked as asking
from skopeo_mirror.cli.context import Context
from skopeo_mirror.cli.groups import command
from skopeo_mirror.cli.options import IMAGES, JSON, QUIET, Asked, Conf, Pull
from skopeo_mirror.errors import Unroutable
from skopeo_mirror.output.console import Console
from skopeo_mirror.output.routes import Routed, route_document, route_tree
from skopeo_mirror.registries_conf.routing import Route


@command()
def route(
    *, images: list[str] | None = IMAGES, asked: Asked, conf: Conf, pull: Pull, json: bool = JSON, quiet: bool = QUIET
) -> None:
    """Show, offline, from where each image would be pulled: the candidates in order, and why others are not.

    With -c, catalogs are pulled, for they say which images there are.

    Example: skopeo-mirror route -r registries.conf quay.io/foo/app@sha256:...
    """
    console = Console(quiet=quiet)
    context = Context(conf=conf, pull=pull, console=console)
    router = context.router
    routed = []
    for listed in asking.images(images, asked, context):
        if listed.layout is not None:
            continue
        reference, error = listed.reference, None
        try:
            found = router.route(reference)
        except Unroutable as raised:
            error = str(raised)
            found = Route(reference=reference, registry=router.lookup(reference.name), candidates=())
        routed.append(Routed(image=listed.text or str(reference), route=found, error=error))
    if json:
        console.result(json_text.dumps(route_document(routed), indent=2))
    else:
        for image in routed:
            console.result(route_tree(image))
    raise typer.Exit(1 if any(image.error for image in routed) else 0)
