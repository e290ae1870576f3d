"""The archive that is the tool of Bazel's actions, made and run as they make and run it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
PRIVATE = Path("rules") / "private"

# Runs an archive as Python does, and writes which of our own sources were compiled for that.
COMPILED = """
import atexit, json, runpy, sys

compiled = []

def hook(event, arguments):
    if event == "compile" and "hermpkg" in str(arguments[1]):
        compiled.append(str(arguments[1]))

sys.addaudithook(hook)
listing, *sys.argv = sys.argv[1:]
atexit.register(lambda: open(listing, "w").write(json.dumps(compiled)))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def made(root: Path, sources: Sequence[str]) -> Path:
    """The archive of the sources in a copy of the repository, made as an action makes it."""
    archive = root.parent / "tool.zip"
    relative = [str(Path(root.name) / name) for name in (PRIVATE / "archive_main.py", *sources)]
    (root.parent / "request").write_text("\n".join([archive.name, *relative]) + "\n")
    maker = REPOSITORY / PRIVATE / "make_archive.py"
    subprocess.run(
        [sys.executable, "-S", "-s", "-B", "-X", "utf8", str(maker), "any", "@request"],
        cwd=root.parent,
        env={"PYTHONHASHSEED": "0"},
        check=True,
    )
    return archive


def copy_of_sources(folder: Path, below: str = "") -> tuple[Path, list[str]]:
    root = folder / "external"
    ignored = shutil.ignore_patterns("__pycache__", "*.json", "*.md")
    for name in (Path("hermpkg_build") / below, PRIVATE):
        shutil.copytree(REPOSITORY / name, root / name, ignore=ignored)
    return root, [str(path.relative_to(root)) for path in (root / "hermpkg_build").rglob("*.py")]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(*copy_of_sources(tmp_path_factory.mktemp("tool")))


class Run:
    """An action that was run in a folder: how it ended, and the sources of ours that its process compiled."""

    def __init__(self, archive: Path, folder: Path, action: str, *lines: dict[str, object]) -> None:
        (folder / "request").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (folder / "tmp").mkdir(exist_ok=True)
        self.code = subprocess.run(
            [sys.executable, "-I", "-B", "-c", COMPILED, "compiled.json", str(archive), action, "@request"],
            cwd=folder,
            env={"TMPDIR": str(folder / "tmp")},
            check=False,
        ).returncode
        self.compiled: list[str] = json.loads((folder / "compiled.json").read_text())
        assert list((folder / "tmp").iterdir()) == []


def test_the_same_sources_give_the_same_bytes_everywhere(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    here, sources = copy_of_sources(tmp_path, "core")
    there, _ = copy_of_sources(tmp_path / "there", "core")
    assert made(here, sources).read_bytes() == made(there, sources[::-1]).read_bytes()
    changed = there / sources[0]
    changed.write_text(changed.read_text() + "\n# a comment\n")
    assert made(here, sources).read_bytes() != made(there, sources).read_bytes()


def test_actions_compile_nothing(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("import json\n\ndef make():\n    return [json.dumps(1)]\n")
    place = {"file": ["app/main.py", "main.py"]}
    modules = {"label": "//app:modules", "rule": "python_modules", "attributes": {"srcs": ["//app:main.py"]}}
    model = {"factory": "app.main:make", "deps": ["//app:modules"]}
    environment = {"environment": "environment.json"}
    for action, *lines in (
        ("environment", {"output": "environment.json"}),
        ("analyse", {"source": "main.py"}, {"output": "main.facts"}),
        ("check", {"target": modules}, place, {"facts": "main.facts"}, environment, {"output": "checked"}),
        (
            "model",
            {"target": {"label": "//app:model", "rule": "model", "attributes": model}},
            {"declared": modules},
            *(place, environment, {"output": "model"}),
        ),
    ):
        ran = Run(archive, tmp_path, str(action), *lines)
        assert (ran.code, ran.compiled) == (0, []), action
    assert list((tmp_path / "model").iterdir())


def test_a_python_that_does_not_know_the_bytecode_takes_the_sources(archive: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(archive) as compiled, zipfile.ZipFile(other, "w") as written:
        for name in compiled.namelist():
            content = compiled.read(name)
            written.writestr(name, b"\0" * 4 + content[4:] if name.endswith(".pyc") else content)
    (tmp_path / "main.py").write_text("import json\n")
    facts = []
    for tool in (archive, other):
        ran = Run(tool, tmp_path, "analyse", {"source": "main.py"}, {"output": "facts"})
        assert (ran.code, bool(ran.compiled)) == (0, tool is other)
        facts.append((tmp_path / "facts").read_bytes())
    assert facts[0] == facts[1]
