"""`catalog`: what an operator catalog has to offer."""

from __future__ import annotations

import json as json_text

from skopeo_mirror.cli.asked import catalog_reader
from skopeo_mirror.cli.context import Context
from skopeo_mirror.cli.groups import command
from skopeo_mirror.cli.options import JSON, Conf, Pull, argument
from skopeo_mirror.olm.imageset import OperatorCatalog
from skopeo_mirror.olm.overview import catalog_document, catalog_table
from skopeo_mirror.output.console import Console


@command()
def catalog(
    *,
    reference: str = argument("REFERENCE"),
    conf: Conf,
    pull: Pull,
    json: bool = JSON,
) -> None:
    """List an operator catalog: packages, channels and their heads. It is pulled through registries.conf as any image.

    REFERENCE is host[:port]/path[:tag][@digest], or oci://PATH for a catalog in an OCI layout.

    Example: skopeo-mirror catalog -r registries.conf registry.redhat.io/redhat/redhat-operator-index:v4.18
    """
    console = Console()
    asked = OperatorCatalog.parse(reference)
    _, found = catalog_reader([asked], Context(conf=conf, pull=pull, console=console))(asked)
    document = catalog_document(reference, found)
    console.result(json_text.dumps(document, indent=2) if json else catalog_table(document))
