"""Changes pickles: deletes, doubles, moves, changes and inserts opcodes."""

from __future__ import annotations

import pickletools
import random

_OPCODES = (
    *(
        b"0",
        b"1",
        b"2",
        b"(",
        b"t",
        b")",
        b"]",
        b"}",
        b"R",
        b"b",
        b"Q",
        b"a",
        b"s",
        b"u",
        b"e",
        b"\x81",
        b"\x85",
    ),
    *(
        b"\x86",
        b"\x87",
        b"\x88",
        b"\x8f",
        b"\x90",
        b"\x91",
        b"\x92",
        b"\x93",
        b"\x94",
        b"N",
        b"K\x01",
        b"J\xff" * 2,
    ),
    *(
        b"h\x00",
        b"h\x05",
        b"j\xff\xff\xff\x7f",
        b"r\xff\xff\x00\x00",
        b"X\x01\x00\x00\x00a",
        b"\x8a\x01\xff",
        b".",
    ),
    *(
        b"cfuzzed.util\nscale\n",
        b"ctorch\nFloatStorage\n",
        b"cgone\nname\n",
        b"\x8b\xff\xff\xff\x7f",
        b"\x80\x05",
    ),
)


def other_pickle(data: bytes, choose: random.Random) -> bytes:
    """Delete, double, move, change and insert opcodes."""
    try:
        places = [place for _, _, place in pickletools.genops(data) if place is not None]
    except ValueError:
        return data[: choose.randrange(len(data) + 1)]
    parts = [data[start:stop] for start, stop in zip(places, [*places[1:], len(data)], strict=True)]
    for _ in range(choose.choice((1, 1, 2, 4))):
        place = choose.randrange(len(parts))
        match choose.randrange(6):
            case 0:
                parts[place] = b""
            case 1:
                parts.insert(place, parts[place])
            case 2:
                other = choose.randrange(len(parts))
                parts[place], parts[other] = parts[other], parts[place]
            case 3 if len(parts[place]) > 1:
                part = bytearray(parts[place])
                part[choose.randrange(1, len(part))] = choose.choice(
                    (0, 1, 127, 128, 255, choose.randrange(256))
                )
                parts[place] = bytes(part)
            case 4:
                parts[place] = choose.choice(_OPCODES)
            case _:
                parts.insert(place, choose.choice(_OPCODES))
    return b"".join(parts)
