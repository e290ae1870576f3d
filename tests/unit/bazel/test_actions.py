"""The actions of the rules for Bazel, driven as Bazel drives them: by a request in a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.bazel.__main__ import main
from hermpkg_build.bazel.request import ActionRequest, parse_request, with_paths_on_disk
from hermpkg_build.bazel.staging import staged_workspace
from hermpkg_build.environment.project_lock import LOCK_NAMES
from hermpkg_build.errors import CommandLineError

LAUNCHER = Path(__file__).resolve().parents[3] / "rules" / "private" / "launch.py"
POLICY = [
    {"policy": "intern", "include": ["app.**"], "exclude": [], "allow_empty": False},
    {"policy": "deny", "include": ["**"], "exclude": [], "allow_empty": False},
]


class Actions:
    """A folder with source files in odd places, as the execution root of Bazel is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, str] = {}
        self.srcs: list[str] = []
        self.facts: list[str] = []
        assert main(["environment", self.request([{"output": self.at("environment.json")}])]) == 0

    def at(self, name: str) -> str:
        return str(self.folder / name)

    def request(self, lines: list[dict[str, Any]]) -> str:
        path = self.folder / "request"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return f"@{path}"

    def add(self, path: str, text: str) -> None:
        place = self.folder / "out" / path.replace("/", "-")
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
        self.files[path] = str(place)
        self.srcs.append("//:" + path if "/" not in path else "//{}:{}".format(*path.rsplit("/", 1)))
        facts = f"{place}.facts"
        assert main(["analyse", self.request([{"source": str(place)}, {"output": facts}])]) == 0
        self.facts.append(facts)

    def modules(self) -> dict[str, Any]:
        return {"label": "//app:modules", "rule": "python_modules", "attributes": {"srcs": self.srcs}}

    def run(self, action: str, target: dict[str, Any], *, output: str, declared: bool = True) -> int:
        return main([action, self.request(self.lines(target, output=output, declared=declared))])

    def lines(self, target: dict[str, Any], *, output: str, declared: bool = True) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = [{"target": target}, {"environment": self.at("environment.json")}]
        lines += [{"declared": self.modules()}] if declared else []
        lines += [{"file": list(pair)} for pair in self.files.items()]
        lines += [{"facts": path} for path in self.facts]
        return [*lines, {"output": self.at(output)}]


@pytest.fixture
def actions(tmp_path: Path) -> Actions:
    made = Actions(tmp_path)
    made.add("app/__init__.py", "")
    made.add("app/main.py", "from app import helpers\n")
    made.add("app/helpers.py", "import json\n")
    return made


def package(**attributes: Any) -> dict[str, Any]:
    given = {"modules": ["app.main"], "policy": POLICY, "deps": ["//app:modules"], **attributes}
    return {"label": "//app:app", "rule": "model_package", "attributes": given}


def test_an_artifact_holds_what_the_facts_lead_to(actions: Actions) -> None:
    assert actions.run("assemble", package(), output="app.pt") == 0
    with ArchiveReader(actions.at("app.pt")) as archive:
        assert archive.root == "app"
        modules = [name for name in archive.names() if name.endswith(".py")]
        assert sorted(modules) == ["app/__init__.py", "app/helpers.py", "app/main.py"]


def test_the_place_of_files_does_not_show(actions: Actions, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Actions(tmp_path_factory.mktemp("elsewhere"))
    for path, source in actions.files.items():
        other.add(path, Path(source).read_text())
    assert actions.run("assemble", package(), output="app.pt") == 0
    assert other.run("assemble", package(), output="app.pt") == 0
    assert Path(actions.at("app.pt")).read_bytes() == Path(other.at("app.pt")).read_bytes()


def test_what_no_policy_settles_is_told(actions: Actions, capsys: pytest.CaptureFixture[str]) -> None:
    actions.add("app/main2.py", "import hypothesis\n")
    assert actions.run("assemble", package(modules=["app.main2"]), output="app.pt") == 1
    assert "app/main2.py:1" in capsys.readouterr().err
    assert not os.path.exists(actions.at("app.pt"))


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        (
            {"modules": ["no module"]},
            ["model_package() attribute modules[0]: 'no module' is not a dotted module name", "//app:app"],
        ),
        ({"requires": {"torch": "about 2"}}, ["requires['torch']", "PEP 440"]),
        ({"policy": [{**POLICY[0], "include": []}]}, ["intern() attribute include: the list is empty"]),
        ({"policy": [{**POLICY[1], "exclude": "a**"}]}, ["deny() attribute exclude: 'a**' has **"]),
        ({"models": {"../x": "//app:m"}}, ["models"]),
    ],
)
def test_attributes_are_held_to_the_table(
    actions: Actions, capsys: pytest.CaptureFixture[str], attributes: dict[str, Any], words: list[str]
) -> None:
    assert actions.run("check", package(**attributes), output="checked", declared=False) == 1
    said = capsys.readouterr().err
    assert actions.run("assemble", package(**attributes), output="app.pt") == 1
    assert capsys.readouterr().err == said
    assert [word for word in words if word not in said] == []


def test_a_source_that_does_not_parse_fails_its_check_and_no_package_without_it(
    actions: Actions, capsys: pytest.CaptureFixture[str]
) -> None:
    actions.add("app/broken.py", "def f(:\n")
    assert actions.run("check", actions.modules(), output="checked", declared=False) == 1
    assert "app/broken.py:1" in capsys.readouterr().err
    assert actions.run("assemble", package(), output="app.pt") == 0


def test_a_check_leaves_an_empty_file(actions: Actions) -> None:
    assert actions.run("check", actions.modules(), output="checked", declared=False) == 0
    assert Path(actions.at("checked")).read_bytes() == b""


def test_two_files_cannot_be_one_module(actions: Actions, capsys: pytest.CaptureFixture[str]) -> None:
    actions.add("app/main/__init__.py", "")
    assert actions.run("check", actions.modules(), output="checked", declared=False) == 1
    assert "two files are the module 'app.main'" in capsys.readouterr().err


def test_an_environment_that_changed_is_told(actions: Actions, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(actions.at("environment.json"))
    path.write_text(path.read_text().replace('"python":"3', '"python":"2'))
    assert actions.run("assemble", package(), output="app.pt") == 36
    said = capsys.readouterr().err
    assert "bazel sync --configure" in said
    assert "python" in said


def recording(actions: Actions, files: dict[str, str], asked: list[str]) -> int:
    lines: list[dict[str, Any]] = [{"asked": name} for name in asked]
    for number, (name, text) in enumerate(files.items()):
        Path(actions.at(f"asked{number}")).write_text(text)
        lines.append({"file": [name, actions.at(f"asked{number}")]})
    return main(["recording", actions.request([*lines, {"output": actions.at("recording.json")}])])


@pytest.mark.parametrize("name", ["pylock.toml", "locks/my.lock.toml", "../outside/pylock.toml"])
def test_an_artifact_records_what_the_lock_of_the_workspace_says(actions: Actions, name: str) -> None:
    lock = 'lock-version = "1.0"\n[[packages]]\nname = "packaging"\nversion = "1"\n'
    settings = f'[tool.hermpkg]\nenvironment = "{name}"\n'
    assert recording(actions, {"pyproject.toml": settings, name: lock}, ["pyproject.toml", name]) == 0
    said = json.loads(Path(actions.at("recording.json")).read_text())
    assert said["lock"]["name"] == name
    assert [entry["distribution"]["name"] for entry in said["lock"]["entries"]] == ["packaging"]


def test_a_lock_that_was_named_since_bazel_looked_is_told(
    actions: Actions, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = '[tool.hermpkg]\nenvironment = "new.lock"\n'
    assert recording(actions, {"pyproject.toml": settings}, ["pyproject.toml", "old.lock"]) == 36
    assert "bazel sync --configure" in capsys.readouterr().err
    assert recording(actions, {"pyproject.toml": settings}, ["pyproject.toml", "new.lock"]) == 2
    assert "pyproject.toml:2: environment names new.lock, which cannot be read" in capsys.readouterr().err


def test_what_a_lock_includes_is_looked_for(actions: Actions, capsys: pytest.CaptureFixture[str]) -> None:
    lock = "packaging==1 --hash=sha256:" + "1" * 64
    files = {"requirements.txt": "-r locks/all.txt\n", "locks/all.txt": "-c ../more.txt\n", "more.txt": lock}
    asked = ["pyproject.toml", *LOCK_NAMES, *files]
    assert recording(actions, files, asked) == 0
    (entry,) = json.loads(Path(actions.at("recording.json")).read_text())["lock"]["entries"]
    assert entry["distribution"]["hashes"] == ["sha256:" + "1" * 64]
    del files["more.txt"], asked[-1]
    assert recording(actions, files, asked) == 36
    assert "bazel sync --configure" in capsys.readouterr().err


def test_settings_that_are_wrong_are_told_with_their_place(
    actions: Actions, capsys: pytest.CaptureFixture[str]
) -> None:
    assert recording(actions, {"pyproject.toml": "[tool]\nhermpkg = 1\n"}, ["pyproject.toml"]) == 2
    assert capsys.readouterr().err.startswith("pyproject.toml: tool.hermpkg is a table")


def test_a_worker_answers_request_after_request(actions: Actions) -> None:
    source = actions.files["app/main.py"]
    good = {
        "arguments": [json.dumps({"source": source}), json.dumps({"output": actions.at("f1")})],
        "requestId": 3,
    }
    lost = {"arguments": [json.dumps({"source": source + "x"}), json.dumps({"output": actions.at("f2")})]}
    ran = subprocess.run(
        [sys.executable, "-I", "-B", str(LAUNCHER), "analyse", "--persistent_worker"],
        input="".join(json.dumps(request) for request in [good, lost, good]),
        capture_output=True,
        text=True,
        check=True,
    )
    first, second, third = (json.loads(line) for line in ran.stdout.splitlines())
    assert first == third == {"exitCode": 0, "output": "", "requestId": 3}
    assert second["exitCode"] != 0
    assert "FileNotFoundError" in second["output"]
    assert Path(actions.at("f1")).read_bytes() == Path(f"{source}.facts").read_bytes()


def test_what_a_worker_remembers_is_true_of_bytes_and_not_of_files(actions: Actions, tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    site.mkdir()
    library = site / "library_of_test.py"
    policy = [{**POLICY[0], "include": ["app.**", "library_of_test", "wave"]}, POLICY[1]]
    actions.add("app/uses.py", "import library_of_test\n")
    program = "import sys; sys.path[:0] = sys.argv[1:3]; from hermpkg_build.bazel.__main__ import main; "
    program += "sys.path.pop(0); sys.argv[1:3] = []; sys.exit(main(sys.argv[1:]))"
    interpreter = [sys.executable, "-I", "-B", "-c", program, str(LAUNCHER.parents[2]), str(site)]
    described = actions.request([{"output": actions.at("environment.json")}])
    asked = actions.lines(package(modules=["app.uses"], policy=policy), output="app.pt")
    request = json.dumps({"arguments": [json.dumps(line) for line in asked]}).encode()
    with subprocess.Popen(
        [*interpreter, "assemble", "--environment=x", "--persistent_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as worker:
        assert worker.stdin
        assert worker.stdout
        packed = []
        for text in ["import wave\n", "import wave\n", "import json\n"]:
            library.write_text(text)
            subprocess.run([*interpreter, "environment", described], check=True, capture_output=True)
            worker.stdin.write(request)
            worker.stdin.flush()
            assert json.loads(worker.stdout.readline()) == {"exitCode": 0, "output": "", "requestId": 0}
            with ArchiveReader(actions.at("app.pt")) as archive:
                packed.append({"library_of_test.py", "wave.py"} & set(archive.names()))
        worker.stdin.close()
    assert packed == [
        {"library_of_test.py", "wave.py"},
        {"library_of_test.py", "wave.py"},
        {"library_of_test.py"},
    ]


def test_a_line_of_another_version_is_told() -> None:
    with pytest.raises(CommandLineError, match="does not know a line"):
        parse_request(['{"output": "x"}', '{"colour": "red"}'])
    with pytest.raises(CommandLineError, match="does not know a line"):
        parse_request(["output=x"])


@pytest.mark.parametrize("probe", ["é", "Ã©"])
def test_texts_are_what_build_files_say_however_bazel_writes_them(probe: str) -> None:
    meant = {"label": "größe ☃", "ß": [1, None, {"a": "é"}]}
    sent = json.dumps({"target": meant}, ensure_ascii=False)
    if probe != "é":
        sent = sent.encode().decode("latin-1")
    assert parse_request([json.dumps({"encoding": probe}), sent]).target == meant


def test_files_are_found_under_the_names_that_executors_are_given(tmp_path: Path) -> None:
    for name in ("größe.py", "plain.py"):
        mangled = tmp_path / name.encode().decode("latin-1")
        request = ActionRequest(source=str(tmp_path / name), output=str(tmp_path / f"{name}.facts"))
        assert with_paths_on_disk(request) == request
        mangled.touch()
        assert with_paths_on_disk(request) == ActionRequest(source=str(mangled), output=f"{mangled}.facts")
        (tmp_path / name).touch()
        assert with_paths_on_disk(request) == request


def test_only_declared_files_are_staged(tmp_path: Path) -> None:
    (tmp_path / "near.txt").write_text("near")
    (tmp_path / "a.txt").write_text("a")
    with staged_workspace({"x/a.txt": str(tmp_path / "a.txt")}) as root:
        assert [str(p.relative_to(root)) for p in Path(root).rglob("*")] == ["x", "x/a.txt"]
        assert Path(root, "x", "a.txt").read_text() == "a"
    assert not os.path.exists(root)
