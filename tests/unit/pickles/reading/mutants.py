"""Pickles with a few bytes that are others, or stand there twice."""

from __future__ import annotations

from hypothesis import strategies as st


def mutant_of(data: st.DataObject, seed: bytes) -> bytes:
    """Draw a mutant of the pickle `seed`: most bytes that are put into it are opcodes."""
    mutant = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(mutant) - 1))
        if data.draw(st.booleans()):
            mutant[place] = data.draw(
                st.sampled_from([*b"qrhjXKMJ(u.bs}0tRQ)NGea]\x81\x00\x01\x02\x04", 255])
            )
        else:
            other = data.draw(st.integers(0, len(mutant) - 1))
            mutant[place:place] = mutant[other : other + data.draw(st.integers(0, 40))]
    return bytes(mutant)
