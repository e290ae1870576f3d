"""Messages of any size arrive whole, with descriptors, in memory that is used again and has no name."""

from __future__ import annotations

import os
import select
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


@given(
    st.lists(st.sampled_from([10, 20_000, 70_000, 300_000, 1_000_000]), min_size=1, max_size=12), st.data()
)
def test_messages_on_their_way_are_not_overwritten(sizes, data):
    """Any number of them; and a side has no more blocks than were ever on their way at once, and one."""
    ours, theirs = channel_pair()
    with ours, Channel(theirs) as other:
        on_their_way: list[tuple[bytes, memoryview]] = []
        most = 0
        for at, size in enumerate(sizes):
            sent = bytes([at + 1]) * size
            received = exchange(ours, other, [sent])
            # Receiving says that what came before was copied; here it was not.
            other._done = max(0, other._received - 1 - len(on_their_way))
            on_their_way.append((sent, received.parts[0]))
            most = max(most, len(on_their_way))
            while on_their_way and data.draw(st.booleans()):
                kept, found = on_their_way.pop(0)
                assert bytes(found) == kept
                other._done = other._received - len(on_their_way)
                exchange(other, ours, [b"answer"])
            assert all(bytes(found) == kept for kept, found in on_their_way)
            assert ours.blocks <= most + 1


def test_what_was_read_with_another_message_is_told(ends):
    """Who waits for the descriptor to be readable would wait for ever."""
    ours, other = ends
    for size in (10, 20_000, 30):
        ours.send([b"x" * size])
    for size in (10, 20_000, 30):
        assert other.has_read_more or select.select([other.fileno()], [], [], 5)[0]
        assert len(other.receive().parts[0]) == size
    assert not other.has_read_more
    assert not select.select([other.fileno()], [], [], 0)[0]


def test_memory_that_cannot_be_had_is_told_and_the_channel_goes_on(ends, monkeypatch):
    ours, other = ends
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", refused)
        with pytest.raises(OSError, match="no room"):
            ours.send([b"x" * 100_000])
    for size in (100, 100_000):
        assert bytes(exchange(ours, other, [b"y" * size]).parts[0]) == b"y" * size


def refused(*_: object) -> None:
    raise OSError(28, "no room")


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
    assert ours.blocks == 1
    other.done()
    exchange(other, ours, [b"answer"])
    received = exchange(ours, other, [b"small"])
    assert bytes(received.parts[0]) == b"small"
    assert ours.blocks == 0
    assert not other._theirs
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
