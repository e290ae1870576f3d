"""Writes many plain objects at once with the pickler of the standard library, where its bytes are canonical.

That pickler, in C, writes lists, dicts, tuples, strings, numbers and instances of ordinary classes as
canonical pickles have them, all but the memo. So a batch is walked twice. The first walk only tells which
objects there are: see `visitor`. These say whether all are plain, whether any stands there twice, and which
strings and classes were written before. The second walk has exactly the latter in its memo, and adds nothing
to it. Where something in the batch is referred to later, `Batch.with_puts` adds the opcode for the memo.
"""

from __future__ import annotations

import functools
import io
import pickle
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import compress, islice, repeat
from operator import is_, is_not
from types import NoneType
from typing import Any, Final

from hermpkg_build.pickles import opcodes as op
from hermpkg_build.pickles.batch import Batch, Memo, Vocabulary, visited
from hermpkg_build.pickles.output import Output
from hermpkg_build.pickles.plain_classes import OWN_WAYS, PlainClasses
from hermpkg_build.pickles.plain_parts import PlainParts
from hermpkg_build.pickles.values import AtomKeys

SMALLEST: Final = 48
"""Children, below which a batch is not worth what it costs."""
_LARGEST: Final = 1000
"""Children of a batch."""
_LONGEST: Final = (1 << 14) - 1
"""Characters of a string; longer ones stand outside of frames, and would be copied."""
_MOST_PASSED_OVER: Final = 15
_NUMBERS: Final = frozenset({int, float, bool, NoneType})


class PlainBatches:
    """Writes batches to `out`, which has the atoms of its tuples by the keys of `atoms`."""

    def __init__(self, protocol: int, out: Output, atoms: AtomKeys, plain: PlainClasses) -> None:
        self._out = out
        self._protocol = protocol
        self._parts = PlainParts(out, atoms, plain)
        self._to_pass_over = self._passed_over = 0

    def wrote_vocabulary(self, obj: dict[Any, Any]) -> bool:
        """Write what is in `obj` where its keys are strings, none of which was written before, of numbers."""
        if set(map(type, obj)) != {str} or not _NUMBERS.issuperset(map(type, obj.values())):
            return False
        if (
            max(map(len, obj)) > _LONGEST
            or not self._out.knows_none_of(obj)
            or not _is_canonical(self._protocol)
        ):
            return False
        flat: list[Any] = [None] * (2 * len(obj))
        flat[::2] = obj
        flat[1::2] = obj.values()
        self._out.append(pickle.MARK)
        self._out.add_vocabulary(Vocabulary(piece=len(self._out.pieces), words=obj.copy()))
        self._out.append(pickled_alone(flat, {}, self._protocol))
        self._out.append(pickle.SETITEMS)
        return True

    def fill(
        self,
        children: Iterator[Any],
        one_by_one: Callable[[Sequence[Any], bytes], Iterator[Any]],
        closing: bytes,
    ) -> Generator[Any, None, None]:
        """Write `children`, then `closing`; those that are not plain `one_by_one`.

        The first batches are small: they may bring strings and classes that stand in all others, too.
        """
        size = SMALLEST
        while batch := list(islice(children, size)):
            if len(batch) < SMALLEST or not self._written(batch):
                yield from one_by_one(batch, b"")
            size = min(2 * size, _LARGEST)
        self._out.append(closing)

    def _written(self, children: list[Any]) -> bool:
        """Write all children, or none: False. Where batches often are not plain, most are passed over."""
        if self._passed_over < self._to_pass_over:
            self._passed_over += 1
            return False
        self._passed_over = 0
        if _is_canonical(self._protocol) and self._written_at_once(children):
            self._to_pass_over = 0
            return True
        self._to_pass_over = min(2 * self._to_pass_over + 1, _MOST_PASSED_OVER)
        return False

    def _written_at_once(self, children: list[Any]) -> bool:
        out = self._out
        parts = self._parts.of(children)
        if parts is None or not out.by_identity.keys().isdisjoint(parts.shared):
            return False
        if not out.by_value.keys().isdisjoint(parts.tuples):
            return False
        if parts.has_states and not OWN_WAYS.isdisjoint(parts.texts):
            return False
        batch = Batch(
            piece=len(out.pieces),
            protocol=self._protocol,
            children=children,
            classes=self._parts.classes.copy(),
            alone=parts.alone,
            shared=parts.shared,
            tuples=parts.tuples,
        )
        known = self._entered(parts.texts, batch)
        if known is None:
            return False
        memo = self._memo(known, batch)
        out.append(pickled_alone(children, memo | self._parts.keys | self._parts.classes, self._protocol))
        self._parts.remember_keys(memo)
        out.add_batch(batch)
        return True

    def _entered(self, texts: Sequence[str], batch: Batch) -> Sequence[str] | None:
        """Those of `texts` that were written before, after all others were entered as in `batch`.

        None, and nothing is entered, where a new one stands there twice, or is too long.
        """
        self._out.enter(texts)
        written = self._out.texts
        before = len(written)
        places = list(map(written.setdefault, texts, repeat(batch)))
        count = len(written) - before
        if count == len(texts):
            new, known = texts, []
        else:
            new = list(compress(texts, map(is_, places, repeat(batch))))
            known = list(compress(texts, map(is_not, places, repeat(batch))))
        if len(new) > count or max(map(len, new), default=0) > _LONGEST:
            for text in new:
                written.pop(text, None)
            return None
        return known

    def _memo(self, texts: Sequence[str], batch: Batch) -> Memo:
        """The memo that has `texts`, each by its identity, under the numbers that they have in `out`."""
        table: dict[Any, Any] = self._out.texts
        distinct = set(texts)
        first = [text for text in distinct if not isinstance(table[text], bytes)]
        numbers = {}
        if first:
            distinct.difference_update(first)
            # They get their numbers in the order in which they are referred to.
            ordered = first if len(first) == 1 else list(filter(set(first).__contains__, batch.texts()))
            numbers = self._out.number(ordered)
        numbers |= {text: op.number_of(table[text]) for text in distinct}
        entries = zip(map(numbers.__getitem__, texts), texts, strict=True)
        return dict(zip(map(id, texts), entries, strict=True))


def pickled_alone(children: list[Any], memo: Memo, protocol: int) -> bytes:
    """The opcodes of `children`, more than three, where `memo` has what was written before."""
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, protocol)
    pickler.fast = True
    pickler.memo = memo
    pickler.dump(tuple(children))
    data = _without_frames(stream.getvalue()[len(pickle.PROTO) + 1 :])
    return data[len(pickle.MARK) : -len(pickle.TUPLE + pickle.STOP)]


def _without_frames(data: bytes) -> bytes:
    parts = []
    header = len(pickle.FRAME) + 8
    while data.startswith(pickle.FRAME):
        end = header + int.from_bytes(data[len(pickle.FRAME) : header], "little")
        parts.append(data[header:end])
        data = data[end:]
    return b"".join([*parts, data])


@functools.cache
def _is_canonical(protocol: int) -> bool:
    """Whether the pickler of this interpreter visits objects, and writes them, as batches need it."""
    word = "word"
    children: list[Any] = [{word: [1, None]}, (2.0, "other"), word, True]
    tokens = visited(children, {}, protocol)
    expected = [children[0], word, children[0][word], 1, None, children[1], 2.0, "other", word, True]
    if len(tokens) != len(expected) or not all(map(is_, tokens, expected)):
        return False
    other = b"X\5\0\0\0other" if protocol < 4 else b"\x8c\5other"
    wanted = b"}h\7](K\1Nes" + b"G\x40" + bytes(7) + other + b"\x86" + b"h\7\x88"
    return pickled_alone(children, {id(word): (7, word)}, protocol) == wanted
