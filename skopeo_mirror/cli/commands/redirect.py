"""`redirect`: from reports to what makes others pull from the destination."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from skopeo_mirror.cli.checks import text_of
from skopeo_mirror.cli.groups import command
from skopeo_mirror.cli.options import OUTPUT, argument, flag, option, repeated
from skopeo_mirror.errors import UsageError
from skopeo_mirror.output.console import Console
from skopeo_mirror.output.mirrored import check_registries, confirmed_images, parse_report
from skopeo_mirror.output.redirect_formats import Format, in_part, redirect_text

if TYPE_CHECKING:
    from skopeo_mirror.output.mirrored import Mirrored

_CATALOGS: Final = {Format.CATALOGSOURCE: "CatalogSource", Format.CLUSTERCATALOG: "ClusterCatalog"}
_MIRROR_SETS: Final = {
    Format.IDMS: "was copied: there is no ImageDigestMirrorSet",
    Format.ITMS: "has its own tag at the destination: there is no ImageTagMirrorSet",
}


@command()
def redirect(
    *,
    reports: list[Path] = argument("REPORT..."),
    format_: Format = option(
        "--format FORMAT", OUTPUT, f"{', '.join(Format)} ({Format.REGISTRIES_CONF}).", default=Format.REGISTRIES_CONF
    ),
    planned: bool = flag("--planned", OUTPUT, "What a dry run would copy counts as if it were there."),
    keep: list[Path] | None = repeated(
        "--keep REPORT", OUTPUT, "What this has is not to be deleted (--format delete)."
    ),
) -> None:
    """Print, from the reports of `copy`, the redirect that makes others pull from the destination.

    Only confirmed images count. As a file in /etc/containers/registries.conf.d (registries-conf), as OpenShift's
    ImageDigestMirrorSet (idms) or ImageTagMirrorSet (itms), as CatalogSources for the copied catalogs (catalogsource;
    for OLM v1 as ClusterCatalogs: clustercatalog), or as source=destination lines, which -f reads (mapping; with what
    is attached to the images). What is in no --keep REPORT, as a list for `oc mirror delete` (delete): nothing is
    deleted here.

    Example: skopeo-mirror redirect report.json > mirror.conf
    """
    if (format_ is Format.DELETE) != bool(keep):
        raise UsageError("--format delete and --keep REPORT go together: what one report has and another has not")
    parsed = [_parsed(file, planned=planned) for file in reports]
    kept = [_parsed(file, planned=True, whole=True) for file in keep or []]
    console = Console()
    confirmed = confirmed_images(parsed)
    if not confirmed:
        dry = any(image.planned for images in parsed for image in images)
        hint = " (a dry run's images count with --planned)" if dry else ""
        console.warning(f"no image is confirmed: nothing is redirected{hint}")
    if partial := in_part(confirmed, format_):
        platforms = ", ".join(sorted({str(platform) for image in partial for platform in image.platforms}))
        some = "1 image was" if len(partial) == 1 else f"{len(partial)} images were"
        console.warning(
            f"{some} copied for a few platforms alone ({platforms}): a pull for another finds an index at the mirror "
            "and not its image, and fails (`copy` without --platform brings the rest)"
        )
    text = redirect_text(parsed, format_, kept)
    if format_ in _CATALOGS and not text:
        kind = _CATALOGS[format_]
        console.warning(f"no catalog is confirmed: there is no {kind} (`copy -c FILE` copies catalogs)")
    if format_ in _MIRROR_SETS and not text and confirmed:
        console.warning(f"nothing that others pull {_MIRROR_SETS[format_]}")
    if format_ is Format.DELETE and not text and confirmed:
        console.warning("all of it is to be kept: there is nothing to delete")
    for line in text.splitlines():
        console.result(line)


def _parsed(file: Path, *, planned: bool, whole: bool = False) -> tuple[Mirrored, ...]:
    images = parse_report(text_of(file), str(file), planned=planned, whole=whole)
    check_registries(images, str(file))
    return images
