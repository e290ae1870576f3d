"""The part of the matrix that all tests include: another Python without torch, and what tells results."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PYTHONS = ("3.13", "3.10", "3.12", "3.11", "3.14")

CODE = """
import dataclasses
import enum


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    color: Color = Color.RED
    sizes: "list[int]" = dataclasses.field(default_factory=lambda: [1, 2])
"""
WRITE = """
import collections, datetime, decimal, fractions, functools, pathlib, re, sys, uuid
from hermpkg_build import PackageExporter
import crossed
with PackageExporter(sys.argv[1]) as exporter:
    exporter.intern("crossed")
    exporter.extern("**")
    exporter.save_text("texts", "words.txt", "wörds")
    exporter.save_pickle("values", "values.pkl", [
        crossed.Config(), crossed.Color.RED, pathlib.Path("a/b"), pathlib.PureWindowsPath("c"), list[int],
        datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc), decimal.Decimal("1.5"), uuid.UUID(int=1),
        re.compile("a+", re.IGNORECASE), functools.partial(int, base=2), collections.OrderedDict(a={1, 2}),
    ])
"""
READ = """
import sys
from hermpkg_build import PackageImporter
importer = PackageImporter(sys.argv[1], check="off")
config, color, *values = importer.load_pickle("values", "values.pkl")
assert color is importer.import_module("crossed").Color.RED is config.color, config
assert importer.load_text("texts", "words.txt") == "wörds"
assert "torch" not in sys.modules and "crossed" not in sys.modules
print(config.sizes, *map(str, values[:6]), values[6].flags, values[7]("101"), dict(values[8]))
"""


def program(name: str) -> Any:
    """A program of this folder, as a module."""
    spec = spec_from_file_location(f"matrix_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(HERE)
        # Its dataclasses look their module up.
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program that `make matrix` runs."""
    for name in ("environment", "results"):
        monkeypatch.setitem(sys.modules, name, program(name))
    return program("run")


@pytest.fixture(scope="module")
def other_python() -> str:
    """An interpreter of another version than this one's."""
    environment = program("environment")
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    for version in PYTHONS:
        if version != here and (found := environment.interpreter_of(version)):
            return str(found)
    pytest.skip(f"there is no Python on the path or among pyenv's but {here}")


def test_artifacts_cross_to_another_python_and_back_without_torch(other_python: str, tmp_path: Path) -> None:
    libraries, code = tmp_path / "libraries", tmp_path / "code"
    libraries.mkdir()
    code.mkdir()
    (code / "crossed.py").write_text(CODE, encoding="utf-8")
    (libraries / "hermpkg_build").symlink_to(REPOSITORY / "hermpkg_build")
    packaging = find_spec("packaging")
    assert packaging is not None
    assert packaging.origin is not None
    (libraries / "packaging").symlink_to(Path(packaging.origin).parent)

    def run(python: str, source: str, path: Path, *folders: Path) -> str:
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders)), "PYTHONUTF8": "1"}
        done = subprocess.run(
            [python, "-c", source, str(path)],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = set()
    for number, writer in enumerate((sys.executable, other_python)):
        path = tmp_path / f"{number}.pt"
        run(writer, WRITE, path, libraries, code)
        said |= {run(reader, READ, path, libraries) for reader in (sys.executable, other_python)}
    assert len(said) == 1


@pytest.mark.thorough
def test_a_python_of_the_next_debian(tmp_path: Path) -> None:
    debian = program("debian_python")
    if not debian.can_be_tried():
        pytest.skip("there is no apt-get here")
    python = debian.make_python("3.14", tmp_path / "made")
    assert python == str(tmp_path / "made/bin/python3.14")
    subprocess.run([python, "-m", "venv", tmp_path / "environment"], check=True)
    words = [tmp_path / "environment/bin/python", "-c", "import pip, sys; print(sys.version_info[:2])"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "(3, 14)\n"
    assert debian.make_python("2.9", tmp_path / "none") is None
    assert not (tmp_path / "none").exists()


STATES = {
    "torch-1-python-3.10": {
        "versions": {"python": "3.10.1", "torch": "1", "numpy": "2"},
        "tests": {
            "compat": {
                "passed": 5,
                "failed": 1,
                "skipped": 2,
                "failures": ["a::b"],
                "code": "0",
                "when": "2026-01-02",
            }
        },
        "written": {
            "ours": {"a": {"records": {"m.pkl": "1", "v": "2"}}, "b": {"records": {"m.pkl": "1", "v": "2"}}},
            "built": {"a": {"error": "ValueError: no | way"}},
        },
        "read": {"torch-1-python-3.11": {"ours to ours": {"a": "same", "b": "the process died"}}},
    },
    "torch-1-python-3.11": {
        "versions": {"python": "3.11.1", "torch": "1+cpu", "numpy": "2"},
        "written": {
            "ours": {"a": {"records": {"m.pkl": "1", "v": "3"}}, "b": {"records": {"m.pkl": "1", "v": "2"}}}
        },
    },
    "torch-2-python-3.14": {"missing": "there is no Python 3.14"},
    "torch-2-python-3.13": {},
}


def test_a_summary_tells_what_differs() -> None:
    results = program("results")
    found = results.summary(STATES)
    (crossing,) = found["crossings"]
    assert (crossing["same"], crossing["of"]) == (1, 2)
    assert crossing["differences"] == {"b": "the process died"}
    ours, built = found["bytes"]
    assert (ours["same"], ours["of"], ours["records"]) == (1, 2, {"v": 1})
    assert built["of"] == 0
    text = results.table(found)
    assert "5 passed, 1 failed, 2 skipped" in text
    assert "a::b" in text
    assert "not made: there is no Python 3.14" in text


def test_what_was_found_stays_until_there_is_something_newer() -> None:
    results = program("results")
    earlier = results.summary(STATES)
    nothing: dict[str, dict[str, Any]] = {name: {} for name in STATES}
    assert results.merged(earlier, results.summary(nothing)) == earlier
    assert results.merged(results.summary(nothing), earlier) == earlier
    newer = {**STATES, "torch-1-python-3.11": {**STATES["torch-1-python-3.11"], "missing": None, "tests": {}}}
    one = "torch-1-python-3.10"
    newer[one] = {**STATES[one], "read": {one: {"ours to ours": {"a": "same"}}}}
    found = results.merged(earlier, results.summary(newer))
    assert [each["writer"] for each in found["crossings"]] == ["torch-1-python-3.11", one]
    assert len(found["bytes"]) == len(earlier["bytes"])
    (gone,) = results.merged(earlier, results.summary({one: {}}))["environments"]
    assert gone == one


@pytest.mark.parametrize(
    ("report", "outcome"),
    [
        (
            (
                '<t><testcase classname="a.b" name="c"/>'
                '<testcase classname="a.b" name="d[::]"><error/></testcase></t>'
            ),
            (1, 1, ["a.b::d[::]"]),
        ),
        ("<t/>", (0, 1, ["the suite has no test"])),
        (None, (0, 1, ["the suite did not end"])),
    ],
)
def test_a_suite_passed_if_tests_ran_and_none_failed(
    report: str | None,
    outcome: tuple[int, int, list[str]],
    run: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "FOLDER", tmp_path)

    def ran(*_: object, **__: object) -> int:
        if report is not None:
            (tmp_path / "e.s.xml").write_text(report)
        return 0

    monkeypatch.setattr(run, "_in", ran)
    found = run._tested(argparse.Namespace(name="e"), "s", [])
    assert (found["passed"], found["failed"], found["failures"]) == outcome
    assert run._to_run_again(found) == [f"a/b.py::{each[5:]}" for each in outcome[2] if "::" in each]


def test_what_failed_is_run_again_where_asked_and_other_code_makes_all_run_again(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "FOLDER", tmp_path)
    monkeypatch.setattr(run, "_digest_of_code", lambda *_: code)
    ran: list[list[str]] = []

    def tested(_: object, suite: str, words: list[str]) -> dict[str, Any]:
        ran.append(words)
        is_first = len(ran) <= len(run.SUITES)
        failures = ["tests.a::b"] if is_first and suite == "compat" else []
        return {"passed": 2, "failed": len(failures), "skipped": 0, "failures": failures}

    monkeypatch.setattr(run, "_tested", tested)
    environment, state = argparse.Namespace(name="e", make=lambda: None), run._State()

    def test(*, only_failed: bool) -> int:
        before = len(ran)
        run._test(environment, state, run.SUITES, ["-q"], only_failed=only_failed)
        return len(ran) - before

    code = "1"
    assert [test(only_failed=False), test(only_failed=False), state.failed(["e"])] == [
        len(run.SUITES),
        0,
        True,
    ]
    assert [test(only_failed=True), ran[-1]] == [1, ["-q", "tests/a.py::b"]]
    assert state.of("e")["tests"]["compat"]["passed"] == 4
    assert [test(only_failed=True), state.failed(["e"])] == [0, False]
    code = "2"
    assert [test(only_failed=True), test(only_failed=False)] == [0, len(run.SUITES)]


def test_the_suite_of_the_zoo_has_tests(run: Any) -> None:
    words = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "not slow", *run.SUITES["zoo"]]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.stdout.count("::test_") >= 3, done.stdout + done.stderr


def test_the_page_shows_every_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_from_file_location("make_versions", REPOSITORY / "docs/reference/make_versions.py")
    assert spec is not None
    assert spec.loader is not None
    maker = module_from_spec(spec)
    spec.loader.exec_module(maker)
    path = tmp_path / "results.json"
    path.write_text(json.dumps(program("results").summary(STATES)), encoding="utf-8")
    monkeypatch.setattr(maker, "RESULTS", path)
    page = maker.page()
    assert "| 3.10.1 | 1 | 2 | 5 | 1 | 2 | 2026-01-02 |" in page
    assert "not made: there is no Python 3.14" in page
    assert "| 3.13 | 2 | | not made: not tried yet | | | |" in page
    assert "| 3.11.1 | 1+cpu | 2 | - | - | - | artifacts alone |" in page
    assert "| 1, 3.11 | 1/2, 0/0, 0/0, 0/0 | not tried |" in page
    assert "| b | hermpkg to hermpkg | 1, 3.11 → 1, 3.10 | the process died |" in page
    assert "| a | hermpkg build | 1, 3.10 | ValueError: no \\| way |" in page


def test_the_table_of_environments_has_what_is_said_to_be_supported() -> None:
    environments = program("environment").environments()
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    lowest = min((each.python for each in environments), key=Version)
    assert f'requires-python = ">={lowest}"' in text
    oldest = min(Version(each.torch) for each in environments if each.torch != "newest")
    assert f'"torch>={oldest.major}.{oldest.minor}"' in text
    assert "newest" in {each.torch for each in environments}
    for each in environments:
        if each.python != "3.14":
            assert f"Programming Language :: Python :: {each.python}" in text


def test_versions_that_artifacts_require_are_those_that_were_tried() -> None:
    from hermpkg_build.analysis.decisions import NEWEST_TRIED

    found = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    torches = {
        name: Version(facts["versions"]["torch"]).release[:2]
        for name, facts in found["environments"].items()
        if "versions" in facts
    }
    newest = max(torches.values())
    assert Version(NEWEST_TRIED["torch"]).release == newest
    read = [
        each
        for each in found["crossings"]
        if torches[each["reader"]] == newest and each["way"] in {"ours to ours", "built to ours"}
    ]
    assert {torches[each["writer"]] for each in read} == {*torches.values()}
    assert all(each["same"] == each["of"] for each in read)
