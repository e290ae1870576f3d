"""The import facts of source bytes, with the interpreter's verdict on whether they parse."""

from __future__ import annotations

import sys

from hermpkg_build.core.digest import Digest
from hermpkg_build.core.import_facts import ImportFacts
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.source.syntax import check_syntax, has_current_bytecode

_ANALYSER_VERSION = "6"
"""Changes whenever the facts of any source could change."""

FACTS_VERSION = f"{_ANALYSER_VERSION}/python{sys.version_info.major}.{sys.version_info.minor}"
"""Imports are read alike by every Python; whether a source parses depends on its grammar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """The digest of a module's source and the import facts of those bytes."""

    digest: Digest
    facts: ImportFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source to be analysed: the file at `path`, the `data` that was read from it, or data without a file.

    `trusts_bytecode` tells whether it need not be parsed where this interpreter has compiled the file.
    """

    path: str = ""
    data: bytes | None = None
    trusts_bytecode: bool = True


def facts_of_source(data: bytes, path: str = "") -> SourceFacts:
    """The digest and the facts of a source, as `facts_of_bytes` finds them."""
    return SourceFacts(digest=Digest.of(data), facts=facts_of_bytes(data, path))


def facts_of_bytes(data: bytes, path: str = "") -> ImportFacts:
    """The facts of a source, with the verdict of a full parse.

    The parse is left out where this interpreter has compiled the file at `path`, which has these bytes.
    """
    # Few commands have a source that the cache does not know.
    from hermpkg_build.source.imports import analyse_source

    facts = analyse_source(data)
    if facts.syntax_problem is None and not (path and has_current_bytecode(path, data)):
        problem = check_syntax(data)
        facts = replace(facts, syntax_problem=problem) if problem else facts
    return facts
