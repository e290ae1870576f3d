"""Whether a source is valid Python for the running interpreter; parses as seldom as possible."""

from __future__ import annotations

import os
from typing import Final

from hermpkg_build.core.import_facts import SyntaxProblem
from hermpkg_build.core.parsed_texts import parses
from hermpkg_build.core.syntax_trees import parse_module
from hermpkg_build.disk.descriptors import READ_UNLESS_PIPE

_HEADER_SIZE: Final = 16
_HASH_BASED: Final = 0b1


def check_syntax(data: bytes) -> SyntaxProblem | None:
    """Why the running interpreter cannot parse a source; None where it can. Warnings are not shown."""
    # Few commands have a source that nobody has parsed before.
    from hermpkg_build.source.scanner import is_certainly_valid

    if is_certainly_valid(data) or parses(data):
        return None
    try:
        parse_module(data)
    except SyntaxError as error:
        text = (error.text or "").strip()
        return SyntaxProblem(error.msg or "invalid syntax", error.lineno or 0, error.offset or 0, text)
    except ValueError as error:
        return SyntaxProblem(str(error) or type(error).__name__, 0, 0, "")
    return None


def has_current_bytecode(path: str, data: bytes) -> bool:
    """Whether this interpreter has compiled `data`, the source at `path`, before: it is known to parse.

    Looks at the header of the file in ``__pycache__`` as the import system does (PEP 552): this
    interpreter's magic number, and the size and time of the source, or its hash. The compiler writes that
    file only after it has accepted the source. Any import of the module trusts it as much, and a wrong
    answer does no harm to an artifact: it leaves out a check, and the source that is packed stays the same.
    """
    from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash

    try:
        # Opened so that a pipe is not waited for.
        descriptor = os.open(cache_from_source(path), READ_UNLESS_PIPE)
        with open(descriptor, "rb", buffering=0) as file:
            header = file.read(_HEADER_SIZE) or b""
        modified = os.stat(path).st_mtime
    except (OSError, NotImplementedError, ValueError):
        return False
    if len(header) != _HEADER_SIZE or header[:4] != MAGIC_NUMBER:
        return False
    flags = int.from_bytes(header[4:8], "little")
    if flags & _HASH_BASED:
        return header[8:16] == source_hash(data)
    seconds, size = int(modified) & 0xFFFFFFFF, len(data) & 0xFFFFFFFF
    return flags == 0 and header[8:16] == seconds.to_bytes(4, "little") + size.to_bytes(4, "little")
