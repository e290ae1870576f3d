"""Action results on a server: what is believed, what is a miss, and what a failing server costs."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.remote.cache import RemoteCache
from hermpkg_build.remote.failures import FailureKind, RemoteError
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.reapi.entries import SharedAction, describe, encode_entry
from hermpkg_build.store.action_cache import ActionResult, encode_result
from hermpkg_build.store.content import ContentStore

pytestmark = pytest.mark.usefixtures("contents_apart")

ACTION = SharedAction(name="make-model 1", key=fingerprint(["one"]), subject="//a:b")
OTHER = SharedAction(name="make-model 1", key=fingerprint(["other"]), subject="//a:c")
DATA = b"the bytes of a model" * 10
RESULT = ActionResult(
    outputs={"pickle": Digest.of(DATA), "0.storage": Digest.of(b"")}, facts={"a": [1, None]}
)
NAME = describe(ACTION)[0]


@dataclass
class Heard:
    """What a build would be told."""

    warnings: list[str] = field(default_factory=list)
    ended: list[tuple[str, str, int]] = field(default_factory=list)
    awaited: list[int] = field(default_factory=list)
    been_told: threading.Event = field(default_factory=threading.Event)
    under_way: int = 0

    def warn_for_this_build(self, text: str) -> None:
        self.warnings.append(text)

    def transfer_started(self, direction: str, subject: str) -> None:
        self.under_way += 1

    def uploads_awaited(self, number: int) -> None:
        self.awaited.append(number)
        self.been_told.set()

    def transfer_ended(self, direction: str, subject: str, size: int) -> None:
        self.under_way -= 1
        self.ended.append((direction, subject, size))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def machine(tmp_path: Path, server: Any, heard: Heard) -> Callable[..., tuple[RemoteCache, ContentStore]]:
    """Makes one more machine with an empty store that shares `server`."""
    count = 0

    def make(*, upload: bool = True) -> tuple[RemoteCache, ContentStore]:
        nonlocal count
        count += 1
        content = ContentStore(str(tmp_path / f"machine-{count}"))
        return RemoteCache(server, content, heard, upload=upload), content

    return make


@pytest.fixture
def filled(server: Any, machine: Any) -> Any:
    """The server with the result of ACTION."""
    remote, content = machine()
    content.put_bytes(DATA)
    content.put_bytes(b"")
    remote.put(ACTION, RESULT)
    server.asked.clear()
    return server


def test_a_result_travels_with_its_contents(filled, machine, heard):
    remote, content = machine()
    assert remote.get(ACTION) == RESULT
    assert content.get_bytes(Digest.of(DATA)) == DATA
    assert content.get_bytes(Digest.of(b"")) == b""
    assert filled.asked == ["get_result", "download"]
    assert heard.warnings == []


def test_contents_that_are_here_are_not_fetched(filled, machine):
    remote, content = machine()
    content.put_bytes(DATA)
    assert remote.get(ACTION) == RESULT
    assert filled.asked == ["get_result"]


def test_only_what_a_server_lacks_is_uploaded(filled, machine, heard):
    remote, content = machine()
    content.put_bytes(DATA)
    content.put_bytes(b"")
    heard.ended.clear()
    before = dict(filled.contents)
    filled.contents.pop(Digest.of(DATA))
    remote.put(ACTION, RESULT)
    assert filled.contents == before
    assert filled.asked == ["missing", "upload", "put_result"]
    assert heard.ended == [("upload", "//a:b", len(DATA) + len(filled.results[NAME]))]


def test_servers_can_check_and_show_what_they_hold(filled):
    entry = messages.ActionResult.FromString(filled.results[NAME])
    declared = {file.path: Digest(file.digest.hash, file.digest.size_bytes) for file in entry.output_files}
    assert declared.keys() == {"pickle", "0.storage", "result"}
    assert all(digest in filled.contents for digest in declared.values())
    action = messages.Action.FromString(filled.contents[NAME])
    command = filled.contents[Digest(action.command_digest.hash, action.command_digest.size_bytes)]
    assert list(messages.Command.FromString(command).arguments) == [
        "hermpkg",
        "make-model 1",
        str(ACTION.key),
    ]
    assert Digest(action.input_root_digest.hash, action.input_root_digest.size_bytes) in filled.contents


def test_the_name_of_an_action_is_the_same_everywhere():
    """Pinned: were it to change, all shared caches would be cold."""
    assert str(NAME) == "5c3ec05a4bc2d7e72c78a527b14f381bc2ea441354854633a5a94dc94c1d778e/138"


def test_a_result_too_large_for_its_entry_is_content_too(server, machine):
    remote, _ = machine()
    result = ActionResult(outputs={}, facts={"names": "x" * 100_000})
    remote.put(ACTION, result)
    assert len(server.results[NAME]) < 1000
    again, _ = machine()
    assert again.get(ACTION) == result


def test_nothing_is_shared_whose_contents_are_lost_here(server, machine, heard):
    remote, content = machine()
    content.put_bytes(b"")
    remote.put(ACTION, RESULT)
    assert server.results == {}
    assert heard.warnings == []


def test_a_reader_uploads_nothing(server, machine):
    remote, content = machine(upload=False)
    content.put_bytes(DATA)
    content.put_bytes(b"")
    remote.put(ACTION, RESULT)
    remote.later(lambda: remote.put(ACTION, RESULT))
    remote.finish()
    assert server.asked == []


def resealed(text: bytes) -> bytes:
    """A stored result with a checksum as whoever knows the format, but not the key, would make it."""
    return hashlib.sha256(text).hexdigest().encode() + b"\n" + text + b"\n"


STORED = encode_result(ACTION.key, RESULT)
POISON: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda entry: b"",
    "no protocol buffer": lambda entry: b"<html>404 Not Found</html>",
    "truncated": lambda entry: entry[:-20],
    "half": lambda entry: entry[: len(entry) // 2],
    "edited facts": lambda entry: encode_entry(RESULT.outputs, STORED.replace(b'"a"', b'"b"')),
    "other outputs declared": lambda entry: encode_entry({"pickle": Digest.of(b"")}, STORED),
    "no result in it": lambda entry: messages.ActionResult(exit_code=0).SerializeToString(),
    "an action that failed": lambda entry: entry + messages.ActionResult(exit_code=1).SerializeToString(),
    "an output named twice": lambda entry: entry + entry,
    "another action's result": lambda entry: encode_entry(RESULT.outputs, encode_result(OTHER.key, RESULT)),
    "a checksum without the key": lambda entry: encode_entry(RESULT.outputs, resealed(STORED[65:-1])),
    "a result that is no JSON": lambda entry: encode_entry({}, b"0" * 64 + b"\n{\n"),
    "a result that is nothing": lambda entry: encode_entry({}, b""),
    "a digest that is none": lambda entry: messages.ActionResult(
        output_files=[
            messages.OutputFile(path="result", digest=messages.Digest(hash="../../x", size_bytes=3))
        ]
    ).SerializeToString(),
    "a result of 10 GB": lambda entry: messages.ActionResult(
        output_files=[
            messages.OutputFile(path="result", digest=messages.Digest(hash="0" * 64, size_bytes=10**10))
        ]
    ).SerializeToString(),
    "a negative size": lambda entry: messages.ActionResult(
        output_files=[
            messages.OutputFile(path="result", digest=messages.Digest(hash="0" * 64, size_bytes=-1))
        ]
    ).SerializeToString(),
}


@pytest.mark.parametrize("name", POISON)
def test_a_poisoned_entry_is_a_miss(filled, machine, heard, name):
    poisoned = POISON[name](filled.results[NAME])
    assert poisoned != filled.results[NAME]
    filled.results[NAME] = poisoned
    remote, _ = machine()
    assert remote.get(ACTION) is None
    assert heard.warnings == []
    assert remote.asks


def test_what_an_entry_inlines_wrongly_is_fetched(filled, machine):
    filled.results[NAME] = filled.results[NAME].replace(b'"a"', b'"b"')
    remote, _ = machine()
    assert remote.get(ACTION) == RESULT


def test_a_result_under_another_name_is_a_miss(filled, machine):
    filled.results[describe(OTHER)[0]] = filled.results[NAME]
    remote, _ = machine()
    assert remote.get(OTHER) is None


@pytest.mark.parametrize("damage", [None, DATA[:-1], DATA[:-1] + b"?", b""])
def test_contents_that_are_lost_or_wrong_are_a_miss(filled, machine, damage):
    if damage is None:
        del filled.contents[Digest.of(DATA)]
    else:
        filled.contents[Digest.of(DATA)] = damage
    remote, content = machine()
    assert remote.get(ACTION) is None
    assert content.path_of(Digest.of(DATA)) is None


@pytest.mark.parametrize("damage", [DATA[:-1], DATA[:-1] + b"?"])
def test_what_a_server_has_in_a_spoilt_form_is_uploaded_again(filled, machine, damage):
    filled.contents[Digest.of(DATA)] = damage
    remote, content = machine()
    assert remote.get(ACTION) is None
    content.put_bytes(DATA)
    remote.put(ACTION, RESULT)
    assert filled.contents[Digest.of(DATA)] == DATA


def test_a_transport_that_lies_about_contents_is_not_believed(filled, machine, monkeypatch):
    monkeypatch.setattr(filled, "download", lambda digests, content: set())
    remote, _ = machine()
    assert remote.get(ACTION) is None


def failing(name: str, kind: FailureKind) -> Callable[[str], None]:
    def before(asked: str) -> None:
        if asked == name:
            raise RemoteError(
                kind, f"cannot {asked}", server="grpc://x", reason="because", next_step="do something"
            )

    return before


@pytest.mark.parametrize("kind", ["unavailable", "denied", "protocol"])
@pytest.mark.parametrize("request_name", ["get_result", "download"])
def test_a_server_that_fails_to_give_is_told_of_once_and_left_alone(
    filled, machine, heard, kind, request_name
):
    filled.before = failing(request_name, kind)
    remote, content = machine()
    content.put_bytes(b"something")
    assert remote.get(ACTION) is None
    filled.asked.clear()
    assert remote.get(ACTION) is None
    assert not remote.fetch([Digest.of(DATA)])
    remote.put(OTHER, ActionResult(outputs={}, facts=None))
    assert filled.asked == []
    assert heard.under_way == 0
    (warning,) = heard.warnings
    assert warning.splitlines() == [
        f"cannot {request_name}; the build goes on without the shared cache",
        "  server: grpc://x",
        "  reason: because",
        "  -> do something",
    ]


@pytest.mark.parametrize("kind", ["full", "denied", "protocol"])
@pytest.mark.parametrize("request_name", ["missing", "upload", "put_result"])
def test_a_server_that_takes_nothing_is_still_read(filled, machine, heard, kind, request_name):
    filled.before = failing(request_name, kind)
    remote, _ = machine()
    nothing = ActionResult(outputs={}, facts=None)
    remote.put(OTHER, nothing)
    filled.asked.clear()
    remote.put(OTHER, nothing)
    assert filled.asked == []
    assert remote.get(ACTION) == RESULT
    (warning,) = heard.warnings
    assert "nothing more is uploaded in this build" in warning


def test_a_server_that_is_gone_while_uploading_is_not_asked_again(filled, machine, heard):
    filled.before = failing("upload", "unavailable")
    remote, _ = machine()
    remote.put(OTHER, ActionResult(outputs={}, facts=None))
    assert remote.get(ACTION) is None
    assert len(heard.warnings) == 1


def test_failures_after_the_end_are_no_news(filled, machine, heard):
    remote, _ = machine()

    def close(_: str) -> None:
        remote.close()
        raise RemoteError("unavailable", "closed", server="grpc://x")

    filled.before = close
    assert remote.get(ACTION) is None
    assert filled.closed
    assert heard.warnings == []


def test_what_runs_in_the_background_is_waited_for(server, machine):
    remote, _ = machine()
    actions = [SharedAction(name="x 1", key=fingerprint(number)) for number in range(50)]
    for action in actions:
        remote.later(lambda action=action: remote.put(action, ActionResult(outputs={}, facts=None)))
    remote.finish()
    assert len(server.results) == 50


def test_what_is_waited_for_is_told_once_where_it_takes_a_while(machine, heard):
    remote, _ = machine()
    for _ in range(2):
        remote.later(lambda: heard.been_told.wait(60))
    remote.finish()
    assert heard.awaited == [2]


def test_what_has_not_begun_at_the_end_is_dropped(server, machine):
    remote, _ = machine()
    go_on = threading.Event()
    done: list[int] = []

    def job(number: int) -> None:
        go_on.wait(60)
        done.append(number)

    for number in range(50):
        remote.later(lambda number=number: job(number))
    remote.close()
    go_on.set()
    remote.finish()
    remote.later(lambda: done.append(50))
    assert len(done) <= 4
    assert 50 not in done


def test_a_bug_in_the_background_is_not_swallowed(machine):
    remote, _ = machine()

    def bug() -> None:
        raise ZeroDivisionError

    remote.later(bug)
    with pytest.raises(ZeroDivisionError):
        remote.finish()
    remote.finish()
