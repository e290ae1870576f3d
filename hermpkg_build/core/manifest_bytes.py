"""The bytes of manifests, put together of those of their entries."""

from __future__ import annotations

from collections.abc import Sequence

from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.core.manifest import Manifest, ManifestModule, ManifestRecord
from hermpkg_build.dataclass import replace


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return canonical bytes: equal manifests, equal bytes. `Manifest.from_bytes` is the inverse."""
    return bytes_with_entries(
        replace(manifest, records={}, modules={}),
        records=[entry_bytes(name, entry) for name, entry in sorted(manifest.records.items())],
        modules=[entry_bytes(name, entry) for name, entry in sorted(manifest.modules.items())],
    )


def bytes_with_entries(manifest: Manifest, *, records: Sequence[bytes], modules: Sequence[bytes]) -> bytes:
    """Return the bytes of `manifest`, which has neither, with these `entry_bytes`, sorted by name.

    The entries of modules and records are nearly all of a manifest, and the same in many. Each has a line, so
    that it can be found without the others. Older versions made a single line, and no checksums.
    """
    entries = {"modules": modules, "records": records}
    begin, between, end = (b"{\n", b",\n", b"\n}") if manifest.checksums else (b"{", b",", b"}")
    form = to_json(manifest)
    fields = (
        b"%b:%b" % (dumps(name), begin + between.join(lines) + end if lines else dumps(form[name]))
        for name in sorted(form)
        for lines in (entries.get(name),)
    )
    return b"{%b}" % b",".join(fields)


def entry_bytes(name: str, entry: ManifestRecord | ManifestModule) -> bytes:
    """Return the canonical bytes of one entry of a manifest's records or modules: its name and its value.

    >>> from hermpkg_build.core.digest import Digest
    >>> from hermpkg_build.core.manifest import RecordKind
    >>> entry_bytes("a.py", ManifestRecord(digest=Digest("0" * 64, 1), kind=RecordKind.MODULE))[:17]
    b'"a.py":{"digest":'
    """
    return dumps({name: to_json(entry)})[1:-1]
