"""Every example, built by Bazel and by our own engine to the same bytes."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "examples"

# The example of what cannot be reproduced has one model that can.
TARGETS = {"irreproducible": ["//controls:sound"]}


NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/pyproject.toml"))
LARGE = {"ci", "monorepo", "digits", "graph", "language", "matching", "vision"}


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.thorough if name in LARGE else ()) for name in NAMES]
)
def example(request: pytest.FixtureRequest, workspace: Any) -> Any:
    pytest.importorskip("torch")
    ignored = shutil.ignore_patterns("bazel-*", "hermpkg-out", "__pycache__")
    folder = EXAMPLES / request.param
    shutil.copytree(folder, workspace.root, ignore=ignored, dirs_exist_ok=True)
    if not (folder / "WORKSPACE").is_file():
        workspace.declare()
    workspace.name = request.param
    return workspace


@pytest.mark.slow
def test_both_engines_make_the_same_bytes(example: Any) -> None:
    patterns = TARGETS.get(example.name, ["//..."])
    here = f"--override_repository=hermpkg={REPOSITORY}"
    tests = list(example.root.rglob("*_test.py"))
    outcome = example.bazel("test" if tests else "build", here, *patterns)
    assert outcome.code == 0, outcome.said
    digests = example.hermpkg(*patterns)
    assert digests
    for path, digest in digests.items():
        assert hashlib.sha256(example.output(path).read_bytes()).hexdigest() == digest, path
    if tests:
        assert "PASSED" in outcome.stdout + outcome.said


@pytest.mark.slow
def test_the_workspace_of_bazel_alone_packs_its_artifact(workspace: Any) -> None:
    shutil.copytree(
        EXAMPLES / "bazel", workspace.root, ignore=shutil.ignore_patterns("bazel-*"), dirs_exist_ok=True
    )
    here = f"--override_repository=hermpkg={REPOSITORY}"
    outcome = workspace.bazel("test", here, "//...")
    assert outcome.code == 0, outcome.said
    assert "PASSED" in outcome.stdout + outcome.said
    with tarfile.open(workspace.output("release/release.tar")) as release:
        artifact = release.extractfile("app.pt").read()
        digest = release.extractfile("app.pt.sha256").read().split()[0]
    assert hashlib.sha256(artifact).hexdigest() == digest.decode()
    assert workspace.hermpkg("//app") == {"app/app.pt": digest.decode()}
