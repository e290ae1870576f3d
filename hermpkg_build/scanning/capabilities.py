"""Reads what Python source can do beyond computing, by line and column, without importing or running it.

A use is any mention of a function that can do something, called or not: what is handed on is called
elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from hermpkg_build.core.syntax_trees import parse_module
from hermpkg_build.dataclass import dataclass, field, replace
from hermpkg_build.scanning.code_uses import CodeUse, UseReader
from hermpkg_build.scanning.known_names import Capability, capability_of
from hermpkg_build.scanning.name_origins import Origins, origins_in

__all__ = ["Capability", "CodeFacts", "CodeUse", "capabilities_of", "resolved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFacts:
    """What one module's source can do.

    `problem` says why it cannot be read, "" where it can. `exports` are what its names stand for, and
    `references` its uses of names in packed modules, whose capability `resolved` tells.
    """

    uses: tuple[CodeUse, ...] = ()
    problem: str = ""
    exports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    references: tuple[CodeUse, ...] = ()


def capabilities_of(
    source: bytes,
    module: str = "",
    *,
    is_package: bool = False,
    packed: Collection[str] = (),
    given: Collection[str] = (),
) -> CodeFacts:
    """Read what the `source` of the module `module` can do.

    `packed` are the first names of the modules that are packed with it, `given` those of modules that it has
    without an import. Never raises for what the bytes are.

    >>> (use,) = capabilities_of(b"import os as o; o.system('ls')").uses
    >>> use.line, use.column, str(use.capability), use.name, use.at_import
    (1, 17, 'starts processes', 'os.system', True)
    """
    try:
        tree, _ = parse_module(source, module or "<source>")
        origins = Origins(tree, module, is_package=is_package, given=given, has_walrus=b":=" in source)
        reader = UseReader(origins, source, packed)
        reader.visit(tree)
    except SyntaxError as error:
        place = f"line {error.lineno}: " if error.lineno else ""
        return CodeFacts(problem=f"{place}{error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        return CodeFacts(problem=str(error) or type(error).__name__)
    uses, references = reader.result()
    return CodeFacts(uses=uses, exports=origins.exports(), references=references)


def resolved(use: CodeUse, exports: Mapping[str, Mapping[str, Sequence[str]]]) -> Iterator[CodeUse]:
    """The uses that a reference to a packed module comes to; `exports` are those of all packed modules."""
    seen: set[str] = set()
    names = [use.name]
    while names and len(seen) < 64:
        name = names.pop()
        if name in seen:
            continue
        seen.add(name)
        capability = capability_of(name)
        if capability is not None:
            yield replace(use, capability=capability, name=name)
        module, rest = name, ""
        while module and module not in exports:
            module, _, last = module.rpartition(".")
            rest = f"{last}.{rest}" if rest else last
        if module and rest:
            first, dot, others = rest.partition(".")
            names += [f"{origin}{dot}{others}" for origin in origins_in(exports[module], first)]
