"""The stored form of import facts: compact JSON rows behind a version mark.

JSON rather than marshal or pickle: the form is the same for every Python, and damaged bytes are an error
and no crash.
"""

from __future__ import annotations

import json
import json.scanner
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from hermpkg_build.core.canonical_json import writer_of
from hermpkg_build.core.import_facts import (
    IMPORT_CONTEXTS,
    DynamicImport,
    Import,
    ImportFacts,
    ImportForm,
    SourceUse,
    SyntaxProblem,
)

_MARK: Final = b"hif2"
_FORMS: Final = tuple(ImportForm(form) for form in range(4))
_scan: Final[Callable[[str, int], tuple[Any, int]]] = json.scanner.make_scanner(json.JSONDecoder())  # type: ignore[arg-type]
_write: Final = writer_of(json.JSONEncoder(separators=(",", ":")))
_import: Final[Callable[[tuple[Any, ...]], Import]] = partial(tuple.__new__, Import)
"""Makes one of its fields, a third as long as a call of the class takes."""


def encode(facts: ImportFacts) -> bytes:
    """The stored bytes of `facts`, the same for equal facts."""
    problem = facts.syntax_problem
    row: list[Any] = [
        [[i.module, i.level, i.names, int(i.form), int(i.context), i.line, i.column] for i in facts.imports],
        facts.exports,
        [[d.text, int(d.context), d.line, d.column] for d in facts.dynamic],
        [[u.name, u.line, u.column] for u in facts.uses],
        None if problem is None else [problem.message, problem.line, problem.column, problem.text],
    ]
    return _MARK + _write(row).encode("ascii")


def decode(data: bytes) -> ImportFacts:
    """The facts that `encode` stored. Raises ValueError for anything else."""
    if data[: len(_MARK)] != _MARK:
        raise ValueError("not stored import facts")
    try:
        text = data[len(_MARK) :].decode("ascii")
        (imports, exports, dynamic, uses, problem), end = _scan(text, 0)
        if end < len(text):
            raise ValueError("more than stored import facts")
        return ImportFacts(
            imports=tuple(
                [
                    _import((name, level, tuple(names), _FORMS[form], IMPORT_CONTEXTS[context], line, column))
                    for name, level, names, form, context, line, column in imports
                ]
            ),
            dynamic=tuple(
                [
                    DynamicImport(text, IMPORT_CONTEXTS[context], line, column)
                    for text, context, line, column in dynamic
                ]
            ),
            exports=None if exports is None else tuple(exports),
            uses=tuple([SourceUse(name, line, column) for name, line, column in uses]),
            syntax_problem=None if problem is None else SyntaxProblem(*problem),
        )
    except (TypeError, LookupError, RecursionError, StopIteration) as error:
        raise ValueError(f"damaged import facts: {error}") from error
