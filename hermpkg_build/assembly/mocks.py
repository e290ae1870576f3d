"""The records of mocked modules: a stub for each, and the module that all stubs share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cache

from hermpkg_build.archive.layout import MOCK_MODULE
from hermpkg_build.archive.modules import PackedModules
from hermpkg_build.assembly.parts import Part
from hermpkg_build.core.graph import ModuleGraph
from hermpkg_build.core.manifest import Manifest, RecordKind
from hermpkg_build.core.module_names import package_of_init, record_of_module
from hermpkg_build.core.module_roles import Policy

_LONGEST_STUB = 2048

_STUB = '''\
"""Stands for the module {module}, which was mocked out when this package was built."""

import {mock}


def __getattr__(name):
    return {mock}.attribute({module!r}, name{submodules})
'''


def mock_parts(graph: ModuleGraph, packages: Collection[str]) -> Iterator[Part]:
    """Make a stub for each mocked module of `graph`, and the module that they share.

    The stub of a package is a package, and so is that of a module whose dotted name is among `packages`,
    because other records lie below it.
    """
    names = {node.name for node in graph.with_policy(Policy.MOCK)}
    mocked = [graph.nodes[name] for name in sorted(names) if package_of_init(name) not in names]
    if mocked:
        yield Part.of_bytes(
            f"{MOCK_MODULE}.py",
            mock_source(),
            kind=RecordKind.MOCK,
            cause="the module that all stubs of mocked modules import",
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
    """Return the modules of an artifact that are stubs; `read` gives the bytes of its records.

    The manifest lists them. In an artifact without one, which torch.package wrote, they are the modules that
    import nothing but the module that all stubs share.
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
    """Return the source of the stub for `module`; `submodules` are the names of its mocked submodules."""
    extra = f", {submodules!r}" if submodules else ""
    return _STUB.format(module=module, mock=MOCK_MODULE, submodules=extra).encode()


@cache
def mock_source() -> bytes:
    """Read the source of the module that all stubs share."""
    import importlib.resources

    return importlib.resources.files(__package__).joinpath("mock_record.py").read_bytes()
