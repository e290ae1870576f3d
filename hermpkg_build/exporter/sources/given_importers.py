"""The places that the importers given to an exporter stand for, in their order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hermpkg_build.exporter.sources.environment import Environment
from hermpkg_build.exporter.sources.interpreter import InterpreterEnvironment
from hermpkg_build.exporter.sources.packaged import CustomEnvironment, packaged_environment
from hermpkg_build.runtime.importer_protocol import sys_importer


def importers_in_order(importer: Any) -> Iterator[Any]:
    """The importers that `importer` is made of, first asked first; one alone is itself.

    torch's own are accepted as well. Raises TypeError for what is no importer.
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


def environments_of(
    importer: Any, may_import: Callable[[str], bool], interpreter: InterpreterEnvironment
) -> list[Environment]:
    """The environment of each importer, made anew: what they have is looked up as it is now.

    `interpreter` is that of sys_importer, and where packages take their extern modules from.
    `may_import` is asked before a module is imported because nothing else tells of it, which
    happens for importers of a user's own kind only.
    """
    torch_importer = getattr(sys.modules.get("torch.package.importer"), "sys_importer", sys_importer)
    environments: list[Environment] = []
    for part in importers_in_order(importer):
        if part is sys_importer or part is torch_importer:
            environments.append(interpreter)
        else:
            environments.append(
                packaged_environment(part, interpreter) or CustomEnvironment(part, may_import)
            )
    return environments
