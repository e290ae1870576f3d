"""The import facts of source bytes, with the interpreter's verdict on whether they parse."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

from hermpkg_build.core.digest import Digest
from hermpkg_build.core.facts import ImportFacts
from hermpkg_build.source.imports import ANALYSER_VERSION, analyse_source
from hermpkg_build.source.syntax import check_syntax, has_current_bytecode

FACTS_VERSION = f"{ANALYSER_VERSION}/python{sys.version_info.major}.{sys.version_info.minor}"
"""Imports are read alike by every Python; whether a source parses depends on its grammar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """The digest of a module's source and the import facts of those bytes."""

    digest: Digest
    facts: ImportFacts


def facts_of_source(data: bytes, path: str = "", modified: float = 0.0) -> SourceFacts:
    """The digest and the facts of a source.

    `path` and `modified` (seconds), of the file it lies in, spare the parse of what this
    interpreter has compiled before.
    """
    return SourceFacts(digest=Digest.of(data), facts=with_syntax(analyse_source(data), data, path, modified))


def with_syntax(facts: ImportFacts, data: bytes, path: str = "", modified: float = 0.0) -> ImportFacts:
    """`facts` of the source `data` with the verdict of a full parse, unless there is bytecode of it."""
    if facts.syntax_problem or (path and has_current_bytecode(path, data, modified)):
        return facts
    problem = check_syntax(data)
    return replace(facts, syntax_problem=problem) if problem else facts
