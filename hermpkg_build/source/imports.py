"""Import facts of one module's source: every import, where it stands, and the uses of the module's own path.

Exactly the imports that `ast` finds are found, without building a syntax tree: nearly all of a source
is stepped over by searches for a few words, and only the lines around those are looked at; plain sources
need not even that where there is a `scanner`. Sources are taken to be valid; `syntax.check_syntax` makes
sure of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final

from hermpkg_build.core.import_facts import (
    IMPORT_CONTEXTS,
    DynamicImport,
    Import,
    ImportFacts,
    ImportForm,
    SourceUse,
    SyntaxProblem,
)
from hermpkg_build.source.bindings import Bindings
from hermpkg_build.source.blocks import Layout
from hermpkg_build.source.contexts import Contexts
from hermpkg_build.source.findings import EXPORTS, PLACE_NAMES, Findings
from hermpkg_build.source.import_statements import ImportStatement, import_statements
from hermpkg_build.source.normal_form import SourceError, normal_form
from hermpkg_build.source.scanner import scanned_facts
from hermpkg_build.source.syntax import check_syntax
from hermpkg_build.source.tokens import check_encoding
from hermpkg_build.source.words import find_words

__all__ = ["analyse_in_python", "analyse_source", "check_syntax"]

_START: Final = itemgetter(0)
"""Where a statement, a call or a use begins."""


def analyse_source(data: bytes) -> ImportFacts:
    """The import facts of a module's source: a pure function of its bytes, that never raises.

    A source that cannot be read at all (null bytes, wrong encoding, a string or bracket without end)
    has a `syntax_problem`; most invalid sources are not noticed.
    """
    return _analyse(data, scanned_facts)


def analyse_in_python(data: bytes) -> ImportFacts:
    """The same without the scanner in C, whether there is one or not."""
    return _analyse(data, lambda _: None)


def _analyse(data: bytes, scan: Callable[[bytes], ImportFacts | None]) -> ImportFacts:
    source = b""
    try:
        source = normal_form(data)
        facts = scan(source)
        if facts is not None:
            return facts
        if not source.isascii():
            check_encoding(source)
        return _facts(source)
    except SourceError as problem:
        return ImportFacts(syntax_problem=_located(problem, source))
    except RecursionError:
        return ImportFacts(syntax_problem=SyntaxProblem("too deeply nested", 0, 0, ""))


def _facts(source: bytes) -> ImportFacts:
    layout = Layout(source)
    statements = list(import_statements(layout))
    bindings = Bindings(statements)
    contexts = Contexts(layout, frozenset(bindings.type_checking))
    functions = {name.rpartition(".")[2] for name in (*bindings.importers, *bindings.source_readers)}
    words = find_words(source, {EXPORTS, *PLACE_NAMES, *functions})
    findings = Findings(layout, bindings, contexts, words)

    uses = sorted({*bindings.uses, *findings.uses})
    places = _places(source, [*map(_START, statements), *map(_START, findings.calls), *map(_START, uses)])
    imports = _imports_of(statements, contexts, places)
    dynamic = []
    for start, form, found, text, flags in findings.calls:
        context = IMPORT_CONTEXTS[flags & 15]
        if found:
            entry = Import(found.module, found.level, found.names, form, context, *places[start])
            imports.append((start, entry))
        else:
            dynamic.append(DynamicImport(text, context, *places[start]))
    if findings.calls:
        imports.sort(key=_START)
    return ImportFacts(
        imports=tuple([entry for _, entry in imports]),
        dynamic=tuple(dynamic),
        exports=findings.exports.value(),
        uses=tuple([SourceUse(name, *places[start]) for start, name in uses]),
    )


def _imports_of(
    statements: Sequence[ImportStatement], contexts: Contexts, places: Mapping[int, tuple[int, int]]
) -> list[tuple[int, Import]]:
    imports = []
    for start, module, level, names, width, line in statements:
        flags = contexts.of_statement(start, width) if line is None else contexts.of_line(line)[1]
        context = IMPORT_CONTEXTS[flags & 15]
        row, column = places[start]
        if level >= 0:
            taken = tuple([name for name, _ in names])
            imports.append((start, Import(module, level, taken, ImportForm.FROM, context, row, column)))
        else:
            for name, _ in names:
                imports.append((start, Import(name, 0, (), ImportForm.IMPORT, context, row, column)))
    return imports


def _places(source: bytes, offsets: Iterable[int]) -> dict[int, tuple[int, int]]:
    """The line and the column in characters, both from 1, of each offset in a source."""
    places = {}
    line, counted, is_ascii = 0, 0, source.isascii()
    for offset in sorted(offsets):
        line += source.count(b"\n", counted, offset)
        counted = offset
        edge = source.rfind(b"\n", 0, offset)
        column = offset - edge if is_ascii else len(source[edge:offset].decode("utf-8", "replace"))
        places[offset] = line, column
    return places


def _located(problem: SourceError, source: bytes) -> SyntaxProblem:
    if problem.offset < 0:
        return SyntaxProblem(problem.message, 0, 0, "")
    offset = max(problem.offset, 1)
    line, column = _places(source, [offset])[offset]
    end = source.find(b"\n", offset)
    begin = source.rfind(b"\n", 0, offset) + 1
    text = source[begin : end if end >= 0 else len(source)].decode("utf-8", "replace")
    return SyntaxProblem(problem.message, line, column, text.strip())
