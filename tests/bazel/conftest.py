"""A real Bazel, and workspaces in temporary folders that it and our own engine build."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commands import run_command

REPOSITORY = Path(__file__).resolve().parents[2]
INSTALL = "make machine installs one"
IN_MEMORY = "/dev/shm"
SANDBOXES = 2 << 30
"""Bytes that there must be in memory for all of them."""

RULES = 'load("@hermpkg//rules:defs.bzl", "deny", "extern", "intern", "mock", "model", "model_package", '
RULES += '"package_test", "python_modules")\n'
WORKSPACE = """
local_repository(name = "hermpkg", path = "{repository}")

load("@hermpkg//rules:repositories.bzl", "hermpkg_python")

hermpkg_python(interpreter = "{interpreter}", workers = {workers})
"""


LATER_DEFAULTS = (
    "--incompatible_config_setting_private_default_visibility",
    "--incompatible_default_to_explicit_init_py",
    "--incompatible_disable_depset_items",
    "--incompatible_disable_target_provider_fields",
    "--incompatible_disallow_empty_glob",
    "--incompatible_disallow_struct_provider_syntax",
    "--incompatible_enforce_config_setting_visibility",
    "--incompatible_exclusive_test_sandboxed",
    "--incompatible_no_implicit_file_export",
    "--incompatible_no_rule_outputs_param",
    "--incompatible_remote_output_paths_relative_to_input_root",
    "--incompatible_strict_action_env",
    "--incompatible_struct_has_no_methods",
    "--incompatible_top_level_aspects_require_providers",
    "--incompatible_visibility_private_attributes_at_definition",
    "--noincompatible_legacy_local_fallback",
)
"""What this Bazel does when it is told, and later ones unasked, where its own tools can live with it."""


@dataclass(frozen=True)
class Outcome:
    """What one run of Bazel gave; it says nearly everything on standard error."""

    code: int
    stdout: str
    said: str

    @property
    def ran(self) -> list[str]:
        """What the actions that ran were for, in their own words; needs --subcommands."""
        return sorted(re.findall(r"SUBCOMMAND: .*\[action '(.*?)'", self.said))


class Workspace:
    """A folder that is a workspace to Bazel and to our own engine."""

    def __init__(self, root: Path, user_root: Path) -> None:
        self.root = root
        self._user_root = user_root
        self._started = False

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")

    def declare(self, *, workers: bool = False, interpreter: str = sys.executable) -> None:
        """Write a WORKSPACE file."""
        text = WORKSPACE.format(repository=REPOSITORY, interpreter=interpreter, workers=workers)
        self.write({"WORKSPACE": text})

    def bazel(self, command: str, *words: str) -> Outcome:
        """Run a command of Bazel's."""
        ran = subprocess.run(
            self.command(command, *words),
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        return Outcome(ran.returncode, ran.stdout, ran.stderr)

    def command(self, command: str, *words: str) -> list[str]:
        """The command line for a command of Bazel's, whose server is stopped at the end of the test."""
        self._started = True
        return [
            "bazel",
            f"--output_user_root={self._user_root}",
            f"--bazelrc={self._user_root.parent / 'bazelrc'}",
            "--host_jvm_args=-Xmx1g",
            # Its server lives for a test, and would take half of its time to compile itself for a long life.
            "--host_jvm_args=-XX:TieredStopAtLevel=1",
            # Nor does so small a heap repay threads of its own that collect it.
            "--host_jvm_args=-XX:+UseSerialGC",
            # Where it forgets the logs that it wrote on the way to one with a name.
            f"--host_jvm_args=-Djava.io.tmpdir={self._user_root.parent}",
            command,
            *words,
        ]

    def build(self, *words: str) -> Outcome:
        outcome = self.bazel("build", *words)
        assert outcome.code == 0, outcome.said
        return outcome

    def output(self, path: str) -> Path:
        return self.root / "bazel-bin" / path

    def hermpkg(self, *words: str) -> dict[str, str]:
        """Build with our own engine: the SHA-256 of each artifact by its path below the output folder."""
        cache = self._user_root.parent / "hermpkg-cache"
        ran = run_command(
            ["-C", str(self.root), "--cache-dir", str(cache), "--json", "build", *words],
            cwd=self._user_root.parent,
            timeout_s=600,
        )
        assert ran.returncode == 0, ran.stderr
        targets = json.loads(ran.stdout)["targets"]
        return {
            target["path"].removeprefix("hermpkg-out/"): target["sha256"]
            for target in targets
            if target["path"]
        }

    def clear(self) -> None:
        """Make it an empty workspace, also of what was built; the server stays."""
        if self._started:
            outcome = self.bazel("clean")
            assert outcome.code == 0, outcome.said
        shutil.rmtree(self.root, ignore_errors=True)
        self.write({"WORKSPACE": ""})

    def stop(self) -> None:
        if self._started:
            self.bazel("shutdown")


@pytest.fixture(scope="session")
def bazel_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of Bazel's own for the tests of this process.

    Builds take hermpkg, compiled, from a cache that nothing else is put into.
    """
    if not shutil.which("bazel"):
        pytest.skip(f"no bazel in the PATH: {INSTALL}")
    folder = tmp_path_factory.mktemp("bazel")
    run = tmp_path_factory.getbasetemp()
    # All processes of a run have the folder above theirs in common.
    compiled = (run.parent if "PYTEST_XDIST_WORKER" in os.environ else run) / "compiled"
    (folder / "no_coverage").mkdir()
    (folder / "no_coverage" / "WORKSPACE").touch()
    stub = 'filegroup(name = "coverage_report_generator", visibility = ["//visibility:public"])\n'
    (folder / "no_coverage" / "BUILD").write_text(stub)
    options = [
        # Debian's settings turn on what leaves every sandbox behind.
        "--nosandbox_debug",
        "--color=no",
        "--curses=no",
        "--jobs=2",
        *LATER_DEFAULTS,
        f"--repo_env=HERMPKG_PYTHON={sys.executable}",
        f"--disk_cache={compiled}",
        "--noremote_upload_local_results",
    ]
    sandboxes = None
    if os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > SANDBOXES:
        # On a disk, making and removing them takes longer than what runs in them.
        sandboxes = tempfile.mkdtemp(prefix="hermpkg-sandboxes-", dir=IN_MEMORY)
        options.append(f"--sandbox_base={sandboxes}")
    # Without a network: the one thing that Bazel would fetch for a test, and for a query of one.
    override = f"--override_repository=remote_coverage_tools={folder / 'no_coverage'}"
    lines = [*(f"build {shlex.quote(option)}\n" for option in options), f"common {shlex.quote(override)}\n"]
    (folder / "bazelrc").write_text("".join(lines))
    with open(f"{compiled}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not compiled.exists():
            for workspace in workspace_at(folder / "compiling", folder / "user"):
                workspace.declare()
                workspace.build("--remote_upload_local_results", "@hermpkg//rules/private:tool")
    yield folder / "user"
    if sandboxes:
        shutil.rmtree(sandboxes, ignore_errors=True)
    # Bazel takes away the right to write from what it makes.
    for path, _, _ in os.walk(folder / "user"):
        os.chmod(path, 0o700)


def workspace_at(root: Path, bazel_root: Path) -> Iterator[Workspace]:
    made = Workspace(root, bazel_root)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def with_server(tmp_path_factory: pytest.TempPathFactory, bazel_root: Path) -> Iterator[Workspace]:
    yield from workspace_at(tmp_path_factory.mktemp("workspaces") / "workspace", bazel_root)


@pytest.fixture
def workspace(with_server: Workspace) -> Workspace:
    """An empty workspace, whose server has had others: it takes seconds to start."""
    with_server.clear()
    return with_server


@pytest.fixture
def lonely_workspace(tmp_path: Path, bazel_root: Path) -> Iterator[Workspace]:
    """An empty workspace, with a server that nobody else has."""
    root = tmp_path / "workspace"
    root.mkdir()
    yield from workspace_at(root, bazel_root)


@pytest.fixture
def checkouts(tmp_path: Path, bazel_root: Path) -> Iterator[tuple[Workspace, Workspace]]:
    """Two workspaces, one after the other."""
    made = (Workspace(tmp_path / "one", bazel_root), Workspace(tmp_path / "two", bazel_root))
    try:
        yield made
    finally:
        for each in made:
            each.stop()


@pytest.fixture(scope="session")
def make_workspace() -> Callable[[Path, Path], Workspace]:
    """Makes a workspace of a folder and a folder of Bazel's own; the caller stops it."""
    return Workspace


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, bazel_root: Path) -> Iterator[Workspace]:
    """One workspace for all tests of a module, for a Bazel takes seconds to start."""
    yield from workspace_at(tmp_path_factory.mktemp("shared"), bazel_root)
