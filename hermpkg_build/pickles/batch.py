"""The piece of a pickle that was written for many objects at once, and where in it each of them is."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from itertools import pairwise, repeat
from typing import Any, Final, TypeAlias

from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.pickles import opcodes as op

Memo: TypeAlias = "dict[int, tuple[int, Any]]"
"""What a pickler has written, by identity, with its number."""

_FIXED: Final = {
    **dict.fromkeys(pickle.NONE + pickle.NEWTRUE + pickle.NEWFALSE + pickle.EMPTY_TUPLE, 1),
    **dict.fromkeys(pickle.BININT1 + pickle.BINGET, 2),
    **dict.fromkeys(pickle.BININT2, 3),
    **dict.fromkeys(pickle.BININT + pickle.LONG_BINGET, 5),
    **dict.fromkeys(pickle.BINFLOAT, 9),
}
"""The bytes of what an opcode leaves on the stack by itself, by the opcode."""
_COUNTED: Final = {
    **dict.fromkeys(pickle.LONG1 + pickle.SHORT_BINUNICODE, 1),
    **dict.fromkeys(pickle.LONG4 + pickle.BINUNICODE, 4),
}
"""How many bytes behind an opcode say how many more there are, by the opcode."""


@dataclass(slots=True, kw_only=True, eq=False)
class Batch:
    """What stands in one piece: `children`, with all their parts, each of which stands there once.

    Containers that nothing but their parents referred to when they were written are in `alone`, all others
    in `shared` by their ids; `tuples` has the ids of tuples whose value counts, by the keys of these.
    `classes` has those of instances. `tokens` are what `visited` finds: given where that is the children
    themselves, else found when they are asked for.
    """

    piece: int
    protocol: int
    children: Sequence[Any]
    classes: Memo
    alone: Sequence[Sequence[Any]]
    shared: Mapping[int, Any]
    tuples: Mapping[Hashable, int]
    tokens: Sequence[Any] = ()
    puts: list[tuple[Hashable, bytes]] = field(default_factory=list)
    """The keys of tokens that are referred to later, each with the opcode for the memo."""
    _sizes: tuple[Sequence[int], Sequence[int]] = ((), ())
    _states: Sequence[bool] = ()

    def settle(self) -> None:
        """Keep what can change later as it is: which objects there are, their sizes, and who has a state."""
        if not self.tokens:
            self.tokens = visited(self.children, self.classes, self.protocol)
            lists, dicts = (
                [len(token) for token in self.tokens if type(token) is kind] for kind in (list, dict)
            )
            kinds = self._kinds()
            self._sizes = lists, dicts
            self._states = (
                [bool(vars(token)) for token in self.tokens if type(token) in kinds] if kinds else ()
            )

    def texts(self) -> Iterator[str]:
        """Its strings in the order in which the pickle has them, each once."""
        self.settle()
        return iter(dict.fromkeys(token for token in self.tokens if type(token) is str))

    def _kinds(self) -> Collection[type]:
        return {kind for _, kind in self.classes.values()}

    def with_puts(self, data: bytes) -> bytes:
        """`data`, which is the piece, with the opcodes of `puts` after their tokens."""
        self.settle()
        keys: list[Hashable] = [token if type(token) is str else id(token) for token in self.tokens]
        # Of what is there more than once, the first remains.
        places = dict(zip(reversed(keys), reversed(range(len(keys))), strict=True))
        ends = self._ends(data)
        inserted = sorted((ends[places[self.tuples.get(key, key)]], put) for key, put in self.puts)
        cuts = [0, *(end for end, _ in inserted), len(data)]
        parts = [data[start:end] for start, end in pairwise(cuts)]
        for index, (_, put) in enumerate(inserted):
            parts[index] += put
        return b"".join(parts)

    def _ends(self, data: bytes) -> list[int]:
        """The offset behind the opcode that leaves each token on the stack."""
        ends: list[int] = []
        lists, dicts = map(iter, self._sizes)
        states = iter(self._states)
        kinds = self._kinds()
        containers = {list, dict, tuple, *kinds}
        stack: list[_Open] = []
        offset = 0
        for index, token in enumerate(self.tokens):
            kind = type(token)
            if kind not in containers or token == ():
                offset += _FIXED.get(data[offset]) or _counted(data, offset)
                ends.append(offset)
            elif kind is list or kind is dict:
                size = next(lists) if kind is list else 2 * next(dicts)
                offset += 1
                ends.append(offset)
                if size:
                    offset += size > 2 or (size > 1 and kind is list)
                    stack.append(_Open(parts=size))
                    continue
            elif kind is tuple:
                ends.append(0)
                offset += len(token) > 3
                stack.append(_Open(parts=len(token), index=index))
                continue
            else:
                ends.append(0)
                stack.append(_Open(parts=2, index=index, state=next(states)))
                continue
            if stack:
                offset = _close(stack, ends, offset)
        return ends


@dataclass(slots=True, kw_only=True, eq=False)
class Vocabulary:
    """What stands in one piece where that is strings and their numbers: the keys and values of `words`."""

    piece: int
    words: dict[str, Any]
    puts: list[tuple[Hashable, bytes]] = field(default_factory=list)

    def with_puts(self, encode_text: Callable[[str], bytes]) -> bytes:
        """The piece anew, with the opcodes of `puts` after their strings."""
        puts = dict(self.puts)
        encoders = op.ATOM_ENCODERS
        parts = [b""] * (3 * len(self.words))
        parts[::3] = map(encode_text, self.words)
        parts[1::3] = map(puts.get, self.words, repeat(b""))
        parts[2::3] = [encoders[type(value)](value) for value in self.words.values()]
        return b"".join(parts)


@dataclass(slots=True, kw_only=True, eq=False)
class _Open:
    """An object whose `parts` are to come, at `index` where the opcode after them makes it; then a state."""

    parts: int
    index: int | None = None
    state: bool = False


def _counted(data: bytes, offset: int) -> int:
    """The bytes of the number or string at `offset`, which says how long it is."""
    header = 1 + _COUNTED[data[offset]]
    return header + int.from_bytes(data[offset + 1 : offset + header], "little")


def _close(stack: list[_Open], ends: list[int], offset: int) -> int:
    """Close the objects whose last part ends at `offset`; the offset behind them."""
    while stack:
        innermost = stack[-1]
        innermost.parts -= 1
        if innermost.parts:
            break
        stack.pop()
        offset += 1
        if innermost.index is not None:
            ends[innermost.index] = offset
        if innermost.state:
            stack.append(_Open(parts=1))
            break
    return offset


class _Visitor(pickle.Pickler):
    """Walks over plain objects, and adds each to `tokens`."""

    def __init__(self, tokens: list[Any], protocol: int) -> None:
        super().__init__(io.BytesIO(), protocol)
        self.persistent_id: Callable[[Any], Any] = tokens.append


def visited(children: Sequence[Any], classes: Memo, protocol: int) -> list[Any]:
    """All objects in `children`, which are plain, each with its parts behind it.

    A token is an atom, a class, or an object whose parts follow: a list, dict or tuple, or an instance of
    one of the `classes`.
    """
    tokens: list[Any] = []
    visitor = _Visitor(tokens, protocol)
    visitor.memo = classes
    visitor.dump(children)
    return tokens[1:]
