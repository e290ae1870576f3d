"""Builds a target in copies of the workspace, with the real command, each time under other conditions."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress

from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.folders import OUTPUT_FOLDER
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.core.label import Label
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.lent_modules import command
from hermpkg_build.errors import ActionError, LocalEnvironmentError
from hermpkg_build.inspection.verify.varied_conditions import BuildConditions

_NO_SOURCES = frozenset({OUTPUT_FOLDER, ".git", ".hg", ".svn", ".jj", "__pycache__", "node_modules"})
_BAZEL_LINKS = "bazel-"
"""How the links begin that Bazel puts into a workspace, which lead to its outputs."""

_ENVIRONMENT_MARKER = "pyvenv.cfg"
_NOT_PASSED_ON = ("HERMPKG_CACHE_DIR", "HERMPKG_ARTIFACT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The result of one build: the path of the artifact, or the error of a build that failed."""

    artifact: str
    error: str = ""


class ScratchBuilds:
    """Builds of the target `label` in the folder `scratch`, which gets copies of the workspace at `root`."""

    def __init__(self, scratch: str, *, root: str, label: Label) -> None:
        # A temporary folder may be a symbolic link, by which builds would differ in more than their
        # conditions.
        self.scratch: str = os.path.realpath(scratch)
        self._root = root
        self._label = label
        self._count = 0
        self._present: dict[str, tuple[bool, int | None]] = {}

    def build(self, conditions: BuildConditions) -> Attempt:
        """Build the target with an empty cache. Raises LocalEnvironmentError where the disk is full."""
        self._count += 1
        folder = os.path.join(self.scratch, f"build-{self._count}")
        try:
            os.makedirs(folder)
            workspace = self._workspace(conditions)
            with open(os.path.join(folder, "conditions.json"), "wb") as file:
                file.write(dumps(to_json(conditions.factory)))
        except OSError as error:
            raise LocalEnvironmentError(
                "the workspace cannot be copied for a rebuild",
                facts=[("to", self.scratch), ("reason", str(error))],
                next_step="set TMPDIR to a folder with space for copies of the workspace",
            ) from error
        artifact = os.path.join(folder, conditions.output)
        for path in (conditions.factory.home, conditions.factory.working_folder):
            shutil.rmtree(path, ignore_errors=True)
            os.makedirs(path, exist_ok=True)
        problem = self._run(conditions, workspace, folder, artifact)
        shutil.rmtree(os.path.join(folder, "cache"), ignore_errors=True)
        return Attempt(artifact=artifact, error=problem)

    def _workspace(self, conditions: BuildConditions) -> str:
        """Copy the workspace as the conditions say, unless an earlier build has copied it in the same way."""
        target = os.path.join(self.scratch, conditions.place)
        kind = (conditions.backwards, conditions.age)
        if self._present.get(target) != kind:
            shutil.rmtree(target, ignore_errors=True)
            copy_sources(self._root, target, backwards=conditions.backwards, age=conditions.age)
            self._present[target] = kind
        else:
            shutil.rmtree(os.path.join(target, OUTPUT_FOLDER), ignore_errors=True)
        return target

    def _run(self, conditions: BuildConditions, workspace: str, folder: str, artifact: str) -> str:
        """Run the command, and return its error, "" where it succeeds."""
        words = ["--json", "--jobs", str(conditions.jobs), "--cache-dir", os.path.join(folder, "cache")]
        words += ["build", str(self._label), "--out", artifact]
        words += ["--conditions", os.path.join(folder, "conditions.json")]
        # An artifact from another machine would prove nothing about this one.
        words += ["--remote-cache=", "--remote-executor="]
        process = subprocess.Popen(
            [*command(), *words],
            cwd=os.path.join(workspace, self._label.package) if conditions.from_package else workspace,
            env=_environment(conditions),
            umask=conditions.factory.umask,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            stdout, stderr = process.communicate()
        except BaseException:
            # On SIGTERM the build ends its children, which are in process groups of their own.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
        return _judge(process.returncode, stdout, stderr)


def _judge(code: int, stdout: bytes, stderr: bytes) -> str:
    if code == 0:
        return ""
    try:
        summary = str(json.loads(stdout)["error"]["summary"])
    except (ValueError, KeyError, TypeError):
        summary = f"exit code {code}"
    return stderr.decode(errors="replace").strip() or summary


def _environment(conditions: BuildConditions) -> dict[str, str]:
    """Return the environment variables of the build: the user's own, with those of the conditions."""
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    factory = conditions.factory
    fixed = {
        "PYTHONHASHSEED": str(factory.hash_seed),
        "TZ": factory.time_zone,
        "LC_ALL": factory.locale,
        "HOME": factory.home,
        # Nothing is imported from the folder that the command is run in.
        "PYTHONSAFEPATH": "1",
    }
    return {**kept, **fixed, **factory.environment}


def copy_sources(root: str, target: str, *, backwards: bool, age: int | None) -> None:
    """Copy a workspace without its outputs, version control and virtual environments, which no build reads.

    Entries are made in the order of their names, or `backwards`, because some file systems list them in the
    order in which they were made. With an `age`, the times of the files are seconds from there on.
    Raises OSError.
    """
    for number, (source, copy) in enumerate(_entries(root, target, backwards)):
        if os.path.islink(source):
            os.symlink(os.readlink(source), copy)
        elif os.path.isdir(source):
            os.makedirs(copy, exist_ok=True)
        elif os.path.isfile(source):
            shutil.copy2(source, copy)
            if age is not None:
                os.utime(copy, (age + number, age + number))


def _entries(root: str, target: str, backwards: bool) -> Iterator[tuple[str, str]]:
    """Return folders and files with their paths in the copy, each folder before its entries."""
    if os.path.realpath(target).startswith(os.path.realpath(root) + os.sep):
        raise OSError(f"{target} lies in the workspace itself")
    yield root, target
    folders = [(root, target)]
    while folders:
        source, copy = folders.pop()
        for name in sorted(os.listdir(source), reverse=backwards):
            path = os.path.join(source, name)
            if name.startswith((_BAZEL_LINKS, OUTPUT_FOLDER)) and os.path.islink(path):
                continue
            is_folder = os.path.isdir(path) and not os.path.islink(path)
            if is_folder and (name in _NO_SOURCES or os.path.exists(os.path.join(path, _ENVIRONMENT_MARKER))):
                continue
            yield path, os.path.join(copy, name)
            if is_folder:
                folders.append((path, os.path.join(copy, name)))


def same_files(a: str, b: str) -> bool:
    """Whether two files hold the same bytes. Raises ActionError where one cannot be read."""
    import filecmp

    try:
        return filecmp.cmp(a, b, shallow=False)
    except OSError as error:
        raise ActionError("artifacts cannot be compared", facts=[("reason", str(error))]) from error
