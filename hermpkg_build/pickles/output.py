"""The pickle under construction: its pieces, and the memo tables that refer to them."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Hashable, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from hermpkg_build.pickles import opcodes as op
from hermpkg_build.pickles.batch import Batch, Vocabulary

if TYPE_CHECKING:
    from hermpkg_speed import Pickle

Pieces: TypeAlias = "Output | Pickle"
"""A pickle under construction; that of the extension has the same methods, and makes the same bytes."""
Place: TypeAlias = "int | Batch | Vocabulary"
"""The index of the piece that leaves an object on the stack, or what it is in, with many others."""
Table: TypeAlias = "dict[Any, Place | bytes]"
"""Memoised objects by key: their places, and, from the first reference on, the opcodes that fetch them."""

DEEPEST: Final = 1_000_000
"""How many objects may be open, each a part of the one before."""
_BIG = 1 << 16
_SMALLEST_APART = 1 << 12
"""Strings of a vocabulary, below which each gets its entry in the table of all."""
_MOST_APART = 4


class Output:
    """Pieces of a pickle.

    The memo costs nothing until it is used: only the first reference to an object gives it a
    number, and the opcode that puts it under that number is added to its piece at the end.
    `levels` says how many objects are open, each a part of the one before.
    """

    def __init__(self, protocol: int) -> None:
        self.pieces: list[bytes] = [pickle.PROTO + bytes((protocol,))]
        self.append: Callable[[bytes], None] = self.pieces.append
        self.by_identity: Table = {}
        self.by_value: Table = {}
        self.texts: Table = {}
        self.vocabularies: list[Vocabulary] = []
        self.byte_strings: Table = {}
        self.alive: list[object] = []
        self.levels = 0
        self.encode_text: Callable[[str], bytes] = op.encode_text_3 if protocol < 4 else op.encode_text_4
        self._protocol = protocol
        self._puts: list[tuple[Place, Hashable]] = []
        self._storage_keys: list[tuple[int, int]] = []
        self._unsettled: list[Batch] = []

    def fetch(self, table: Table, key: Hashable, reference: Place | bytes) -> bytes:
        """The opcode that fetches the object that `table` has under `key` as `reference`."""
        if isinstance(reference, bytes):
            return reference
        opcode = table[key] = op.get(len(self._puts))
        self._puts.append((reference, key))
        return opcode

    def written(self, table: Table, key: Hashable) -> bool:
        """Write a reference to the object that `table` has under `key`; False where there is none."""
        reference = table.get(key)
        if reference is None:
            return False
        self.append(self.fetch(table, key, reference))
        return True

    def memoise(self, obj: object) -> None:
        """Remember that the last piece left `obj` on the stack; its id is not reused meanwhile."""
        self.by_identity[id(obj)] = len(self.pieces) - 1
        self.alive.append(obj)

    def refer(self, obj: object) -> bool:
        """Write a reference to `obj`; False where it is not memoised."""
        return self.written(self.by_identity, id(obj))

    def is_memoised(self, obj: object) -> bool:
        """Whether `obj` can be fetched by its identity."""
        return id(obj) in self.by_identity

    def memoise_value(self, key: Hashable) -> None:
        """Remember that the last piece left a value with this key on the stack."""
        self.by_value[key] = len(self.pieces) - 1

    def refer_to_value(self, key: Hashable) -> bool:
        """Write a reference to the value with this key; False where there is none."""
        return self.written(self.by_value, key)

    def number_of_value(self, key: Hashable) -> int | None:
        """The number that the value with this key is fetched by; None where it was not written twice."""
        reference = self.by_value.get(key)
        return op.number_of(reference) if isinstance(reference, bytes) else None

    def fill(self, children: Iterable[Any], closing: bytes) -> Generator[Any, None, None]:
        """Write `children`, then `closing`; yields those that are not written at once."""
        pieces = self.pieces
        write = self.append
        texts = self.texts
        vocabularies = self.vocabularies
        encoder = op.ATOM_ENCODERS.get
        for child in children:
            kind = type(child)
            if kind is str:
                reference = texts.get(child)
                if reference is None and vocabularies:
                    self.enter((child,))
                    reference = texts.get(child)
                if reference is None:
                    texts[child] = len(pieces)
                    write(self.encode_text(child))
                else:
                    write(self.fetch(texts, child, reference))
            elif encode := encoder(kind):
                write(encode(child))
            else:
                yield child
        if closing:
            write(closing)

    def add_batch(self, batch: Batch) -> None:
        """Remember what is in `batch`, which is the last piece, but for its strings.

        Containers that only their parents refer to need no entry until code runs that could refer to them.
        """
        self.by_identity.update(dict.fromkeys(batch.shared, batch))
        self.by_value.update(dict.fromkeys(batch.tuples, batch))
        self.alive.append(batch)
        self._unsettled.append(batch)

    def add_vocabulary(self, added: Vocabulary) -> None:
        """Remember the strings of `added`, which is the next piece, and none of which is known.

        To look for others in one dict more costs less than an entry for each of many strings. Where there
        are few, or many such dicts, all get entries.
        """
        if len(added.words) >= _SMALLEST_APART and len(self.vocabularies) < _MOST_APART:
            self.vocabularies.append(added)
        else:
            self.texts.update(dict.fromkeys(added.words, added))

    def enter(self, texts: Iterable[str]) -> None:
        """Give those of `texts` that only a vocabulary has their entries."""
        for found in self.vocabularies:
            for text in filter(found.words.__contains__, texts):
                self.texts.setdefault(text, found)

    def number(self, texts: Sequence[str]) -> dict[str, int]:
        """Number `texts`, which are referred to for the first time, in this order."""
        table: dict[Any, Any] = self.texts
        numbers = range(len(self._puts), len(self._puts) + len(texts))
        self._puts += zip(map(table.__getitem__, texts), texts, strict=True)
        table.update(zip(texts, map(op.get, numbers), strict=True))
        return dict(zip(texts, numbers, strict=True))

    def knows_none_of(self, words: dict[str, Any]) -> bool:
        """Whether none of the keys of `words` was written before."""
        known = [self.texts, *(found.words for found in self.vocabularies)]
        return all(map(words.keys().isdisjoint, map(dict.keys, known)))

    def settle(self) -> None:
        """Take the objects of all batches up as they are, for code of others is about to run."""
        for batch in self._unsettled:
            batch.settle()
            self.by_identity.update(dict.fromkeys(map(id, chain.from_iterable(batch.alone)), batch))
        self._unsettled.clear()

    def text(self, text: str) -> None:
        """Write a string."""
        self.enter((text,))
        if not self.written(self.texts, text):
            self.texts[text] = len(self.pieces)
            self.append(self.encode_text(text))

    def byte_string(self, data: bytes) -> None:
        """Write a bytes object."""
        if not self.written(self.byte_strings, data):
            self.block(op.bytes_header(len(data), self._protocol), data)
            self.byte_strings[data] = len(self.pieces) - 1

    def block(self, header: bytes, data: bytes) -> None:
        """Write one opcode with its data."""
        if len(data) < _BIG:
            self.append(header + data)
        else:
            # Big data is not copied to make one piece; the empty piece takes the memo's opcode.
            self.pieces += (header, data, b"")

    def storage_key(self, key: int) -> None:
        """Write the number of a storage so that it can be found again."""
        self._storage_keys.append((len(self.pieces), key))
        self.append(op.encode_storage_key(key))

    def finish(self) -> tuple[bytes, tuple[tuple[int, int], ...]]:
        """The whole pickle, and the offset of the four bytes of each storage key with that key."""
        self._add_puts()
        offsets = []
        offset = counted = 0
        for piece, key in self._storage_keys:
            offset += sum(map(len, self.pieces[counted:piece]))
            counted = piece
            offsets.append((offset + len(pickle.BININT), key))
        return b"".join(self.pieces), tuple(offsets)

    def _add_puts(self) -> None:
        """Complete the pieces with objects that are referred to by the opcodes that memoise these."""
        several: dict[int, Batch | Vocabulary] = {}
        for number, (place, key) in enumerate(self._puts):
            if isinstance(place, int):
                self.pieces[place] += op.put(number)
            else:
                several[place.piece] = place
                place.puts.append((key, op.put(number)))
        for piece, place in several.items():
            self.pieces[piece] = (
                place.with_puts(self.encode_text)
                if isinstance(place, Vocabulary)
                else place.with_puts(self.pieces[piece])
            )
