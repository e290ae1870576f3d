"""`hermpkg scan`: files, folders and targets; what is said of them, and the exit code."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.cli.main import main


class _Runs:
    def __reduce__(self) -> Any:
        return os.system, ("echo scanned",)


@pytest.fixture
def scan(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command in this process: its exit code, and what it prints."""

    def run(*words: object) -> tuple[int, str, str]:
        code = main(["scan", *map(str, words)])
        output = capsys.readouterr()
        return int(code), output.out, output.err

    return run


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    path = tmp_path / "an evil model ß.pkl"
    path.write_bytes(pickle.dumps({"a": [_Runs()]}))
    return path


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "net.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/.data/extern_modules", "")
        archive.writestr("net/.data/version", "6\n")
        archive.writestr("net/model/model.pkl", b"\x80\x02cpkg.net\nNet\n)\x81}b.")
        archive.writestr("net/pkg/net.py", "from pkg import tools\nclass Net:\n    tools = tools\n")
        archive.writestr("net/pkg/tools.py", "import os\n\ndef run():\n    os.system('x')\n")
    return path


def test_a_pickle_that_calls_is_told_with_the_way_to_it(scan: Any, evil: Path) -> None:
    code, output, _ = scan(evil)
    assert code == 3
    assert "dangerous" in output
    assert 'posix.system("echo scanned",), at object["a"][0]' in output


def test_code_is_told_with_the_imports_that_lead_to_it(scan: Any, artifact: Path) -> None:
    code, output, _ = scan(artifact)
    assert code == 3
    assert "pkg/tools.py:4:5  os.system, in run" in output
    assert "reached by model/model.pkl -> pkg.net -> pkg.tools" in output


def test_harmless_files_are_clean(scan: Any, tmp_path: Path) -> None:
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps({"a": [1, 2.5, "x"]}))
    code, output, error = scan(tmp_path / "plain.pkl")
    assert (code, error) == (0, "")
    assert "clean" in output


def test_levels_decide_the_exit_code(scan: Any, tmp_path: Path) -> None:
    unknown, note = tmp_path / "unknown.pkl", tmp_path / "note.py"
    unknown.write_bytes(b"csome.library\nThing\n)R.")
    note.write_text("import os\nprint(os.environ['X'])\n")
    assert scan(unknown)[0] == 3
    assert scan(unknown, "--fail-on", "dangerous")[0] == 0
    assert scan(note)[0] == 0
    assert scan(note, "--strict")[0] == 3


def test_a_policy_accepts_what_it_names(scan: Any, artifact: Path, tmp_path: Path) -> None:
    policy = tmp_path / "trust.toml"
    policy.write_text('[[artifact]]\nartifacts = "net.pt"\ncapabilities = ["processes"]\n')
    policy.chmod(0o600)
    assert scan(artifact, "--allow", policy)[0] == 0
    policy.write_text('[[artifact]]\nartifacts = "net.pt"\ncapabilities = ["network"]\n')
    assert scan(artifact, "--allow", policy)[0] == 3
    policy.write_text('[[artifact]]\nartifacts = "other.pt"\ncapabilities = ["processes"]\n')
    code, _, error = scan(artifact, "--allow", policy)
    assert (code, "no rule is for net.pt" in error) == (3, True)
    policy.write_text(f'[[artifact]]\nsha256 = "{"0" * 64}"\nallow-all = true\n')
    code, _, error = scan(artifact, "--allow", policy)
    assert (code, "another digest" in error) == (3, True)


def test_a_policy_accepts_names_in_pickles_and_nothing_that_is_broken(scan: Any, tmp_path: Path) -> None:
    path, policy = tmp_path / "unknown.pkl", tmp_path / "trust.toml"
    policy.write_text('[[artifact]]\nglobals = ["some.library.Thing"]\n')
    policy.chmod(0o600)
    path.write_bytes(b"csome.library\nThing\n)R.")
    assert scan(path, "--allow", policy)[0] == 0
    path.write_bytes(b"csome.library\nThing\n)R")
    assert scan(path, "--allow", policy)[0] == 3
    path.write_bytes(b"csome.library\nOther\n)R.")
    assert scan(path, "--allow", policy)[0] == 3


def test_json_has_every_finding(scan: Any, artifact: Path, evil: Path) -> None:
    code, output, _ = scan(artifact, evil, "--json")
    value = json.loads(output)
    assert (code, value["clean"], [each["worst"] for each in value["files"]]) == (3, False, ["dangerous"] * 2)
    (finding,) = [each for each in value["files"][0]["findings"] if each["level"] == "dangerous"]
    assert finding["rule"] == "code/processes"
    assert finding["reached_by"] == ["model/model.pkl", "pkg.net", "pkg.tools"]


def test_sarif_names_the_records_in_the_file(scan: Any, artifact: Path, evil: Path, tmp_path: Path) -> None:
    scan(artifact, evil, "--sarif", tmp_path / "scan.sarif")
    log = json.loads((tmp_path / "scan.sarif").read_text())
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]["artifactLocation"]
        assert run["artifacts"][place["index"]]["location"]["uri"] == place["uri"]
    inner = next(each for each in run["artifacts"] if each["location"]["uri"] == "pkg/tools.py")
    assert run["artifacts"][inner["parentIndex"]]["location"]["uri"].endswith("net.pt")
    assert any("%20evil%20model%20%C3%9F.pkl" in each["location"]["uri"] for each in run["artifacts"])


def test_sarif_is_that_of_the_standard(scan: Any, artifact: Path, evil: Path, tmp_path: Path) -> None:
    sarif = pytest.importorskip("sarif_pydantic")
    scan(artifact, evil, "--sarif", tmp_path / "scan.sarif")
    sarif.Sarif.model_validate_json((tmp_path / "scan.sarif").read_text())


def test_a_folder_is_scanned(scan: Any, artifact: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(artifact) as archive:
        archive.extractall(tmp_path / "unpacked")
    code, output, _ = scan(tmp_path / "unpacked")
    assert code == 3
    assert "pkg/tools.py:4:5  os.system, in run" in output


def test_a_missing_file_is_one_clear_error(scan: Any, tmp_path: Path) -> None:
    code, _, error = scan(tmp_path / "missing.pt")
    assert code == 1
    assert "missing.pt" in error


def test_nothing_of_a_file_reaches_the_terminal_as_it_is(scan: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x04\x8c\x09os\x1b[2J\nx\x8c\x03\xe2\x80\xae\x93)R.")
    _, output, error = scan(path)
    assert "\x1b" not in output + error
    assert "\u202e" not in output + error


def test_a_target_is_built_and_scanned(workspace: Any) -> None:
    workspace.write_app().build("//app")
    outcome = workspace.run("scan", "//app")
    assert outcome.code == 0, outcome.stdout
    assert "//app:app  clean" in outcome.stdout
