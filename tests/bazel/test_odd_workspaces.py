"""Workspaces out of the ordinary, under a real Bazel: odd names, shared parts, and things that break."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.archive.reader import ArchiveReader

pytestmark = pytest.mark.slow

LOAD = """
load(
    "@hermpkg//rules:defs.bzl",
    "deny",
    "intern",
    "model",
    "model_package",
    "package_test",
    "python_modules",
)
"""


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_names_with_blanks_and_letters_of_all_kinds(workspace: Any, tmp_path: Path) -> None:
    interpreter = tmp_path / "größe (1)"
    interpreter.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    interpreter.chmod(0o755)
    workspace.declare(interpreter=str(interpreter))
    workspace.write(
        {
            "pyproject.toml": "[tool.hermpkg]\n",
            "app/BUILD": LOAD
            + """
python_modules(
    name = "my modules",
    srcs = glob(["**/*.py"], exclude = ["*_test.py"]),
    resources = glob(["data (old)/**"]),
    deps = ["//other (1):modules, too"],
)

model(name = "das Maß", factory = "app.größe:make", args = {"Ω": "Ω"}, deps = ["my modules"])

model_package(
    name = "pack of größe",
    models = {"mein modell/ñ.pkl": "das Maß"},
    modules = ["app.größe", "other_1.straße"],
    policy = [intern(["app.**", "other_1.**", "gemacht"]), deny("**")],
    out = "out put/größe 1.pt",
    resources = {"my words/☃.txt": "//other (1):my words é.txt", "quote.txt": "it's.txt"},
    sources = {"gemacht": "A = '☃'\\n"},
    deps = [":my modules"],
)

# Bazel 4 runs no test with a blank in a file's name, nor one with such letters in its own.
model_package(
    name = "größe",
    models = {"mein modell/ñ.pkl": "das Maß"},
    policy = [intern(["app.**", "gemacht"]), deny("**")],
    sources = {"gemacht": "A = '☃'\\n"},
    deps = [":my modules"],
)

package_test(name = "it's_a_test", main = "odd_test.py", package = ":größe", args = ["a'b \\" ☃"])
""",
            "app/größe.py": "import json\n\ndef make(Ω):\n    return {Ω: 1}\n",
            "app/odd_test.py": """
                import sys
                from hermpkg_build import PackageImporter

                assert sys.argv[2:] == ["a'b \\" ☃"], sys.argv
                with PackageImporter(sys.argv[1]) as importer:
                    assert importer.load_pickle("mein modell", "ñ.pkl") == {"Ω": 1}
                    assert importer.import_module("gemacht").A == "☃"
                """,
            "app/data (old)/ein wort.txt": "x\n",
            "app/it's.txt": "quoted\n",
            "other (1)/BUILD": LOAD
            + """
exports_files(["my words é.txt"])

python_modules(name = "modules, too", srcs = glob(["src/**/*.py"]), visibility = ["//visibility:public"])
""",
            "other (1)/my words é.txt": "wörter\n",
            "other (1)/src/other_1/straße.py": "",
        }
    )
    workspace.write({"pyproject.toml": '[tool.hermpkg]\nsource-roots = ["other (1)/src", ""]\n'})
    roots = "--@hermpkg//rules:source_roots=other (1)/src,"
    outcome = workspace.bazel("test", roots, "//...", "--test_output=errors")
    assert outcome.code == 0, outcome.said + outcome.stdout
    built = workspace.hermpkg("//...")
    assert set(built) == {"app/größe.pt", "app/out put/größe 1.pt"}
    assert {name: sha256(workspace.output(name)) for name in built} == built


SHARED = {
    "common/BUILD": LOAD
    + 'python_modules(name = "common", srcs = ["shared.py"], visibility = ["//visibility:public"])\n',
    "common/shared.py": "A = 1\n",
    **{
        f"{name}/BUILD": LOAD
        + f"""
python_modules(name = "modules", srcs = ["own.py"], deps = ["//common"])

model(name = "thing", factory = "{name}.own:make", deps = [":modules"])

model_package(
    name = "{name}",
    models = {{"model/model.pkl": ":thing"}},
    modules = ["{name}.own"],
    policy = [intern(["{name}.**", "common.**"]), deny("**")],
    deps = [":modules"],
)
"""
        for name in ("one", "two")
    },
    "one/own.py": "import common.shared\n\ndef make():\n    return [1]\n",
    "two/own.py": "import common.shared\n\ndef make():\n    return [2]\n",
}
OF_ONE = [
    "Analysing imports of one/own.py",
    "Assembling the artifact of //one:one",
    "Making the model //one:thing",
]


def test_packages_that_share_modules_rebuild_what_they_share_and_no_more(workspace: Any) -> None:
    workspace.declare()
    workspace.write(SHARED)
    everything = workspace.build("//one", "//two", "--subcommands").ran
    of_one = [*OF_ONE, "Checking //one:one"]
    assert everything == sorted(
        [
            *(*of_one, *(text.replace("one", "two") for text in of_one)),
            "Analysing imports of common/shared.py",
            *("Compiling hermpkg", "Reading the lock of the workspace"),
        ]
    )
    before = {name: sha256(workspace.output(f"{name}/{name}.pt")) for name in ("one", "two")}
    (workspace.root / "one/own.py").write_text("import common.shared\n\ndef make():\n    return [3]\n")
    assert workspace.build("//one", "//two", "--subcommands").ran == OF_ONE
    assert sha256(workspace.output("two/two.pt")) == before["two"]
    assert sha256(workspace.output("one/one.pt")) != before["one"]
    (workspace.root / "one/own.py").write_text(SHARED["one/own.py"])
    (workspace.root / "common/shared.py").touch()
    assert workspace.build("//one", "//two", "--subcommands").ran == OF_ONE
    assert {name: sha256(workspace.output(f"{name}/{name}.pt")) for name in before} == before


@pytest.mark.thorough
def test_a_generated_source_is_made_again_when_what_it_is_made_of_changes(workspace: Any) -> None:
    workspace.declare()
    workspace.write(
        {
            "app/BUILD": LOAD
            + """
genrule(
    name = "write",
    srcs = ["version.txt"],
    outs = ["deep/version.py"],
    cmd = "echo \\"V = '$$(cat $<)'\\" > $@",
)

python_modules(name = "modules", srcs = [":write", "main.py"])

model(name = "thing", factory = "app.main:make", deps = [":modules"])

model_package(
    name = "app",
    models = {"model/model.pkl": ":thing"},
    modules = ["app.deep.version"],
    policy = [intern("app.**"), deny("**")],
    deps = [":modules"],
)
""",
            "app/main.py": "from app.deep.version import V\n\ndef make():\n    return V\n",
            "app/version.txt": "1\n",
        }
    )
    for version in ("1", "2"):
        (workspace.root / "app/version.txt").write_text(version)
        workspace.build("//app")
        with ArchiveReader(str(workspace.output("app/app.pt"))) as archive:
            assert archive.read("app/deep/version.py") == f"V = '{version}'\n".encode()
            assert version.encode() in archive.read("model/model.pkl")


@pytest.mark.thorough
def test_a_build_that_was_killed_goes_on(
    lonely_workspace: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = lonely_workspace
    # What dies with its server cannot remove its temporary files.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    workspace.declare()
    workspace.write(
        {**SHARED, "one/own.py": "import time\n\ndef make():\n    time.sleep(60)\n    return [1]\n"}
    )
    base = Path(workspace.bazel("info", "output_base").stdout.strip())
    with open(tmp_path / "said", "wb") as said:
        client = subprocess.Popen(
            workspace.command("build", "//one"), cwd=workspace.root, stdout=said, stderr=said
        )
    deadline = time.monotonic() + 300
    while b"Making the model" not in (tmp_path / "said").read_bytes():
        assert time.monotonic() < deadline, "the build does not begin"
        time.sleep(0.1)
    os.kill(int((base / "server" / "server.pid.txt").read_text()), signal.SIGKILL)
    client.wait(timeout=300)
    workspace.write({"one/own.py": SHARED["one/own.py"]})
    workspace.build("//one", "//two")
    assert workspace.hermpkg("//one:one") == {"one/one.pt": sha256(workspace.output("one/one.pt"))}


def test_an_interpreter_that_cannot_do_it_is_told(workspace: Any) -> None:
    workspace.declare()
    workspace.write(SHARED)
    declared = (workspace.root / "WORKSPACE").read_text()
    for interpreter in ("/no/such/python", "/bin/false"):
        text = declared.split("interpreter = ")[0] + f'interpreter = "{interpreter}")\n'
        (workspace.root / "WORKSPACE").write_text(text)
        outcome = workspace.bazel("build", "//one")
        assert outcome.code == 1
        assert f"{interpreter} cannot run hermpkg: install hermpkg's dependencies for it" in outcome.said
    (workspace.root / "WORKSPACE").write_text(declared)
    workspace.build("//one")
