"""The classes and functions that a pickle names, read from its opcodes without running it."""

from __future__ import annotations

import pickletools
from collections.abc import Iterator

_MEMO_PUT = ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")
_MEMO_GET = ("GET", "BINGET", "LONG_BINGET")


def globals_of_pickle(data: bytes) -> set[tuple[str, str]]:
    """The (module, qualified name) pairs in `data`; those up to where it stops making sense."""
    found: set[tuple[str, str]] = set()
    try:
        found.update(_globals(data))
    except (ValueError, IndexError, KeyError):
        return found  # No pickle after all, or a damaged one; loading it tells more.
    return found


def _globals(data: bytes) -> Iterator[tuple[str, str]]:
    """Follow the strings that are pushed, since STACK_GLOBAL takes its two names from the stack.

    Picklers push the two directly before it, as strings or from the memo.
    """
    memo: dict[int, str] = {}
    strings: list[str] = ["", ""]
    last: str | None = None
    memoized = 0
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        if name == "GLOBAL" or name == "INST":
            module, _, qualname = str(argument).partition(" ")
            yield module, qualname
            last = None
        elif name == "STACK_GLOBAL":
            if all(strings):
                yield strings[-2], strings[-1]
            last = None
        elif name in _MEMO_PUT:
            key = memoized if argument is None else int(argument)
            memoized += 1
            if last is not None:
                memo[key] = last
        elif name in _MEMO_GET:
            last = memo.get(int(argument or 0))
            if last is not None:
                strings = [strings[-1], last]
        elif isinstance(argument, str) and "UNICODE" in name:
            last = argument
            strings = [strings[-1], last]
        else:
            last = None
