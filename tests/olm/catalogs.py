"""Operator catalogs for tests: documents, and images in an OCI layout that hold them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

LABEL = "operators.operatorframework.io.index.configs.v1"
REF_NAME = "org.opencontainers.image.ref.name"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"

Document = dict[str, Any]


def package(name: str, default_channel: str) -> Document:
    return {"schema": "olm.package", "name": name, "defaultChannel": default_channel, "description": f"About {name}"}


def entry(name: str, replaces: str = "", skips: Sequence[str] = (), skip_range: str = "") -> Document:
    given = {"name": name, "replaces": replaces, "skips": list(skips), "skipRange": skip_range}
    return {key: value for key, value in given.items() if value}


def channel(package: str, name: str, *entries: Document) -> Document:
    return {"schema": "olm.channel", "package": package, "name": name, "entries": list(entries)}


def line(package: str, *versions: str) -> list[Document]:
    """Entries that each replace the one before; a bundle is called as OLM's are, `package.vVERSION`."""
    names = [f"{package}.v{version}" for version in versions]
    return [entry(name, replaces) for name, replaces in zip(names, ["", *names[:-1]], strict=True)]


def bundle(package: str, version: str, related: Iterable[str] = (), registry: str = "quay.io/op") -> Document:
    image = f"{registry}/{package}-bundle@{digest_of(f'{package} {version}')}"
    return {
        "schema": "olm.bundle",
        "package": package,
        "name": f"{package}.v{version}",
        "image": image,
        "properties": [
            {"type": "olm.gvk", "value": {"group": "example.com", "kind": "Thing", "version": "v1"}},
            {"type": "olm.package", "value": {"packageName": package, "version": version}},
        ],
        "relatedImages": [{"name": "", "image": image}, *({"name": "one", "image": one} for one in related)],
    }


def digest_of(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def sample(registry: str = "quay.io/op") -> list[Document]:
    """Return a catalog of three packages, six channels and twenty-two bundles.

    `alpha`: two plain channels; `beta`: skips, skipRange and a pre-release; `gamma`: one channel, shared images.
    """
    alpha = ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "2.0.0", "2.1.0", "2.2.0"]
    beta = ["0.9.0", "1.0.0", "1.0.1", "1.0.2", "1.1.0", "1.2.0-rc.1", "1.2.0"]
    gamma = ["3.0.0", "3.0.1", "3.1.0", "3.1.1", "3.2.0", "3.3.0", "3.4.0", "3.5.0"]
    return [
        package("alpha", "stable"),
        channel("alpha", "stable", *line("alpha", *alpha)),
        channel("alpha", "old", *line("alpha", *alpha[:4])),
        *(bundle("alpha", version, [f"{registry}/alpha:{version}"], registry) for version in alpha),
        package("beta", "stable"),
        channel(
            "beta",
            "stable",
            entry("beta.v1.0.0", "beta.v0.9.0"),
            entry("beta.v0.9.0"),
            entry("beta.v1.0.1"),
            entry("beta.v1.0.2"),
            entry("beta.v1.1.0", "beta.v1.0.0", skips=["beta.v1.0.1", "beta.v1.0.2"], skip_range=">=1.0.0 <1.1.0"),
        ),
        channel("beta", "candidate", *line("beta", "1.1.0", "1.2.0-rc.1", "1.2.0")),
        channel("beta", "ranges", entry("beta.v1.0.0"), entry("beta.v1.1.0", skip_range=">=0.9.0 <1.1.0")),
        *(bundle("beta", version, [f"{registry}/beta:{version}", ""], registry) for version in beta),
        package("gamma", "fast"),
        channel("gamma", "fast", *line("gamma", *gamma)),
        *(bundle("gamma", version, [f"{registry}/shared:1"], registry) for version in gamma),
    ]


def write_large(layout: Path, form: str, bundles: int = 10_000, size: int = 20_000) -> Path:
    """Make `layout` hold 100 packages with `bundles` bundles of `size` bytes each, in one `json` or `yaml` file.

    What fills the bundles is what fills real ones: keys and short texts, and manifests in base64.
    """
    texts = [{"kind": f"Kind{number}", "name": f"kinds{number}.example.com", "version": "v1"} for number in range(50)]
    description = "\n".join(f"line {number}: of 'a' description" for number in range(50))
    filler = [
        {
            "type": "olm.csv.metadata",
            "value": {"description": description, "customresourcedefinitions": {"owned": texts}},
        },
        {"type": "olm.bundle.object", "value": {"data": "eyJh" * (size // 8)}},
    ]
    write = {"json": as_json, "yaml": as_yaml}[form]
    template = bundle("PACKAGE", "1.NUMBER.0", [f"quay.io/op/related{number}:1.NUMBER.0" for number in range(6)])
    template["properties"] += filler
    template["properties"] += filler[:1] * max(0, (size - len(write([template]))) // len(write([filler[0]])))
    text = write([template])
    per_package = bundles // 100
    content = bytearray()
    for name in (f"package{number}" for number in range(100)):
        versions = [f"1.{number}.0" for number in range(per_package)]
        content += write([package(name, "stable"), channel(name, "stable", *line(name, *versions))])
        for number in range(per_package):
            content += text.replace(b"PACKAGE", name.encode()).replace(b"NUMBER", str(number).encode())
    return write_catalog(layout, layer(Member(name=f"configs/catalog.{form}", content=bytes(content))))


def as_json(documents: Iterable[Document]) -> bytes:
    return b"".join(json.dumps(document, indent=4).encode() + b"\n" for document in documents)


def as_yaml(documents: Iterable[Document]) -> bytes:
    """YAML's block style, written by hand: a test of a reader should not trust its library's writer."""
    return b"".join(b"---\n" + "\n".join(_block(document, 0)).encode() + b"\n" for document in documents)


def _block(value: Any, depth: int) -> list[str]:
    indent = "  " * depth
    if isinstance(value, dict) and value:
        lines = []
        for key, item in value.items():
            nested = _block(item, depth + 1)
            lines += (
                [f"{indent}{key}: {nested[0]}"]
                if len(nested) == 1 and nested[0][:1] != " "
                else [f"{indent}{key}:", *nested]
            )
        return lines
    if isinstance(value, list) and value:
        return [text for item in value for text in (f"{indent}-", *_indented(item, depth + 1))]
    return [json.dumps(value)]


def _indented(value: Any, depth: int) -> list[str]:
    lines = _block(value, depth)
    return [f"{'  ' * depth}{lines[0]}"] if len(lines) == 1 and lines[0][:1] != " " else lines


@dataclass(kw_only=True, slots=True)
class Member:
    """A member of a layer's archive; a link has a target, a device its type."""

    name: str
    content: bytes = b""
    type: bytes = tarfile.REGTYPE
    target: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def layer(*members: Member, compress: bool = True) -> bytes:
    """Make a layer's archive, gzip unless told otherwise."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            info = tarfile.TarInfo(member.name)
            info.type, info.linkname, info.size = member.type, member.target, len(member.content)
            info.pax_headers = dict(member.headers)
            archive.addfile(info, io.BytesIO(member.content))
    return gzip.compress(buffer.getvalue(), 1, mtime=0) if compress else buffer.getvalue()


def write_blob(layout: Path, content: bytes, **more: Any) -> Document:
    """Store a blob and return its descriptor."""
    digest = hashlib.sha256(content).hexdigest()
    (layout / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    (layout / "blobs" / "sha256" / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content), **more}


def write_image(layout: Path, layers: Iterable[bytes], labels: Mapping[str, str] | None = None) -> Document:
    """Store an image and return its manifest's descriptor."""
    config = {"os": "linux", "architecture": "amd64", "config": {} if labels is None else {"Labels": dict(labels)}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": write_blob(layout, json.dumps(config).encode(), mediaType="application/vnd.oci.image.config.v1+json"),
        "layers": [
            write_blob(layout, content, mediaType="application/vnd.oci.image.layer.v1.tar+gzip") for content in layers
        ],
    }
    return write_blob(layout, json.dumps(manifest).encode(), mediaType=MANIFEST)


def write_index(layout: Path, *images: Document) -> None:
    """Write the layout's index."""
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(images)}))


def write_catalog(layout: Path, *layers: bytes, labels: Mapping[str, str] | None = None) -> Path:
    """Make `layout` an OCI layout that holds one image, with `layers`."""
    layout.mkdir(exist_ok=True)
    write_index(layout, write_image(layout, layers, {LABEL: "/configs"} if labels is None else labels))
    return layout


def write_sample(layout: Path, registry: str = "quay.io/op") -> Path:
    """Make `layout` an OCI layout with the `sample` catalog, over two layers, as JSON and YAML."""
    documents = sample(registry)
    beta = [document for document in documents if "beta" in (document["name"], document.get("package"))]
    rest = [document for document in documents if document not in beta]
    return write_catalog(
        layout,
        layer(Member(name="configs/all.json", content=as_json(rest)), Member(name="bin/opm", content=b"\x7fELF")),
        layer(Member(name="configs/beta/catalog.yaml", content=as_yaml(beta))),
    )
