"""An interpreter by its label, as rules_python has them, with what a file of requirements locks."""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

FILES = {
    "lib/BUILD": """
        load("@hermpkg//rules:defs.bzl", "deny", "extern", "intern", "model", "model_package", "package_test")
        load("@hermpkg//rules:defs.bzl", "python_modules")

        python_modules(
            name = "modules",
            srcs = glob(["*.py"], exclude = ["*_test.py"]),
            resources = ["words.txt"],
        )

        model(name = "made", factory = "lib.made:make", deps = [":modules"])

        model_package(
            name = "pack",
            models = {"model/model.pkl": ":made"},
            policy = [intern("lib.**"), extern("packaging.**"), deny("**")],
            resources = {"data/words.txt": ":words.txt"},
            deps = [":modules"],
        )

        package_test(name = "pack_test", main = "pack_test.py", package = ":pack")
        """,
    "lib/words.txt": "one two\n",
    "lib/made.py": """
        from packaging.version import Version

        class Net:
            def version(self):
                return Version("1.0")

        def make():
            return Net()
        """,
    "lib/pack_test.py": """
        import sys
        from hermpkg_build import PackageImporter

        with PackageImporter(sys.argv[1]) as importer:
            print("version", importer.load_pickle("model", "model.pkl").version(), "under", sys.prefix)
        """,
}
LOCKED = """
local_repository(name = "hermpkg", path = "{repository}")

local_repository(name = "python_3_11_host", path = "{interpreter}")

load("@hermpkg//rules:repositories.bzl", "hermpkg_python")

hermpkg_python(
    interpreter_target = "@python_3_11_host//:python",
    requirements_lock = "//:requirements_lock.txt",
    extra_pip_args = ["--no-index", "--find-links={wheels}"],
    workers = False,
)
"""


def wheel_of(name: str, folder: Path) -> Path:
    """A wheel of an installed distribution of pure Python."""
    installed = distribution(name)
    assert installed.files is not None
    wheel = folder / f"{name}-{installed.version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in installed.files:
            if file.suffix != ".pyc" and file.name not in ("INSTALLER", "REQUESTED", "direct_url.json"):
                archive.write(file.locate(), str(file))
    return wheel


def lock_line(wheel: Path) -> str:
    name, version, *_ = wheel.name.split("-")
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run_all(workspace: Any) -> str:
    outcome = workspace.bazel("test", "--test_output=all", "//...")
    assert outcome.code == 0, outcome.said
    assert workspace.hermpkg("//...") == {"lib/pack.pt": sha256_of(workspace.output("lib/pack.pt"))}
    return str(outcome.stdout + outcome.said)


@pytest.mark.thorough
def test_an_interpreter_by_label_with_what_a_file_locks(workspace: Any, tmp_path: Path) -> None:
    interpreter, wheels = tmp_path / "interpreter", tmp_path / "wheels"
    interpreter.mkdir()
    wheels.mkdir()
    (interpreter / "WORKSPACE").touch()
    (interpreter / "BUILD").write_text('exports_files(["python"])\n')
    os.symlink(os.path.realpath(sys.executable), interpreter / "python")
    lock = lock_line(wheel_of("packaging", wheels))
    text = LOCKED.format(repository=REPOSITORY, interpreter=interpreter, wheels=wheels)
    workspace.write({**FILES, "WORKSPACE": text, "BUILD": "", "requirements_lock.txt": lock})
    said = run_all(workspace)
    assert "/external/hermpkg_python/environment" in said
    # What the lock includes is looked at, too, beside it and in another package.
    wrong = lock.replace("sha256:", "sha256:0000")[:-5] + "\n"
    workspace.write(
        {"requirements_lock.txt": "-r locks/all.txt\n", "locks/all.txt": "-c ../lib/more.txt\n" + lock}
    )
    workspace.write({"lib/more.txt": "# nothing\n"})
    run_all(workspace)
    for name, text in (("locks/all.txt", wrong), ("lib/more.txt", "packaging<1\n")):
        before = (workspace.root / name).read_text()
        workspace.write({name: text})
        assert workspace.bazel("build", "//lib:pack").code != 0, name
        workspace.write({name: before})
        run_all(workspace)
    workspace.write({"requirements_lock.txt": wrong})
    outcome = workspace.bazel("build", "//lib:pack")
    assert outcome.code != 0
    assert "the environment of //:requirements_lock.txt cannot be made" in outcome.said
    workspace.write({"requirements_lock.txt": "# nothing\n"})
    outcome = workspace.bazel("build", "//lib:pack")
    assert outcome.code != 0
    assert "lock what hermpkg-build depends on in //:requirements_lock.txt, too" in outcome.said
