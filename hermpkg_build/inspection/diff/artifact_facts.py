"""Compares the facts in two artifacts: extern modules, versions, policies, origins of models."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress

from hermpkg_build.archive.layout import EXTERN_MODULES, PYTHON_VERSION
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.digest import fingerprint
from hermpkg_build.core.manifest import Manifest
from hermpkg_build.environment.reading import environment_in
from hermpkg_build.errors import ArchiveError
from hermpkg_build.inspection.diff.differences import FactDifference


def compare_facts(
    a: ArchiveReader, b: ArchiveReader, left: Manifest | None, right: Manifest | None
) -> Iterator[FactDifference]:
    """Return the facts that differ; `left` and `right` are the manifests of `a` and `b`."""
    yield from _differing("root folder", {"": a.root}, {"": b.root})
    yield from _differing("Python version", {"": _text(a, PYTHON_VERSION)}, {"": _text(b, PYTHON_VERSION)})
    externs = [dict.fromkeys(_text(reader, EXTERN_MODULES).splitlines(), "extern") for reader in (a, b)]
    yield from _differing("extern module", *externs)
    told = _other_versions(left, right)
    yield from _differing("environment", _environment(a, told), _environment(b, told))
    if left is None or right is None:
        yield from _differing("manifest", {"": _manifest(left)}, {"": _manifest(right)})
        return
    yield from _differing("manifest", {"format": str(left.format)}, {"format": str(right.format)})
    tools = [f"{manifest.tool.name} {manifest.tool.version}" for manifest in (left, right)]
    yield from _differing("built by", {"": tools[0]}, {"": tools[1]})
    yield from _differing("distribution", left.distributions, right.distributions)
    yield from _differing("licence of", _licenses(left), _licenses(right))
    yield from _differing("requires", left.requires, right.requires)
    yield from _differing("model", _models(left), _models(right))
    yield from _differing("module", _modules(left), _modules(right))


def _differing(subject: str, a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[FactDifference]:
    for name in sorted({*a, *b}):
        before, after = a.get(name, ""), b.get(name, "")
        if before != after:
            yield FactDifference(subject=f"{subject} {name}".rstrip(), a=before, b=after)


def _other_versions(left: Manifest | None, right: Manifest | None) -> set[str]:
    """Return the distributions whose versions differ by the manifests, which is told of them in any case."""
    if left is None or right is None:
        return set()
    names = {*left.distributions, *right.distributions}
    return {name for name in names if left.distributions.get(name) != right.distributions.get(name)}


def _environment(reader: ArchiveReader, told: Collection[str]) -> dict[str, str]:
    """Return the recorded distributions but those that are `told`: version, place, digest of their hashes."""
    found: dict[str, list[str]] = {}
    with suppress(ArchiveError):  # That the record is damaged is told where records are compared.
        environment = environment_in(reader)
        for each in environment.distributions if environment is not None else ():
            proof = f"({fingerprint([each.all_hashes]).hash[:12]})" if each.is_proven else "(no hash)"
            where = f"where {each.marker}" if each.marker else ""
            found.setdefault(each.name, []).append(" ".join(filter(None, (each.version, proof, where))))
    return {name: "; ".join(texts) for name, texts in found.items() if name not in told}


def _text(reader: ArchiveReader, record: str) -> str:
    return reader.read(record).decode("utf-8", "replace").strip() if reader.has(record) else ""


def _manifest(manifest: Manifest | None) -> str:
    return "" if manifest is None else f"written by {manifest.tool.name} {manifest.tool.version}"


def _licenses(manifest: Manifest) -> dict[str, str]:
    return {
        name: "; ".join(filter(None, (stated.expression, stated.text, *stated.classifiers))) or "not stated"
        for name, stated in (manifest.licenses or {}).items()
    }


def _models(manifest: Manifest) -> dict[str, str]:
    return {record: f"{model.label} by {model.factory}" for record, model in manifest.models.items()}


def _modules(manifest: Manifest) -> dict[str, str]:
    return {
        name: " ".join(
            filter(None, (module.policy, module.kind, module.origin, module.distribution, module.label))
        )
        for name, module in manifest.modules.items()
    }
