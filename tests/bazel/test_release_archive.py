"""Bazel builds by the rules in the archive of a release, taken as the entry of a registry names it."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLS = REPOSITORY / "hermpkg_build/runtime/distribution"
WORKSPACE = """
load("@bazel_tools//tools/build_defs/repo:http.bzl", "http_archive")

http_archive(name = "hermpkg", sha256 = "{sha256}", strip_prefix = "{strip_prefix}", urls = ["{url}"])

load("@hermpkg//rules:repositories.bzl", "hermpkg_python")

hermpkg_python(interpreter = "{interpreter}")
"""
BUILD = """
load("@hermpkg//rules:defs.bzl", "extern", "intern", "model_package", "python_modules")

python_modules(name = "modules", srcs = ["main.py"])

model_package(
    name = "app",
    modules = ["app.main"],
    policy = [intern("app.**"), extern("**")],
    deps = [":modules"],
)
"""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a release, as `make release` leaves them in dist/."""
    folder = tmp_path_factory.mktemp("a release")
    code = "import sys; from pathlib import Path; from release_files import make_release_files as make; "
    code += "make(Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=TOOLS, check=True, capture_output=True)
    return folder


@pytest.mark.slow
def test_bazel_builds_from_the_archive_of_a_release(workspace: Any, release: Path) -> None:
    (entry,) = (release / "bazel/modules/hermpkg").glob("*/source.json")
    source = json.loads(entry.read_text())
    digest = base64.b64decode(source["integrity"].removeprefix("sha256-")).hex()
    archive = release / source["url"].rpartition("/")[2]
    named = {"sha256": digest, "strip_prefix": source["strip_prefix"], "url": archive.as_uri()}
    workspace.write(
        {
            "WORKSPACE": WORKSPACE.format(**named, interpreter=sys.executable),
            "app/BUILD": BUILD,
            "app/main.py": "SIZE = 1\n",
        }
    )
    workspace.build("//app", "@hermpkg//rules/...")
    (ours,) = workspace.hermpkg("//app").values()
    assert hashlib.sha256(workspace.output("app/app.pt").read_bytes()).hexdigest() == ours
