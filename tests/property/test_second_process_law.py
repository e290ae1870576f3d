"""The law of further processes: nothing differs but the time, whoever builds a target.

Random workspaces, with what is warned of and what does not build, are built by one process and by two: what
is printed, the artifacts, the snapshot, the cache and what later builds do have to be the same. A process
that forgets to tell what it has noted must break that, or the test would prove nothing.
"""

from __future__ import annotations

import errno
import os
import pickle
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hermpkg_build.cli.main import main
from hermpkg_build.core.label import Label
from hermpkg_build.engine import second_process
from hermpkg_build.engine.changed_part import load_rests
from hermpkg_build.engine.context import Build, Built, NeedTargets
from hermpkg_build.engine.results import BuildRequest
from hermpkg_build.engine.second_process import SecondProcess
from hermpkg_build.engine.snapshot import read_snapshot, snapshot_path
from hermpkg_build.engine.snapshot_check import read_stored
from hermpkg_build.engine.text_uses import load_table
from hermpkg_build.errors import ExitCode
from tests.property.shared_workspaces import Workspace, workspaces

PROBLEMS: dict[str, dict[str, str]] = {
    "": {},
    "does not parse": {"one/b.py": "def\n", "space/five/a.py": "(\n"},
    "an import that nothing settles": {"two/a.py": "import nothing.of.the.kind\n"},
}
"""Texts that are added to files."""

WORDS = [(), ("-k",), ("-k", "--json"), ("-k", "-v"), ("-k", "--explain"), ("-v",)]


TEST = """
load("@hermpkg//rules:defs.bzl", "package_test")
package_test(name = "test", package = ":out", main = "checks.py")
"""


def in_a_fork(work: Callable[[], Any]) -> Any:
    """Do some work in a process without threads, as a command is; what it gives."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.close(reading)
            with open(writing, "wb") as answer:
                pickle.dump(work(), answer)
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    os.close(writing)
    with open(reading, "rb") as answer:
        data = answer.read()
    assert os.waitpid(process, 0)[1] == 0
    return pickle.loads(data)


def lower_limits() -> None:
    """Let further processes build for this one however little there is, on two cores."""
    second_process._LEAST_MODULES = second_process._LEAST_TARGETS = 0
    os.sched_getaffinity = lambda _: {0, 1}


def command(root: Path, words: Sequence[str], jobs: int) -> tuple[int, str, str, int]:
    """Run a command in a fork; its exit code, what it prints, and how many targets another process built."""

    def run() -> tuple[int, str, str, int]:
        lower_limits()
        elsewhere, receive = list[Label](), SecondProcess.receive

        def counted(self: SecondProcess) -> Mapping[Label, Built]:
            found = receive(self)
            elsewhere.extend(found)
            return found

        SecondProcess.receive = counted  # type: ignore[method-assign]
        os.chdir(root)
        with redirect_stdout(StringIO()) as output, redirect_stderr(StringIO()) as errors:
            code = main(["--cache-dir", str(root.parent / "cache"), "build", "--jobs", str(jobs), *words])
        return code, output.getvalue(), errors.getvalue(), len(elsewhere)

    return in_a_fork(run)  # type: ignore[no-any-return]


def without_times(text: str) -> str:
    """A text without what tells how long something took."""
    return re.sub(r'(?<="wall_s": )[\d.]+|[\d.]+ m?s\b', "?", text)


def state(root: Path) -> dict[str, Any]:
    """What a build has left: artifacts, entries of the cache, the snapshot with what lies beside it."""
    found: dict[str, Any] = {
        str(path.relative_to(root)): path.read_bytes() for path in root.glob("hermpkg-out/**/*.pt")
    }
    found["results"] = sorted(path.name for path in root.parent.glob("cache/v1/ac/*/*"))
    request = BuildRequest(patterns=("//...",), directory=str(root))
    path = snapshot_path(str(root), request)
    stored = read_stored(path) if os.path.exists(path) else None
    snapshot = read_snapshot(stored) if stored is not None else None
    if stored is None or snapshot is None:
        return found
    found["values"] = {name: stored.values[name] for name in ("targets", "actions", "warnings", "declared")}
    found["outputs"] = {path: entry[0] for path, entry in stored.outputs.items()}
    assert all(entry[1] for entry in stored.outputs.values()), "who put an artifact there vouches for it"
    files = stored.files.paths
    found["files"] = {path: entry[0] for path, entry in [*stored.files.items(), *stored.directories.items()]}
    rests, texts = load_rests(path, snapshot), load_table(path, snapshot.texts)
    assert rests is not None
    assert texts is not None
    found["rests"] = {
        label: {files[at] for at in rests.files[start:stop]}
        for label, start, stop in zip(rests.labels, rests.edges, rests.edges[1:], strict=False)
    }
    found["warnings"] = rests.warnings
    found["texts"] = {files[at]: name for at, name in texts.records.items()}
    found["searched"] = {files[at] for at in texts.searched}
    for what, uses in (("packed", texts.packed), ("listed", texts.listed)):
        found[what] = {label: [files[at] for at in numbers] for label, numbers in uses.items()}
    return found


def outcome(root: Path, jobs: int, words: Sequence[str]) -> tuple[list[dict[str, Any]], int]:
    """What a first build gives, one of the same, and one after an edit, which further processes build."""
    for folder in (root.parent / "cache", root / "hermpkg-out"):
        shutil.rmtree(folder, ignore_errors=True)
    module, told, elsewhere = root / "two" / "a.py", list[dict[str, Any]](), 0
    text = module.read_text()
    try:
        for edit in ("", "", "EDITED = 1\n"):
            module.write_text(text + edit) if edit else None
            code, output, errors, others = command(root, [*words, "//..."], jobs)
            told.append({"code": code, "output": without_times(output), "errors": without_times(errors)})
            elsewhere += others
            if code and "-k" not in words:
                break  # Another process can have built what comes after the target that failed.
            told[-1].update(state(root))
    finally:
        module.write_text(text)
    return told, elsewhere


def differs(workspace: Workspace, problem: str = "", words: Sequence[str] = ()) -> tuple[str, int]:
    """What is another thing where two processes build, "" for nothing; and what the second one has built."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "workspace"
        workspace.write(root)
        for path, more in PROBLEMS[problem].items():
            (root / path).write_text((root / path).read_text() + more)
        alone, nothing = outcome(root, 1, words)
        together, elsewhere = outcome(root, 2, words)
        assert not nothing
    for step, (one, other) in enumerate(zip(alone, together, strict=True)):
        for what in one if one.keys() == other.keys() else ("other keys",):
            if one.get(what) != other.get(what):
                return (
                    f"{what} of build {step}: {_more(one, other, what)} and {_more(other, one, what)}",
                    elsewhere,
                )
    return "", elsewhere


def _more(one: dict[str, Any], other: dict[str, Any], what: str) -> object:
    a, b = one.get(what), other.get(what)
    if isinstance(a, dict) and isinstance(b, dict):
        return {key: value for key, value in a.items() if b.get(key) != value}
    return a


@settings(max_examples=10, phases=[Phase.generate], deadline=None)
@given(workspaces, st.sampled_from([*PROBLEMS]), st.sampled_from(WORDS))
def test_nothing_differs_but_the_time(workspace: Workspace, problem: str, words: tuple[str, ...]) -> None:
    difference, _ = differs(workspace, problem, words)
    assert not difference


SOUND = Workspace(
    imports={"two.a": [(0, "one.b")], "three.a": [(1, "one.a")], "space.four.a": [(0, "space.five.b")]},
    deps={"two": frozenset({"one"}), "three": frozenset({"one"}), "space/four": frozenset({"space/five"})},
)


def test_a_second_process_builds_a_part_and_nothing_differs() -> None:
    difference, elsewhere = differs(SOUND)
    assert not difference
    assert elsewhere > 1


def test_what_nobody_asked_for_but_a_target_needs_is_built_here(tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    SOUND.write(root)
    (root / "one" / "checks.py").write_text("print(1)\n")
    with (root / "one" / "BUILD").open("a") as file:
        file.write(TEST)
    code, output, errors, elsewhere = command(root, ["//one:test", "//two:out", "//three:code"], 2)
    assert (code, errors) == (0, ""), errors
    assert (root / "hermpkg-out" / "one" / "out.pt").exists(), output
    assert elsewhere


@pytest.mark.parametrize("forgotten", ["found", "journal", "notes", "resting", "texts"])
def test_to_forget_what_was_noted_there_breaks_the_law(
    forgotten: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = second_process._objects

    def without(build: Build) -> dict[str, Any]:
        return {name: each for name, each in objects(build).items() if name != forgotten}

    monkeypatch.setattr(second_process, "_objects", without)
    try:
        difference, _ = differs(SOUND)
    except AssertionError:
        return
    assert difference


@pytest.mark.parametrize("ends", ["killed", "fails", "answers nonsense"])
def test_a_process_that_ends_early_or_cannot_build_changes_nothing(
    ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_one, begun = second_process.build_target, list[Label]()

    def built(build: Build, label: Label, need: NeedTargets) -> Built:
        begun.append(label)
        if len(begun) > 1 and ends == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if len(begun) > 1:
            raise OSError(errno.ENOSPC, "no space left")
        return build_one(build, label, need)

    if ends == "answers nonsense":
        monkeypatch.setattr(second_process._Builder, "built", lambda *_: "nonsense")
    else:
        monkeypatch.setattr(second_process, "build_target", built)
    difference, elsewhere = differs(SOUND)
    assert not difference
    assert elsewhere == 0 or ends != "answers nonsense"


def hanging(process: int, told: Path) -> None:
    """Let the process that builds for this one hang, once it has told its number."""

    def hang(*_: object) -> None:
        assert os.getpid() != process
        told.write_text(str(os.getpid()))
        time.sleep(600)

    second_process.build_target = hang  # type: ignore[assignment]


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT])
def test_no_process_is_left_behind(tmp_path: Path, by: signal.Signals) -> None:
    root, told = tmp_path / "workspace", tmp_path / "told"
    SOUND.write(root)
    process = os.fork()
    if process == 0:
        try:
            hanging(os.getpid(), told)
            lower_limits()
            os.chdir(root)
            code = main(["--cache-dir", str(tmp_path / "cache"), "-q", "build", "--jobs", "2", "//..."])
            os._exit(int(code))
        finally:
            os._exit(99)
    wait_until(lambda: told.exists() and told.read_text() != "")
    other = int(told.read_text())
    os.kill(process, by)
    status = os.waitpid(process, 0)[1]
    assert status == by if by == signal.SIGKILL else os.waitstatus_to_exitcode(status) == ExitCode.INTERRUPTED
    wait_until(lambda: not Path(f"/proc/{other}").exists() or is_dead(other))


def is_dead(process: int) -> bool:
    """Whether a process has ended that nobody has waited for."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, which fails after minutes."""
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
