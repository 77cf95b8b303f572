"""From an ImageSetConfiguration to images: its catalogs are brought, read, and selected from."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skopeo_mirror import wiring
from skopeo_mirror.errors import InvalidInput, InvalidReference
from skopeo_mirror.inputs.catalog import Catalog, read_catalog
from skopeo_mirror.inputs.imageset import ImageSet, OperatorCatalog, parse_imageset
from skopeo_mirror.inputs.listing import list_catalog
from skopeo_mirror.inputs.oci_layout import image_digest
from skopeo_mirror.inputs.selection import select
from skopeo_mirror.inputs.set_images import SelectedFrom, catalog_reference, check_names, images_of_set, once
from skopeo_mirror.options import parse_patience
from skopeo_mirror.reference import Reference
from skopeo_mirror.registries_conf.routing import Router
from skopeo_mirror.skopeo.scoped import Access, Settings
from skopeo_mirror.transfer.catalogs import CatalogPuller
from skopeo_mirror.transfer.engine import Retrying, Warned
from skopeo_mirror.transfer.sourcing import Sourcing
from skopeo_mirror.transfer.stopping import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from skopeo_mirror.inputs.lists import Listed
    from skopeo_mirror.options import PullOptions
    from skopeo_mirror.output.console import Console
    from skopeo_mirror.reference import Digest
    from skopeo_mirror.transfer.catalogs import PulledCatalog
    from skopeo_mirror.transfer.engine import News


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogReader:
    """Reads catalogs: in place from `oci://PATH`, else from the temporary layout that `pull` brings them into.

    All of them from `within`, by their names, where that is set: the layout that an earlier run filled.
    """

    console: Console
    within: Path | None = None
    pull: Callable[[Reference], AbstractContextManager[PulledCatalog]] | None = None

    def read(self, operator: OperatorCatalog) -> tuple[Digest, Catalog]:
        """Raises InvalidInput where the catalog is broken, CatalogUnavailable where nobody serves it."""
        name = None if self.within is None else str(catalog_reference(operator))
        with self._located(operator) as (digest, layout):
            try:
                return digest or image_digest(layout, name), read_catalog(layout, name)
            except InvalidInput as error:
                problems = (problem.removeprefix(f"{layout}: ") for problem in error.problems)
                raise InvalidInput(f"{operator.catalog}: {problem}" for problem in problems) from error

    @contextmanager
    def _located(self, operator: OperatorCatalog) -> Iterator[tuple[Digest | None, Path]]:
        layout = self.within or operator.layout
        if layout is not None:
            yield None, layout
            return
        assert operator.reference is not None  # noqa: S101 - one of both is set
        assert self.pull is not None  # noqa: S101 - `reading` has seen to it
        self.console.note(f"reading the catalog {operator.reference}")
        with self.pull(operator.reference) as pulled:
            yield pulled.reference.digest, pulled.layout


@contextmanager
def reading(operators: Iterable[OperatorCatalog], given: PullOptions, console: Console) -> Iterator[CatalogReader]:
    """A reader for these catalogs, stopped by signals; skopeo and registries.conf are needed only where one is pulled.

    Raises InvalidConfiguration, UsageError, SkopeoUnusable.
    """
    if given.from_layout is not None or all(operator.layout is not None for operator in operators):
        yield CatalogReader(console=console, within=given.from_layout)
        return
    configuration = given.configuration()
    wiring.check_files(given.authfile, given.src_authfile, given.policy)
    found = wiring.usable_skopeo(given.skopeo)
    puller = CatalogPuller(
        skopeo=found,
        settings=Settings(
            source=Access(authfile=given.src_authfile or given.authfile, cert_dir=given.src_cert_dir),
            policy=given.policy,
            insecure_policy=given.insecure_policy,
            credential_helpers=configuration.credential_helpers,
            patience=parse_patience(given.timeout, given.stall_timeout),
        ),
        configuration=configuration,
        sourcing=Sourcing(router=Router(configuration), mirrors_only=given.mirrors_only),
        retries=given.retries,
        log_dir=given.log_dir,
    )
    stop = Stop(runs=found.runs)

    def tell(news: News) -> None:
        match news:
            case Retrying(job=job, pause=pause, why=why):
                console.note(f"{job.wanted.image}: {why}; trying again in {pause:.0f} s")
            case Warned(text=text):
                console.warning(text)

    with wiring.stopped_by_signals(stop, console):
        yield CatalogReader(console=console, pull=partial(puller.pull, stop=stop, tell=tell))


def image_set(file: str, *, skip_unsupported: bool, console: Console) -> ImageSet:
    """Read an image set, its warnings to `console`. Raises InvalidInput, UsageError."""
    found = parse_imageset(Path(file), skip_unsupported=skip_unsupported)
    for warning in found.warnings:
        console.warning(warning)
    return found


def with_set(
    listed: Iterable[Listed], found: ImageSet, reader: CatalogReader, shard: str | None = None
) -> tuple[Listed, ...]:
    """The images of lists and those of an image set, or the shard of these. Raises InvalidInput, CatalogUnavailable."""
    return once([*listed, *wiring.shard_of(_images_of(found, reader), shard)])


def _images_of(found: ImageSet, reader: CatalogReader) -> tuple[Listed, ...]:
    selected = []
    for operator in found.operators:
        reference = catalog_reference(operator)
        digest, catalog = reader.read(operator)
        selection = select(catalog, operator)
        for warning in selection.warnings:
            reader.console.warning(warning)
        selected.append(SelectedFrom(operator=operator, reference=reference, digest=digest, selection=selection))
    check_names(selected)
    return images_of_set(found, selected)


def listing(text: str, given: PullOptions, console: Console) -> list[dict[str, Any]]:
    """The packages of a catalog that somebody names: a reference, or `oci://PATH`.

    Raises as `reading` and `CatalogReader.read` do.
    """
    operator = _named(text)
    with reading([operator], given, console) as reader:
        _, catalog = reader.read(operator)
    return [asdict(package) for package in list_catalog(catalog)]


def _named(text: str) -> OperatorCatalog:
    if text.startswith("oci:"):
        return OperatorCatalog(catalog=text, layout=Path(text.removeprefix("oci:").removeprefix("//")))
    try:
        return OperatorCatalog(catalog=text, reference=Reference.parse(text))
    except InvalidReference as error:
        raise InvalidInput([str(error)]) from error
