"""``hermpkg clean`` beside a build, and ends of the command line that come early."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hermpkg_build.cli.main import main

FULL = OSError(errno.ENOTEMPTY, "Directory not empty")


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([FULL] * 3, 0),
        ([FileNotFoundError(errno.ENOENT, "No such file")] * 3, 0),
        ([FULL] * 1000, 36),
        ([PermissionError(errno.EACCES, "Permission denied")], 36),
    ],
)
def test_outputs_are_removed_although_a_build_writes_there(tmp_path, monkeypatch, errors, code):
    remove, left = shutil.rmtree, [*errors]

    def disturbed(folder):
        if left:
            raise left.pop()
        remove(folder)

    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text("[tool.hermpkg]\n")
    Path("hermpkg-out/app").mkdir(parents=True)
    monkeypatch.setattr(shutil, "rmtree", disturbed)

    assert main(["clean"]) == code
    assert Path("hermpkg-out").exists() == (code != 0)


@pytest.mark.parametrize("module", ["hermpkg_build.installation", "hermpkg_build.cli.main"])
def test_an_interruption_while_the_program_is_imported_is_told_as_any(module):
    program = f"""
import sys
class Interruption:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interruption())
sys.argv[1:] = ["build"]
from hermpkg_build.__main__ import main
sys.exit(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (ended.returncode, "Traceback" in ended.stderr) == (8, False)
    assert "interrupted" in ended.stderr
