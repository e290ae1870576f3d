"""What an executor can do wrong, and that nothing wrong comes of it."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.engine.build import BuildFailedError
from hermpkg_build.errors import ExitCode

pytest.importorskip("google.protobuf")

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.reapi import messages

UNDECLARED_FACTORY = """
import os

from m import layers


def make(size):
    path = os.path.join(os.path.dirname(__file__), "undeclared.txt")
    return layers.Layer(USE)
"""
DESCRIPTION, REPORT = "model.json", "report.json"


def test_an_executor_that_does_its_work(fake: Any, checkout: Any, right: Any) -> None:
    result = checkout.build(fake.url)

    assert checkout.where(result) == fake.url
    assert checkout.recorded == right
    assert checkout.warnings == []


def test_nothing_is_sent_twice(fake: Any, checkout: Any) -> None:
    checkout.build(fake.url)
    fake.asked.clear()
    checkout.clean()

    checkout.build(fake.url)

    assert "BatchUpdateBlobs" not in fake.asked


def test_the_command_says_all_that_the_worker_needs(fake: Any, checkout: Any) -> None:
    checkout.build(fake.url, platform=(("os", "linux"), ("arch", "x86-64")))

    (command,) = fake.commands
    assert command.arguments[0] == sys.executable
    assert list(command.output_paths) == list(command.output_directories) == ["out"]
    assert {item.name for item in command.environment_variables} <= {
        *("LC_ALL", "PATH", "TZ", "LD_LIBRARY_PATH"),
    }
    properties = [(item.name, item.value) for item in command.platform.properties]
    assert properties == [("arch", "x86-64"), ("os", "linux")]


def test_no_path_of_this_machine_is_in_the_inputs(fake: Any, checkout: Any) -> None:
    """The workspace may lie anywhere, so that equal sources are equal inputs."""
    checkout.build(fake.url)

    place = str(checkout.root).encode()
    assert not any(place in data for data in fake.contents.values())


def test_files_that_no_target_lists_stay_here(fake: Any, checkout: Any) -> None:
    checkout.build(fake.url)

    contents = set(fake.contents.values())
    assert b"some words\n" in contents
    assert not contents & {b"other words\n", b"more words\n"}


def test_checkouts_at_other_places_ask_for_the_same_action(fake: Any, make_checkout: Any) -> None:
    fake.recalls = True
    one, other = make_checkout(), make_checkout()
    one.build(fake.url)

    result = other.build(fake.url)

    assert len(fake.commands) == 1
    assert other.where(result) == fake.url
    assert other.recorded == one.recorded


def drop(*names: str) -> Callable[[dict[str, bytes]], None]:
    def spoil(files: dict[str, bytes]) -> None:
        for name in names:
            del files[name]

    return spoil


def drop_contents(files: dict[str, bytes]) -> None:
    for name in set(files) - {DESCRIPTION, REPORT}:
        del files[name]


def flip_contents(files: dict[str, bytes]) -> None:
    for name in set(files) - {DESCRIPTION, REPORT}:
        files[name] = bytes([files[name][0] ^ 1]) + files[name][1:]


def put(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    def spoil(files: dict[str, bytes]) -> None:
        files[name] = data

    return spoil


def shorten_description(files: dict[str, bytes]) -> None:
    value = json.loads(files[DESCRIPTION])
    del value["globals"]
    files[DESCRIPTION] = json.dumps(value).encode()


def claim_other_files(files: dict[str, bytes]) -> None:
    value = json.loads(files[REPORT])
    value["seen"]["m/layers.py"] = "0" * 64
    files[REPORT] = json.dumps(value).encode()


def claim_no_paths(files: dict[str, bytes]) -> None:
    value = json.loads(files[REPORT])
    value["seen"] |= {"\0": "0" * 64, "\ud800": "absent", "": "", "../" * 5000: "a folder"}
    files[REPORT] = json.dumps(value).encode()


SPOILED = {
    "no output at all": drop_contents,
    "the report is missing": drop(REPORT),
    "the description is missing": drop(DESCRIPTION),
    "the report is no JSON": put(REPORT, b"{"),
    "the report is another JSON": put(REPORT, b"[1]"),
    "the report says nothing": put(REPORT, b"{}"),
    "the description is no JSON": put(DESCRIPTION, b"\xff"),
    "the description is another JSON": put(DESCRIPTION, b"null"),
    "the description lacks a field": shorten_description,
    "a content is another": flip_contents,
    "everything is missing": lambda files: files.clear(),
    "the description is deeper than a stack": put(DESCRIPTION, b"[" * 100_000),
    "other files were seen": claim_other_files,
    "what was seen are no paths": claim_no_paths,
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_an_answer_that_does_not_hold_together_is_not_believed(
    fake: Any, checkout: Any, right: Any, spoil: Callable[[dict[str, bytes]], None]
) -> None:
    fake.spoil = spoil

    result = checkout.build(fake.url)

    assert checkout.where(result) == ""
    assert checkout.recorded == right
    assert len(checkout.warnings) == 1
    assert "//m:net is made on this machine" in checkout.warnings[0]
    assert fake.url in checkout.warnings[0]


SOME_SPOILED = [
    pytest.param(spoil, id=name, marks=[] if number % 5 == 0 else pytest.mark.thorough)
    for number, (name, spoil) in enumerate(SPOILED.items())
]
"""Each fifth, for what is the same however an answer is spoiled; `make thorough` tries all."""


@pytest.mark.parametrize("spoil", SOME_SPOILED)
def test_where_this_machine_may_not_help_that_is_an_error(
    fake: Any, checkout: Any, spoil: Callable[[dict[str, bytes]], None]
) -> None:
    fake.spoil = spoil

    with pytest.raises(BuildFailedError, match=fake.url):
        checkout.build(fake.url, execution_fallback=False)


@pytest.mark.parametrize("spoil", SOME_SPOILED)
def test_a_remembered_answer_that_does_not_hold_together_is_made_anew(
    fake: Any, checkout: Any, right: Any, spoil: Callable[[dict[str, bytes]], None]
) -> None:
    fake.recalls, fake.spoil = True, spoil
    checkout.build(fake.url)
    checkout.clean()
    checkout.warnings.clear()
    fake.spoil = lambda files: None

    result = checkout.build(fake.url)

    assert checkout.where(result) == fake.url
    assert checkout.recorded == right
    assert checkout.warnings == []


@pytest.mark.parametrize(
    "said",
    [b'{"error": 5, "seen": {}}', b'{"error": {"summary": "made up"}, "seen": {}}', b'{"seen": {}}', b"{}"],
)
def test_a_failure_that_means_nothing_is_made_sure_of_here(fake: Any, checkout: Any, said: bytes) -> None:
    checkout.write("m/net.py", "def make(size):\n    raise ValueError('no such size')\n")
    fake.spoil = put(REPORT, said)

    with pytest.raises(BuildFailedError, match="no such size"):
        checkout.build(fake.url)

    assert "answer cannot be read" in checkout.warnings[0]


@pytest.mark.parametrize("lost", ["the tree", "the pickle"])
def test_a_remembered_answer_whose_contents_are_gone_is_made_anew(
    fake: Any, checkout: Any, right: Any, lost: str
) -> None:
    fake.recalls = True
    checkout.build(fake.url)
    checkout.clean()
    model = json.loads(next(data for data in fake.contents.values() if b'"data_read":' in data))
    (result,) = fake.results.values()
    (folder,) = result.output_directories
    gone = {
        "the tree": f"{folder.tree_digest.hash}/{folder.tree_digest.size_bytes}",
        "the pickle": model["pickle"],
    }
    del fake.contents[Digest.parse(gone[lost])]

    result = checkout.build(fake.url)

    assert checkout.where(result) == fake.url
    assert checkout.recorded == right


def test_a_remembered_failure_is_tried_again(fake: Any, checkout: Any, right: Any, tmp_path: Path) -> None:
    """Nobody knows why it failed then."""
    fake.recalls = True
    fake.spoil = drop(REPORT)
    checkout.build(fake.url)
    for result in fake.results.values():
        result.exit_code = 1
    checkout.clean()
    fake.spoil = lambda files: None

    assert checkout.where(checkout.build(fake.url)) == fake.url
    assert checkout.recorded == right


@pytest.mark.parametrize("fault", ["lost", "damaged"])
def test_contents_that_the_executor_cannot_give(fake: Any, checkout: Any, right: Any, fault: str) -> None:
    def remember(files: dict[str, bytes]) -> None:
        contents = [data for name, data in files.items() if name not in (DESCRIPTION, REPORT)]
        getattr(fake, fault).update(hashlib.sha256(data).hexdigest() for data in contents)

    fake.spoil = remember

    result = checkout.build(fake.url)

    assert checkout.where(result) == ""
    assert checkout.recorded == right
    assert "an output is lost or damaged" in checkout.warnings[0]


def two_models(checkout: Any) -> None:
    file = checkout.root / "m/BUILD"
    more = 'model(name = "other", factory = "m.net:make", args = {"size": 4}, deps = [":modules"])\n'
    file.write_text(file.read_text() + more)


def test_an_executor_that_nobody_answers_for(checkout: Any, unused_url: str) -> None:
    two_models(checkout)

    result = checkout.build(unused_url, "//m:all", jobs=2, retries=0)

    assert result.actions["make-model"].run == 2
    assert {action.where for action in result.executed} == {""}
    assert len(checkout.warnings) == 1
    assert "models are made on this machine" in checkout.warnings[0]


def test_an_executor_that_nobody_answers_for_where_this_machine_may_not_help(
    checkout: Any, unused_url: str
) -> None:
    with pytest.raises(BuildFailedError) as caught:
        checkout.build(unused_url, retries=0, execution_fallback=False)

    assert unused_url in caught.value.render()
    assert caught.value.exit_code == ExitCode.LOCAL_ENVIRONMENT


def test_a_server_that_executes_nothing(fake: Any, checkout: Any) -> None:
    fake.executes = False

    result = checkout.build(fake.url)

    assert checkout.where(result) == ""
    assert "it does not execute actions" in checkout.warnings[0]


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Set when a test is over."""
    event = threading.Event()
    yield event
    event.set()


Answer = Callable[[messages.Operation], Iterator[messages.Operation]]


def begin(done: messages.Operation) -> messages.Operation:
    return messages.Operation(name=done.name)


def broken(done: messages.Operation) -> Iterator[messages.Operation]:
    yield begin(done)
    raise RuntimeError("UNAVAILABLE")


def silent_end(done: messages.Operation) -> Iterator[messages.Operation]:
    yield begin(done)


def refusing(code: str) -> Answer:
    def answer(_: messages.Operation) -> Iterator[messages.Operation]:
        raise RuntimeError(code)
        yield

    return answer


def failing(code: int, *, of_operation: bool = False) -> Answer:
    def answer(done: messages.Operation) -> Iterator[messages.Operation]:
        status = messages.Status(code=code, message="as the test wants it")
        failed = messages.Operation(name=done.name, done=True)
        if of_operation:
            failed.error.CopyFrom(status)
        else:
            failed.response.Pack(messages.ExecuteResponse(status=status))
        yield failed

    return answer


UNAVAILABLE, FAILED_PRECONDITION, INVALID_ARGUMENT = 14, 9, 3


@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        ([broken], ["Execute", "WaitExecution"]),
        ([silent_end], ["Execute", "WaitExecution"]),
        ([broken, refusing("NOT_FOUND")], ["Execute", "WaitExecution", "Execute"]),
        ([broken, refusing("UNIMPLEMENTED")], ["Execute", "WaitExecution", "Execute"]),
        ([refusing("UNAVAILABLE")], ["Execute", "Execute"]),
        ([refusing("FAILED_PRECONDITION")], ["Execute", "Execute"]),
        ([refusing("NOT_FOUND")], ["Execute", "Execute"]),
        ([failing(UNAVAILABLE)], ["Execute", "Execute"]),
        ([failing(UNAVAILABLE, of_operation=True)], ["Execute", "Execute"]),
        ([failing(FAILED_PRECONDITION)], ["Execute", "Execute"]),
    ],
)
def test_what_passes_is_asked_for_again(
    fake: Any, checkout: Any, right: Any, answers: list[Answer], asked: list[str]
) -> None:
    fake.answers = list(answers)

    result = checkout.build(fake.url, retries=3)

    assert [name for name in fake.asked if name in ("Execute", "WaitExecution")] == asked
    assert checkout.where(result) == fake.url
    assert checkout.recorded == right
    assert checkout.warnings == []


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([broken] * 3, "as the test wants it (UNAVAILABLE)"),
        ([silent_end] * 3, "ended its answer before the action was done"),
        ([broken, refusing("NOT_FOUND")] * 3, "as the test wants it"),
        ([failing(UNAVAILABLE)] * 3, "as the test wants it (UNAVAILABLE)"),
        ([failing(INVALID_ARGUMENT)], "as the test wants it (INVALID_ARGUMENT)"),
        ([failing(FAILED_PRECONDITION)] * 2, "could not run the action"),
        ([refusing("PERMISSION_DENIED")] * 2, "check the credentials"),
    ],
)
def test_what_does_not_pass_is_left_to_this_machine(
    fake: Any, checkout: Any, right: Any, answers: list[Answer], words: str
) -> None:
    fake.answers = list(answers)

    result = checkout.build(fake.url, retries=1)

    assert checkout.where(result) == ""
    assert checkout.recorded == right
    assert len(checkout.warnings) == 1
    assert words in checkout.warnings[0]


def test_inputs_that_were_thrown_away_are_sent_again(fake: Any, checkout: Any) -> None:
    def forget(done: messages.Operation) -> Iterator[messages.Operation]:
        fake.contents.clear()
        raise RuntimeError("FAILED_PRECONDITION")
        yield done

    fake.answers = [forget]

    result = checkout.build(fake.url)

    assert checkout.where(result) == fake.url


def test_an_executor_may_be_silent_while_it_works(fake: Any, checkout: Any, over: threading.Event) -> None:
    """For longer than an answer may take, and more often than anything is tried again."""
    fake.recalls = True
    checkout.build(fake.url)
    checkout.clean()

    def silent(done: messages.Operation) -> Iterator[messages.Operation]:
        yield begin(done)
        over.wait(60)

    fake.answers = [silent] * 5

    result = checkout.build(fake.url, timeout_s=0.8, retries=3)

    assert checkout.where(result) == fake.url
    assert checkout.warnings == []
    assert fake.asked.count("WaitExecution") >= 5


def test_an_executor_that_says_nothing_at_all_is_given_up(
    fake: Any, checkout: Any, over: threading.Event
) -> None:
    def mute(done: messages.Operation) -> Iterator[messages.Operation]:
        over.wait(60)
        yield begin(done)

    fake.answers = [mute] * 4

    result = checkout.build(fake.url, timeout_s=1.0, retries=1)

    assert checkout.where(result) == ""
    assert "nothing moved for 1 s" in checkout.warnings[0]


def test_an_executor_that_is_busy_for_ever_is_given_up(
    fake: Any, checkout: Any, over: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hermpkg_build.remote.grpc.execution._WAITED", 0)
    fake.recalls = True
    checkout.build(fake.url)
    checkout.clean()

    def busy(done: messages.Operation) -> Iterator[messages.Operation]:
        while not over.wait(0.05):
            yield begin(done)

    fake.answers = [busy] * 4

    result = checkout.build(fake.url, timeout_s=1.0)

    assert checkout.where(result) == ""
    assert "took too long on the executor" in checkout.warnings[0]
    assert fake.cancelled.is_set()


def test_an_interrupt_tells_the_executor(fake: Any, checkout: Any) -> None:
    waiting = threading.Event()

    def work(_: messages.Operation) -> Iterator[messages.Operation]:
        waiting.set()
        fake.cancelled.wait(60)
        yield from ()

    # Who takes up a stream that broke knows of the operation that it is to cancel.
    fake.answers = [broken, work]
    words = ["--cache-dir", str(checkout.cache), "build", "//m:pack", "--remote-executor", fake.url]
    process = subprocess.Popen(
        [sys.executable, "-m", "hermpkg_build", *words, "--remote-cache", ""],
        cwd=checkout.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert waiting.wait(60)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)

    assert process.returncode == ExitCode.INTERRUPTED
    assert fake.cancelled.is_set()


@pytest.fixture
def another_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: Any) -> str:
    """A folder of this machine's search path that is another for the executor."""
    folder = tmp_path / "installed"
    folder.mkdir()
    (folder / "extra_module.py").write_text("")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    fake.before_work = lambda: (folder / "extra_module.py").rename(folder / "other_module.py")
    fake.after_work = lambda: (folder / "other_module.py").rename(folder / "extra_module.py")
    return str(folder)


def test_another_environment_is_refused_once(fake: Any, checkout: Any, another_environment: str) -> None:
    assert another_environment
    two_models(checkout)

    result = checkout.build(fake.url, "//m:all")

    assert len(fake.commands) == 1
    assert {action.where for action in result.executed} == {""}
    assert len(checkout.warnings) == 1
    assert "Python environment is not the one of this machine" in checkout.warnings[0]
    assert "installed distributions" in checkout.warnings[0]
    assert re.search(r"only here: +extra_module\.py\n", checkout.warnings[0])
    assert re.search(r"only there: +other_module\.py\n", checkout.warnings[0])


def test_another_environment_is_an_error_where_this_machine_may_not_help(
    fake: Any, checkout: Any, another_environment: str
) -> None:
    assert another_environment

    with pytest.raises(BuildFailedError, match="Python environment is not the one of this machine"):
        checkout.build(fake.url, execution_fallback=False)


UNDECLARED = {
    "read": "open(path).read()",
    "asked for": "os.path.exists(path)",
    "read where absent": "open(path).read() or 1 / 0",
}


@pytest.mark.parametrize("use", UNDECLARED.values(), ids=UNDECLARED)
def test_a_model_that_uses_an_undeclared_file_is_made_here(
    fake: Any, checkout: Any, make_checkout: Any, use: str
) -> None:
    other = make_checkout()
    for each in (checkout, other):
        each.write("m/net.py", UNDECLARED_FACTORY.replace("USE", use))

    result = checkout.build(fake.url)

    assert checkout.where(result) == ""
    other.build()
    assert checkout.recorded == other.recorded
    made_here, undeclared = checkout.warnings
    assert "is made on this machine" in made_here
    assert all("m/undeclared.txt" in each and "resources" in each for each in (made_here, undeclared))


def test_a_model_that_lists_its_folder_is_believed(fake: Any, checkout: Any, make_checkout: Any) -> None:
    other = make_checkout()
    for each in (checkout, other):
        each.write("m/net.py", UNDECLARED_FACTORY.replace("USE", "sorted(os.listdir(os.path.dirname(path)))"))

    result = checkout.build(fake.url)

    assert checkout.where(result) == fake.url
    other.build()
    assert checkout.recorded == other.recorded


def test_a_factory_whose_process_dies_is_tried_here(fake: Any, checkout: Any) -> None:
    checkout.write("m/net.py", "import os\n\ndef make(size):\n    os.kill(os.getpid(), 9)\n")

    with pytest.raises(BuildFailedError, match="SIGKILL"):
        checkout.build(fake.url)

    assert "was ended from outside" in checkout.warnings[0]


def test_conditions_of_another_kind_are_made_here(fake: Any, checkout: Any) -> None:
    words = ["--cache-dir", str(checkout.cache), "verify", "//m:pack", "--rebuild"]
    subprocess.run(
        [sys.executable, "-m", "hermpkg_build", *words, "--remote-executor", fake.url, "--remote-cache", ""],
        cwd=checkout.root,
        check=True,
        capture_output=True,
    )

    assert len(fake.commands) <= 1
