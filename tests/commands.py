"""Runs the command line to its end, in a process that is forked where it can be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from tests.forks.processes import CommandPopen, without_starting


def printed_by(
    words: Sequence[str | os.PathLike[str]],
    *,
    cwd: str | os.PathLike[str],
    env: Mapping[str, str],
    code: int = 0,
) -> str:
    """Run a program, which must end with `code`; all that it prints."""
    completed = subprocess.run(
        words,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert completed.returncode == code, completed.stdout
    return completed.stdout


def run_command(
    words: Sequence[str],
    *,
    cwd: str | os.PathLike[str],
    env: Mapping[str, str] | None = None,
    timeout_s: float = 300,
) -> subprocess.CompletedProcess[str]:
    """Run ``hermpkg`` with `words`, no input and just the variables `env`; return what it gave.

    Without `env` it has those of this process that no interpreter reads when it starts. Raises
    `subprocess.TimeoutExpired`.
    """
    with CommandPopen(
        [sys.executable, "-m", "hermpkg_build", *words],
        cwd=cwd,
        env=without_starting(os.environ) if env is None else env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            output, errors = process.communicate(timeout=timeout_s)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(list(words), process.returncode, output, errors)
