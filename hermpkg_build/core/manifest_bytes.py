"""The bytes of a large manifest, put together of those of its entries."""

from __future__ import annotations

from collections.abc import Sequence

from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.core.manifest import Manifest, ManifestModule, ManifestRecord


def bytes_with_entries(manifest: Manifest, *, records: Sequence[bytes], modules: Sequence[bytes]) -> bytes:
    """Return the bytes of `manifest`, which has neither, with these `entry_bytes`, sorted by name.

    The entries of modules and records are nearly all of a manifest, and the same in many.
    """
    entries = {"modules": b"{%b}" % b",".join(modules), "records": b"{%b}" % b",".join(records)}
    form = to_json(manifest)
    fields = (b"%b:%b" % (dumps(name), entries.get(name) or dumps(form[name])) for name in sorted(form))
    return b"{%b}" % b",".join(fields)


def entry_bytes(name: str, entry: ManifestRecord | ManifestModule) -> bytes:
    """Return the canonical bytes of one entry of a manifest's records or modules: its name and its value.

    >>> from hermpkg_build.core.digest import Digest
    >>> from hermpkg_build.core.manifest import RecordKind
    >>> entry_bytes("a.py", ManifestRecord(digest=Digest("0" * 64, 1), kind=RecordKind.MODULE))[:17]
    b'"a.py":{"digest":'
    """
    return dumps({name: to_json(entry)})[1:-1]
