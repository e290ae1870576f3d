"""What of a source is run: a digest of its code that comments, blank lines and positions leave alone."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from types import CodeType

from hermpkg_build.core.parsed_texts import compile_module, have_same_syntax
from hermpkg_build.source.class_lines import has_line, instructions, place_of_line

CODE_VERSION = f"code 2 {sys.implementation.cache_tag} {sys.version.split()[0]}"
"""Which compiler makes the code, and which version of this module its digest."""


def code_of_source(data: bytes) -> CodeType | None:
    """Compile the source of a module as a factory's process does; None where it is not valid Python."""
    try:
        return compile_module(data)
    except (SyntaxError, ValueError):
        return None


def digest_of_code(code: CodeType) -> str:
    r"""Hash all that running `code` can show, but for the file and the lines that it comes from.

    >>> one, other = (compile_module(text) for text in (b"x = 1", b"# why\n\nx  = 1  # so"))
    >>> digest_of_code(one) == digest_of_code(other) != digest_of_code(compile_module(b"x = 2"))
    True
    """
    return hashlib.sha256(_text_of(code).encode(errors="surrogatepass")).hexdigest()


def have_same_code(one: bytes, other: bytes) -> bool:
    r"""Whether two sources differ in comments, blanks and lines alone, and running them shows no difference.

    Imports are the same too, also where Python leaves out code that would never run.

    >>> have_same_code(b"x = 1", b"# why\n\nx  = 1  # so"), have_same_code(b"x = 1", b"x = 2")
    (True, False)
    >>> have_same_code(b"if 0: import a", b"if 0: import b")
    False
    """
    if any(_may_have_encoding(source) for source in (one, other)):
        return False
    codes = code_of_source(one), code_of_source(other)
    if codes[0] is None or codes[1] is None or _text_of(codes[0]) != _text_of(codes[1]):
        return False
    return have_same_syntax(one, other)


def _may_have_encoding(source: bytes) -> bool:
    """Whether a source may have a comment that tells its encoding, or a mark of it."""
    first = source.split(b"\n", 2)[:2]
    return source.startswith(b"\xef\xbb\xbf") or any(b"coding" in line for line in first)


def lines_of(code: CodeType) -> Iterator[int]:
    """Give the line of each instruction, 0 for none, in `code` and then in the code that it holds.

    Code with the same digest has the same instructions, so that the places of lines in this order stay.
    """
    for start, end, line in code.co_lines():
        yield from [line or 0] * ((end - start) // 2)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from lines_of(constant)


def _text_of(code: CodeType) -> str:
    constants = ", ".join(map(_text_of_constant, code.co_consts))
    return f"code({_facts_of(code)!r}, {code.co_code!r}, [{constants}])"


def _facts_of(code: CodeType) -> tuple[object, ...]:
    return (
        *(code.co_name, getattr(code, "co_qualname", ""), code.co_flags, code.co_stacksize),
        *(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
        *(code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars),
        getattr(code, "co_exceptiontable", b""),
    )


def _text_of_class(code: CodeType) -> str:
    """The text of a class that notes its line, whatever that is.

    Which constants there are depends on whether the line is one of them, and another has the same value.
    """
    import opcode

    done, line = [], place_of_line(code)
    for place, (operation, number) in enumerate(instructions(code)):
        of_constant = operation in opcode.hasconst
        value = _text_of_constant(code.co_consts[number]) if of_constant else str(number)
        done.append("line" if place == line else f"{operation} {value}")
    return f"class({_facts_of(code)!r}, [{', '.join(done)}])"


def _text_of_constant(value: object) -> str:
    """A text that equal constants of one type have, and no others: ``1``, ``1.0`` and ``True`` differ."""
    if isinstance(value, CodeType):
        return _text_of_class(value) if has_line(value) else _text_of(value)
    if isinstance(value, tuple):
        return f"tuple({', '.join(map(_text_of_constant, value))})"
    if isinstance(value, frozenset):
        return f"frozenset({', '.join(sorted(map(_text_of_constant, value)))})"
    if isinstance(value, slice):
        return f"slice({', '.join(map(_text_of_constant, (value.start, value.stop, value.step)))})"
    return f"{type(value).__name__}({value!r})"
