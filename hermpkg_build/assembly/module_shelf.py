"""Packed modules of a build as parts of artifacts, each made once for all artifacts that hold it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from hermpkg_build.archive.layout import problem_with_name
from hermpkg_build.assembly.parts import Part
from hermpkg_build.assembly.read_sources import ReadSources
from hermpkg_build.assembly.record_contents import file_bytes
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.manifest import ManifestRecord, RecordKind
from hermpkg_build.core.manifest_bytes import entry_bytes
from hermpkg_build.core.module_names import record_of_module
from hermpkg_build.core.module_roles import ModuleKind
from hermpkg_build.errors import AnalysisError

if TYPE_CHECKING:
    from hermpkg_build.core.graph import ModuleNode

_MOST_HELD = 32 << 20
"""After so many bytes of sources all are let go: artifacts that are made one after the other share most."""


class ModuleShelf:
    """The parts of modules whose sources are files, by their nodes; for any thread.

    A part that is held has the bytes that were analysed, whatever became of its file since; what was `read`
    for the analysis is not read again.
    """

    def __init__(self, read: ReadSources | None = None) -> None:
        self._read = read or ReadSources()
        self._parts: dict[str, tuple[ModuleNode, Part]] = {}
        self._entries: dict[str, tuple[ModuleNode, bytes]] = {}
        self._held = 0

    def part(self, node: ModuleNode) -> Part:
        """Return the part of an interned module.

        Raises AnalysisError where it has no source, ActionError where the file has changed since it was
        analysed.
        """
        known = self._parts.get(node.name)
        # A node that artifacts share is one object.
        if known is not None and (known[0] is node or _are_alike(*known, node)):
            return known[1]
        check_has_source(node)
        data = self._read.take(node.digest)
        if data is None:
            data = file_bytes(node.path, node.digest, needed_for=f"the module {node.name}")
        part = module_part(node, data)
        if self._held > _MOST_HELD:
            self._parts, self._held = {}, 0
        self._held += part.digest.size
        self._parts[node.name] = node, part
        return part

    def entry(self, node: ModuleNode) -> bytes | None:
        """Return the entry in the manifest that was kept for a module, if there is one."""
        known = self._entries.get(node.name)
        # Of one object the label is one, too.
        return known[1] if known is not None and known[0] is node else None

    def keep_entry(self, node: ModuleNode, entry: bytes) -> None:
        """Keep the entry of a module in the manifest."""
        self._entries[node.name] = (node, entry)


def module_part(node: ModuleNode, data: bytes) -> Part:
    """Make the part of an interned module with the source `data`. Raises as `check_has_source`."""
    check_has_source(node)
    digest = node.digest or Digest.of(data)
    name = record_name(node)
    kind = RecordKind.MODULE
    return Part(
        name=name,
        kind=kind,
        content=data,
        digest=digest,
        crc32=zlib.crc32(data),
        cause=f"the module {node.name}",
        entry=b"" if problem_with_name(name) else entry_bytes(name, ManifestRecord(digest=digest, kind=kind)),
    )


def _are_alike(one: ModuleNode, part: Part, other: ModuleNode) -> bool:
    """Whether the `part` of a node is that of another node too."""
    return one.kind is other.kind and part.digest == other.digest and part.name == record_name(other)


def check_has_source(node: ModuleNode) -> None:
    """Check that an interned module can be packed. Raises AnalysisError."""
    if node.kind not in (ModuleKind.SOURCE, ModuleKind.PACKAGE):
        raise AnalysisError(
            f"the module {node.name} cannot be packed: it has no Python source",
            facts=[("kind", str(node.kind)), ("file", node.path or "none")],
            next_step=f'extern("{node.name}") or mock("{node.name}") it',
        )


def record_name(node: ModuleNode) -> str:
    """Return the name of the record of a packed module."""
    return record_of_module(node.name, node.is_package)
