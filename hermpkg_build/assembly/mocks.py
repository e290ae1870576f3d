"""Records that stand for mocked modules: a stub for each, and the module that all stubs share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cache

from hermpkg_build.archive.layout import MOCK_MODULE
from hermpkg_build.archive.modules import PackedModules
from hermpkg_build.assembly.parts import Part
from hermpkg_build.core.graph import ModuleGraph
from hermpkg_build.core.manifest import Manifest, RecordKind
from hermpkg_build.core.module_names import record_of_module
from hermpkg_build.core.policy import Policy

_LONGEST_STUB = 2048

_STUB = '''\
"""Stands for the module {module}, which was mocked out when this package was built."""

import {mock}


def __getattr__(name):
    return {mock}.attribute({module!r}, name{submodules})
'''


def mock_parts(graph: ModuleGraph, packages: Collection[str]) -> Iterator[Part]:
    """A stub for each mocked module of `graph`, and the module they share where there is any.

    A stub is a package where the module was one, or where `packages` (dotted names) says that
    something lies below it.
    """
    mocked = graph.with_policy(Policy.MOCK)
    if mocked:
        yield Part.of_bytes(
            f"{MOCK_MODULE}.py",
            mock_source(),
            kind=RecordKind.MOCK,
            cause="the module that stands behind all mocked modules",
        )
    children: dict[str, list[str]] = {}
    for node in mocked:
        parent, _, name = node.name.rpartition(".")
        children.setdefault(parent, []).append(name)
    for node in mocked:
        submodules = tuple(children.get(node.name, ()))
        yield Part.of_bytes(
            record_of_module(node.name, node.is_package or node.name in packages),
            stub_source(node.name, submodules),
            kind=RecordKind.MOCK,
            cause=f"the mocked module {node.name}",
        )


def mocked_modules(
    packed: PackedModules, manifest: Manifest | None, read: Callable[[str], bytes]
) -> frozenset[str]:
    """The modules of an artifact that a stub stands for; `read` gives the bytes of its records.

    The manifest lists them. The stubs of an artifact without one, which torch.package wrote, import nothing
    but the module that they share.
    """
    if manifest is not None:
        kinds = {name: record.kind for name, record in manifest.records.items()}
        found = [name for name, record in packed.sources.items() if kinds.get(record) is RecordKind.MOCK]
    elif MOCK_MODULE in packed.sources:
        found = [name for name, record in packed.sources.items() if _is_stub(read(record))]
    else:
        found = []
    return frozenset(found) - {MOCK_MODULE}


def _is_stub(text: bytes) -> bool:
    from hermpkg_build.source.imports import analyse_source

    if len(text) > _LONGEST_STUB or MOCK_MODULE.encode() not in text:
        return False
    return [imported.module for imported in analyse_source(text).imports] == [MOCK_MODULE]


def stub_source(module: str, submodules: tuple[str, ...] = ()) -> bytes:
    """The source of the stub for `module`; `submodules` are the names of its mocked submodules."""
    extra = f", {submodules!r}" if submodules else ""
    return _STUB.format(module=module, mock=MOCK_MODULE, submodules=extra).encode()


@cache
def mock_source() -> bytes:
    """The source of the module that all stubs share, byte for byte as in this distribution."""
    import importlib.resources

    return importlib.resources.files(__package__).joinpath("mock_record.py").read_bytes()
