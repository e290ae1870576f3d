"""The providers of modules that stand for the importers given to an exporter."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hermpkg_build.exporter.sources.interpreter import InterpreterProvider
from hermpkg_build.exporter.sources.packaged import CustomProvider, package_provider
from hermpkg_build.exporter.sources.provider import ModuleProvider
from hermpkg_build.runtime.importer_protocol import sys_importer


def importers_in_order(importer: Any) -> Iterator[Any]:
    """The importers that `importer` combines, in the order in which they are asked; else itself.

    Importers of torch are accepted, too. Raises TypeError for anything else.
    """
    parts = getattr(importer, "_importers", None)
    if isinstance(parts, Sequence):
        for part in parts:
            yield from importers_in_order(part)
        return
    if isinstance(importer, type) or not all(
        callable(getattr(importer, method, None)) for method in ("import_module", "get_name")
    ):
        raise TypeError(
            f"importer must be an Importer or a sequence of them, not {type(importer).__name__}:"
            " sys_importer for this interpreter, or a PackageImporter"
        )
    yield importer


def providers_of(
    importer: Any, may_import: Callable[[str], bool], interpreter: InterpreterProvider
) -> list[ModuleProvider]:
    """A new provider for each importer, which looks up modules as they are now.

    `interpreter` is that of sys_importer, and where packages take their extern modules from.
    `may_import` is asked before a module is imported to learn where it comes from, which only importers of
    a user's own class need.
    """
    torch_importer = getattr(sys.modules.get("torch.package.importer"), "sys_importer", sys_importer)
    return [
        interpreter
        if part is sys_importer or part is torch_importer
        else package_provider(part, interpreter) or CustomProvider(part, may_import)
        for part in importers_in_order(importer)
    ]
