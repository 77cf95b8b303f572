"""Operator catalogs whose bundles and related images are real images, and image sets that select from them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.olm.catalogs import LABEL, Member, as_json, as_yaml, bundle, channel, layer, line, package, write_catalog

from .images import Image, layer_of, make_image, make_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from .program import Program
    from .registry import Registry

HEAD = "apiVersion: mirror.openshift.io/v2alpha1\nkind: ImageSetConfiguration\n"
VERSIONS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "alpha": {
        "stable": ("1.0.0", "1.1.0", "1.2.0", "2.0.0", "2.1.0", "2.2.0", "2.3.0", "2.4.0"),
        "old": ("1.0.0", "1.1.0"),
    },
    "beta": {"stable": ("0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0"), "candidate": ("0.5.0", "0.6.0")},
    "gamma": {"fast": ("3.0.0", "3.1.0", "3.2.0", "3.3.0", "3.4.0", "3.5.0")},
}
"""Three packages, five channels, twenty bundles; the first channel is the default."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Operators:
    """A catalog's documents, and the images that they name: `images` by repository below `name` (`HOST/PATH`)."""

    name: str
    documents: list[dict[str, Any]]
    images: Mapping[str, Image]

    def push(self, registry: Registry, path: str) -> None:
        """Store every image below `path`."""
        for repository, image in self.images.items():
            registry.push(f"{path}/{repository.partition('@')[0]}", image)

    def of(self, package: str, *versions: str) -> dict[str, Image]:
        """Return what these bundles are made of, by reference."""
        wanted = [f"{package}-{part}@{version}" for version in versions for part in ("bundle", "operator")]
        return {self.reference(repository): self.images[repository] for repository in [*wanted, "proxy@any"]}

    def reference(self, repository: str) -> str:
        """Return the reference by digest of an image."""
        return f"{self.name}/{repository.partition('@')[0]}@{self.images[repository].digest}"


def make_operators(name: str) -> Operators:
    """Make the catalog of `VERSIONS`: each bundle has an operator, all have one proxy, below `name` (`HOST/PATH`)."""
    images = {"proxy@any": make_image(f"{name} proxy")}
    documents: list[dict[str, Any]] = []
    for operator, channels in VERSIONS.items():
        documents.append(package(operator, next(iter(channels))))
        documents += [channel(operator, one, *line(operator, *versions)) for one, versions in channels.items()]
        for version in dict.fromkeys(version for versions in channels.values() for version in versions):
            for part in ("bundle", "operator"):
                images[f"{operator}-{part}@{version}"] = make_image(f"{name} {operator} {part} {version}", size=300)
    operators = Operators(name=name, documents=documents, images=images)
    documents += [
        _bundle(operators, *repository.split("-bundle@")) for repository in images if "-bundle@" in repository
    ]
    return operators


def _bundle(operators: Operators, operator: str, version: str) -> dict[str, Any]:
    document = bundle(operator, version)
    references = [operators.reference(f"{operator}-{part}@{version}") for part in ("bundle", "operator")]
    document["image"] = references[0]
    related = [*references, operators.reference("proxy@any"), ""]
    document["relatedImages"] = [{"name": str(number), "image": one} for number, one in enumerate(related)]
    return document


def write_layout(directory: Path, operators: Operators) -> str:
    """Write the catalog as an OCI layout, over two layers, as JSON and YAML; return its digest."""
    write_catalog(directory, *catalog_layers(operators))
    index = json.loads((directory / "index.json").read_text())
    return str(index["manifests"][0]["digest"])


def catalog_layers(operators: Operators) -> Iterator[bytes]:
    """Yield the layers of the catalog's image."""
    beta = [one for one in operators.documents if "beta" in (one["name"], one.get("package"))]
    rest = [one for one in operators.documents if one not in beta]
    yield layer(Member(name="configs/all.json", content=as_json(rest)), Member(name="bin/opm", content=b"\x7fELF"))
    yield layer(Member(name="configs/beta/catalog.yaml", content=as_yaml(beta)))


def make_catalog_image(
    operators: Operators, *, docker: bool = False, architectures: Sequence[str] = ("amd64", "arm64")
) -> Image:
    """Make the catalog's image for several architectures, the same files in all."""
    layers = [layer_of(blob) for blob in catalog_layers(operators)]
    children = [
        make_image(
            f"catalog {architecture}",
            layers=layers,
            architecture=architecture,
            docker=docker,
            labels={LABEL: "/configs"},
        )
        for architecture in architectures
    ]
    return make_index(children, docker=docker)


def write_image_set(program: Program, text: str, name: str = "set.yaml") -> str:
    """Write what follows `mirror:` of an image set; return the file's name."""
    indented = "".join(f"  {one}\n" for one in text.strip("\n").splitlines())
    (program.directory / name).write_text(f"{HEAD}mirror:\n{indented}", encoding="utf-8")
    return name
