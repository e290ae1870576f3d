"""The stored form of import facts: compact JSON rows behind a version mark."""

from __future__ import annotations

import json

from hermpkg_build.core.facts import (
    DynamicImport,
    Import,
    ImportContext,
    ImportFacts,
    ImportForm,
    SourceUse,
    SyntaxProblem,
)

_MARK = b"hif1"
_CONTEXTS = tuple(ImportContext(flags) for flags in range(16))
_FORMS = tuple(ImportForm(form) for form in range(4))


def encode(facts: ImportFacts) -> bytes:
    """The stored bytes of `facts`."""
    problem = facts.syntax_problem
    row = [
        [
            [i.module, i.level, list(i.names), int(i.form), int(i.context), i.line, i.column]
            for i in facts.imports
        ],
        [[d.text, int(d.context), d.line, d.column] for d in facts.dynamic],
        None if facts.exports is None else list(facts.exports),
        [[u.name, u.line, u.column] for u in facts.uses],
        None if problem is None else [problem.message, problem.line, problem.column, problem.text],
    ]
    return _MARK + json.dumps(row, separators=(",", ":")).encode()


def decode(data: bytes) -> ImportFacts:
    """The facts that `encode` stored. Raises ValueError for anything else."""
    if not data.startswith(_MARK):
        raise ValueError("not stored import facts")
    try:
        imports, dynamic, exports, uses, problem = json.loads(data[len(_MARK) :])
        return ImportFacts(
            imports=tuple(
                Import(module, level, tuple(names), _FORMS[form], _CONTEXTS[context], line, column)
                for module, level, names, form, context, line, column in imports
            ),
            dynamic=tuple(
                DynamicImport(text, _CONTEXTS[context], line, column)
                for text, context, line, column in dynamic
            ),
            exports=None if exports is None else tuple(exports),
            uses=tuple(SourceUse(*use) for use in uses),
            syntax_problem=None if problem is None else SyntaxProblem(*problem),
        )
    except (TypeError, LookupError, RecursionError) as error:
        raise ValueError(f"damaged import facts: {error}") from error
