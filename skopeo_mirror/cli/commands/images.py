"""`images`: what lists and image sets name."""

from __future__ import annotations

from skopeo_mirror.cli import asked as asking
from skopeo_mirror.cli.context import Context
from skopeo_mirror.cli.groups import command
from skopeo_mirror.cli.options import IMAGES, OUTPUT, Asked, Conf, Pull, flag
from skopeo_mirror.output.console import Console


@command()
def images(
    *,
    images: list[str] | None = IMAGES,
    asked: Asked,
    conf: Conf,
    pull: Pull,
    verbose: bool = flag("-v --verbose", OUTPUT, "Say below each image, as a comment, who wants it (-c)."),
) -> None:
    """Print the image references that the given inputs name, normalized, each once, one a line.

    With -c, catalogs are pulled, through registries.conf as any image.

    Example: skopeo-mirror images -c imageset.yaml -r registries.conf
    """
    console = Console()
    for one in asking.images(images, asked, Context(conf=conf, pull=pull, console=console)):
        # for -f to read: what is no reference, and who wants it, are comments
        layout = f"# {one.text} ({'a catalog' if one.catalog else 'an image'} in a layout: -c takes it)"
        console.result(str(one.reference) if one.layout is None else layout)
        if verbose and one.release is not None:
            console.result(f"    # {one.release}")
        for by in one.wanted_by if verbose else ():
            console.result(f"    # {by.catalog}: {by.package}, {by.channel}, {by.bundle}")
