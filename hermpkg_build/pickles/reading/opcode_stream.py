"""Reads the opcodes of a pickle with their arguments, taking every form that some unpickler takes."""

from __future__ import annotations

import codecs
import io
import mmap
import pickletools
from collections.abc import Callable, Iterator
from typing import IO, Any, TypeAlias, cast

_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}


PickleBytes: TypeAlias = bytes | memoryview | mmap.mmap
"""What pickles are read from: bytes, or the mapping of a file, which may be larger than the memory."""

_LARGE = 1 << 20
"""From so many bytes on, bytes in a pickle that is read from a view stay a part of the view."""

_LENGTHS = {"BINBYTES": 4, "BINBYTES8": 8, "BYTEARRAY8": 8}


class PickleStream(io.BufferedReader):
    """A stream over a view, of which only a piece is ever copied. `large_bytes` are views themselves."""

    def __init__(self, data: memoryview) -> None:
        super().__init__(_RawView(data), _LARGE)
        self.data = data

    def large_bytes(self, size_of_length: int) -> memoryview | None:
        """Return the bytes that follow behind their length, where they are many; else stay, and None."""
        begin = self.tell()
        head = self.data[begin : begin + size_of_length]
        end = begin + size_of_length + int.from_bytes(head, "little")
        if len(head) < size_of_length or end - begin < _LARGE or end > len(self.data):
            return None  # The usual reader says what is wrong, if anything is.
        self.seek(end)
        return self.data[begin + size_of_length : end]


class _RawView(io.RawIOBase):
    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._data)}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        piece = self._data[self._at : self._at + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def stream_of(data: bytes | memoryview) -> io.BytesIO | PickleStream:
    """Return a stream to read pickles from, which copies no view."""
    return io.BytesIO(data) if isinstance(data, bytes) else PickleStream(data)


PickleSource: TypeAlias = PickleBytes | io.BytesIO | PickleStream
"""What opcodes are read from: bytes, or a stream over them."""


class CutOffError(ValueError):
    """The data ends before the pickle does: with more of it, there might be no error."""


def opcodes_of(data: PickleSource, start: int = 0) -> Iterator[tuple[str, Any, int]]:
    """The opcodes of the pickle at `start` of `data` with their arguments and offsets, up to STOP.

    As `pickletools.genops` does, which refuses numbers and texts that unpicklers take (``0x10``, text beyond
    ASCII): a number that cannot be read is None. Names are UTF-8, as the unpickler reads them: GLOBAL and
    INST have a pair. Raises ValueError where there is no opcode, CutOffError where `data` ends too early.
    """
    # A mapping has the methods of a stream.
    stream = stream_of(data) if isinstance(data, (bytes, memoryview)) else cast(IO[bytes], data)
    stream.seek(start)
    large = stream.large_bytes if isinstance(stream, PickleStream) else None
    while code := stream.read(1):
        offset = stream.tell() - 1
        opcode = _OPCODES.get(code)
        if opcode is None:
            raise ValueError(f"not a sound pickle: {code!r} at {offset} is no opcode")
        argument: Any = None
        if opcode.arg is not None:
            if large is not None and opcode.name in _LENGTHS:
                argument = large(_LENGTHS[opcode.name])
            if argument is None:
                reader = _TOLERANT.get(opcode.name) or opcode.arg.reader
                try:
                    argument = reader(stream)
                except ValueError as error:
                    if stream.read(1):
                        raise
                    raise CutOffError(str(error)) from None
        yield opcode.name, argument, offset
        if opcode.name == "STOP":
            return
    raise CutOffError("not a sound pickle: it has no end")


def _line(stream: IO[bytes]) -> bytes:
    return stream.readline().removesuffix(b"\n")


def _names(stream: IO[bytes]) -> tuple[str, str]:
    """Two names; of one that is cut off, unpicklers in Python drop the last letter, and look it up."""
    return stream.readline()[:-1].decode(), stream.readline()[:-1].decode()


def _number(stream: IO[bytes]) -> int | bool | None:
    """INT: C reads it with `strtol`, so that also ``0x10`` and ``010`` are numbers."""
    line = _line(stream)
    if line in (b"00", b"01"):
        return line == b"01"
    return _integer(line, 0)


def _long_number(stream: IO[bytes]) -> int | None:
    return _integer(_line(stream).removesuffix(b"L"), 0)


def _key(stream: IO[bytes]) -> int:
    return int(_line(stream))


def _integer(line: bytes, base: int) -> int | None:
    try:
        return int(line, base)
    except ValueError:
        return None


def _float(stream: IO[bytes]) -> float | None:
    try:
        return float(_line(stream))
    except ValueError:
        return None


def _text(stream: IO[bytes]) -> str:
    """STRING: quoted, with escapes, in the encoding that the caller of the unpickler names."""
    line = _line(stream).strip()
    if len(line) < 2 or line[:1] not in (b"'", b'"') or line[:1] != line[-1:]:
        raise ValueError("not a sound pickle: the argument of STRING is not quoted")
    text, _ = codecs.escape_decode(line[1:-1])
    return _decoded(text)


def _identifier(stream: IO[bytes]) -> str:
    return _decoded(_line(stream))


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


_TOLERANT: dict[str, Callable[[IO[bytes]], Any]] = {
    "GLOBAL": _names,
    "INST": _names,
    "INT": _number,
    "LONG": _long_number,
    "FLOAT": _float,
    "GET": _key,
    "PUT": _key,
    "STRING": _text,
    "PERSID": _identifier,
}
