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
from collections.abc import Callable, Collection, Generator, Hashable, Iterator, Sequence
from itertools import chain, islice
from operator import is_
from types import NoneType
from typing import Any, Final

from hermpkg_build.pickles import opcodes as op
from hermpkg_build.pickles.batch import Batch
from hermpkg_build.pickles.global_names import GlobalWriter
from hermpkg_build.pickles.output import Output
from hermpkg_build.pickles.plain_classes import OWN_WAYS
from hermpkg_build.pickles.settings import Settings
from hermpkg_build.pickles.values import AtomKeys
from hermpkg_build.pickles.visitor import Memo, Visitor

SMALLEST: Final = 48
"""Children, below which a batch is not worth what it costs."""
_LARGEST: Final = 500
"""Children of a batch."""
_LARGEST_CONTAINER: Final = 1000
"""Elements of a container in a batch; the pickler in C writes more of them in several steps."""
_LONGEST: Final = (1 << 14) - 1
"""Characters of a string; longer ones stand outside of frames, and would be copied."""
_MOST_PASSED_OVER: Final = 15
_PLAIN: Final = frozenset({str, int, float, bool, NoneType, list, dict, tuple})


class PlainBatches:
    """Writes batches to `out`, which has the atoms of its tuples by the keys of `atoms`."""

    def __init__(self, settings: Settings, out: Output, atoms: AtomKeys, names: GlobalWriter) -> None:
        self._out = out
        self._atoms = atoms
        self._protocol = settings.protocol
        self._visitor = Visitor(settings, names)
        self._to_pass_over = self._passed_over = 0

    def fill(
        self,
        children: Iterator[Any],
        one_by_one: Callable[[Sequence[Any], bytes], Generator[Any, None, None]],
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
        tokens = self._visitor.visited(children)
        kinds = set(map(type, tokens))
        batch = self._batch(len(children), tokens, kinds)
        texts = self._texts(_of_kind(str, tokens, kinds))
        if batch is None or texts is None or not out.by_identity.keys().isdisjoint(batch.identities):
            return False
        new, known = texts
        if batch.states and not OWN_WAYS.isdisjoint(chain(new, known)):
            return False
        out.append(pickled_alone(children, self._memo(known) | self._visitor.classes, self._protocol))
        out.texts.update(dict.fromkeys(new, batch))
        out.by_identity.update(dict.fromkeys(batch.identities, batch))
        out.by_value.update(dict.fromkeys(batch.tuples, batch))
        out.alive.append(batch)
        return True

    def _batch(self, size: int, tokens: Sequence[Any], kinds: Collection[type]) -> Batch | None:
        """The batch of `size` children; None where something is not plain, or stands in it twice."""
        classes = set(kinds) - _PLAIN
        if not classes <= self._visitor.kinds:
            return None
        lists, dicts = _of_kind(list, tokens, kinds), _of_kind(dict, tokens, kinds)
        tuples = list(filter(None, _of_kind(tuple, tokens, kinds)))
        classes &= self._visitor.plain_kinds
        instances = [token for token in tokens if type(token) in classes] if classes else []
        sizes = [list(map(len, found)) for found in (lists, dicts, tuples)]
        states = list(map(bool, map(vars, instances)))
        if max(chain(*sizes), default=0) > _LARGEST_CONTAINER:
            return None
        # Where a tuple stands in itself, the pickler visits it once more than there are places.
        expected = size + sum(sizes[0]) + 2 * sum(sizes[1]) + sum(sizes[2]) + 2 * len(states) + sum(states)
        by_value = self._by_value(tuples) if len(tokens) == expected else None
        if by_value is None:
            return None
        identities = dict.fromkeys(map(id, chain(lists, dicts, tuples, instances)))
        if len(identities) < len(lists) + len(dicts) + len(tuples) + len(instances):
            return None
        for identity in by_value.values():
            del identities[identity]
        return Batch(
            piece=len(self._out.pieces),
            tokens=tokens,
            classes=classes,
            sizes=(sizes[0], sizes[1]),
            states=states,
            tuples=by_value,
            identities=identities.keys(),
        )

    def _by_value(self, tuples: Sequence[tuple[Any, ...]]) -> dict[Hashable, int] | None:
        """The ids of tuples whose value counts, by their keys; None where one stands twice in the pickle."""
        keys = list(map(self._atoms.key, tuples))
        found = {key: id(token) for key, token in zip(keys, tuples, strict=True) if key is not None}
        if len(found) < len(keys) - keys.count(None) or not self._out.by_value.keys().isdisjoint(found):
            return None
        return found

    def _texts(self, texts: Sequence[str]) -> tuple[Collection[str], Sequence[str]] | None:
        """The new strings among `texts`, and all those that were written before.

        None where a new one stands there twice, or is too long.
        """
        written = self._out.texts
        new = set(texts)
        seen = written.keys() & new
        known = list(filter(seen.__contains__, texts)) if seen else []
        new -= seen
        if len(texts) - len(known) > len(new):
            return None
        if self._visitor.size > _LONGEST and max(map(len, new), default=0) > _LONGEST:
            return None
        return new, known

    def _memo(self, texts: Sequence[str]) -> Memo:
        """The memo that has `texts`, each by its identity, under the numbers that they have in `out`."""
        table, fetch = self._out.texts, self._out.fetch
        by_identity = dict(zip(map(id, texts), texts, strict=True))
        return {
            key: (op.number_of(fetch(table, text, table[text])), text) for key, text in by_identity.items()
        }


def _of_kind(kind: type, tokens: Sequence[Any], kinds: Collection[type]) -> list[Any]:
    return [token for token in tokens if type(token) is kind] if kind in kinds else []


def pickled_alone(children: list[Any], memo: Memo, protocol: int) -> bytes:
    """The opcodes of `children`, one after another, where `memo` has what was written before."""
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, protocol)
    pickler.fast = True
    pickler.memo = memo
    pickler.dump(children)
    data = _without_frames(stream.getvalue()[len(pickle.PROTO) + 1 :])
    return data[len(pickle.EMPTY_LIST + pickle.MARK) : -len(pickle.APPENDS + pickle.STOP)]


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
    children: list[Any] = [{word: [1, None]}, (2.0, "other"), word]
    settings = Settings(protocol=protocol, name="")
    visitor = Visitor(settings, GlobalWriter(Output(protocol), protocol, None))
    tokens = visitor.visited(children)
    expected = [children[0], word, children[0][word], 1, None, children[1], 2.0, "other", word]
    if len(tokens) != len(expected) or not all(map(is_, tokens, expected)):
        return False
    other = b"X\5\0\0\0other" if protocol < 4 else b"\x8c\5other"
    wanted = b"}h\7](K\1Nes" + b"G\x40" + bytes(7) + other + b"\x86" + b"h\7"
    return pickled_alone(children, {id(word): (7, word)}, protocol) == wanted
