"""The same sources give the same bytes, whatever surrounds them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.inspection.verify.varied_conditions import startable_locale

HERE = {
    "PYTHONHASHSEED": "1",
    "TZ": "UTC",
    # Python itself starts under it, also in a checkout whose path has letters beyond ASCII.
    "LC_ALL": startable_locale(sys.executable, "C"),
}
ELSEWHERE = {
    "PYTHONHASHSEED": "4242",
    "TZ": "Asia/Kathmandu",
    "LC_ALL": "C.UTF-8",
    "LANG": "de_DE.UTF-8",
    "USER": "someone",
    "OMP_NUM_THREADS": "2",
    "PYTHONUTF8": "1",
}


def age(root: Path) -> None:
    """Give every file another time and other permissions, and let folders list in another order."""
    for number, path in enumerate(sorted(root.rglob("*"), reverse=True)):
        if path.is_file():
            data = path.read_bytes()
            path.unlink()
            path.write_bytes(data)
            path.chmod(0o600 if number % 2 else 0o755)
            os.utime(path, (1_111_111_111 + number, 1_111_111_111 + number))


def run_with_umask(workspace, mask: int, *words: str, env: dict[str, str]) -> bytes:
    """Run a build under a umask; the artifact."""
    out = workspace.root / "artifact.pt"
    before = os.umask(mask)
    try:
        completed = subprocess.run(
            workspace.command("build", *words, "--out", str(out)),
            cwd=workspace.root,
            env=workspace.environment(**env),
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.umask(before)
    assert completed.returncode == 0, completed.stderr
    return out.read_bytes()


def test_surroundings_do_not_matter(app, make_workspace, tmp_path):
    here = run_with_umask(app, 0o022, "//app", "--jobs", "1", env=HERE)
    other = make_workspace(tmp_path / "x" / "another place", tmp_path / "cache 2").write_app()
    age(other.root)
    there = run_with_umask(
        other, 0o077, "//app", "--jobs", "4", env={**ELSEWHERE, "HOME": str(tmp_path / "x")}
    )
    assert here == there


def test_sources_do_matter(app, tmp_path):
    """The control: a comparison that could not fail would prove nothing."""
    here = run_with_umask(app, 0o022, "//app", env=HERE)
    app.write("app/words.txt", "one\ntwo!\n")
    assert run_with_umask(app, 0o022, "//app", env=HERE) != here


@pytest.mark.thorough
def test_two_copies_of_the_vision_example(app, make_workspace, repository, tmp_path):
    digests = []
    for number, env in enumerate((HERE, {**ELSEWHERE, "HOME": str(tmp_path)})):
        root = tmp_path / f"copy {number} ü" / "vision"
        shutil.copytree(repository / "examples/vision", root, ignore=shutil.ignore_patterns("hermpkg-out"))
        copy = make_workspace(root, tmp_path / f"cache-{number}")
        age(root)
        mask, jobs = ((0o022, "1"), (0o077, "3"))[number]
        artifact = run_with_umask(copy, mask, "//models:resnet", "--jobs", jobs, env=env)
        digests.append(Digest.of(artifact))
    assert digests[0] == digests[1]
    assert digests[0].size > 46_000_000
