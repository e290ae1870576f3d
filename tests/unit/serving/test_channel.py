"""Messages of any size arrive whole, with descriptors, in memory that is used again and has no name."""

from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.serving.channel import Channel, EndOfChannel, channel_pair


@pytest.fixture
def ends():
    ours, theirs = channel_pair()
    with ours, Channel(theirs) as other:
        yield ours, other


def exchange(sender: Channel, receiver: Channel, parts, descriptors=()):
    thread = threading.Thread(target=sender.send, args=(parts, descriptors))
    thread.start()
    try:
        return receiver.receive()
    finally:
        thread.join()


SIZES = st.lists(st.sampled_from([0, 1, 63, 64, 65, 4096, 65_536, 65_537, 300_000]), max_size=6)


@given(st.lists(SIZES, min_size=1, max_size=4))
def test_parts_arrive_as_they_are(messages):
    ours, theirs = channel_pair()
    with ours, Channel(theirs) as other:
        for at, sizes in enumerate(messages):
            parts = [bytes([at * 7 + index]) * size for index, size in enumerate(sizes)]
            received = exchange(ours, other, parts)
            assert [bytes(part) for part in received.parts] == parts
            assert received.descriptors == []


@pytest.mark.parametrize("size", [10, 200_000])
def test_descriptors_come_with_a_message(ends, size):
    read, write = os.pipe()
    _, (received,) = exchange(*ends, [b"x" * size], [write])
    os.write(received, b"hello")
    assert os.read(read, 10) == b"hello"
    assert not os.get_inheritable(received)
    for descriptor in (read, write, received):
        os.close(descriptor)


def test_large_memory_is_let_go_when_messages_are_small_again(ends):
    ours, other = ends
    exchange(ours, other, [bytes(65 << 20)])
    assert ours._own is not None
    received = exchange(ours, other, [b"small"])
    assert bytes(received.parts[0]) == b"small"
    del received
    assert ours._own is other._theirs is None
    assert bytes(exchange(ours, other, [b"y" * 100_000]).parts[0]) == b"y" * 100_000


def test_the_end_of_the_other_side_is_told(ends):
    ours, other = ends
    other.close()
    with pytest.raises(EndOfChannel):
        ours.receive()
    with pytest.raises(EndOfChannel):
        [ours.send([b"x" * 1000]) for _ in range(100)]


def test_a_message_that_stops_in_the_middle_is_the_end():
    ours, theirs = channel_pair()
    with ours:
        theirs.sendall(b"\x00\x00\x00")
        theirs.close()
        with pytest.raises(EndOfChannel):
            ours.receive()
