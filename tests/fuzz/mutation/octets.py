"""Changes bytes wherever they stand: flips, writes over, cuts, doubles."""

from __future__ import annotations

import random


def other_bytes(before: bytes, choose: random.Random) -> bytes:
    data = bytearray(before)
    if not data:
        return choose.randbytes(choose.choice((0, 1, 8, 100)))
    for _ in range(choose.choice((1, 1, 1, 2, 5))):
        if not data:
            break
        place, length = choose.randrange(len(data)), choose.choice((1, 1, 2, 4, 64, 512))
        match choose.randrange(6):
            case 0:
                data[place] ^= 1 << choose.randrange(8)
            case 1:
                data[place : place + length] = choose.randbytes(length)
            case 2:
                del data[place : place + length]
            case 3:
                data[place:place] = choose.randbytes(length)
            case 4:
                other = choose.randrange(len(data))
                data[place:place] = data[other : other + length]
            case 5:
                del data[max(1, place) :]
    return bytes(data)
