"""Analysis shared with helper processes gives what analysis alone gives."""

from __future__ import annotations

import io
import marshal
import sys
from pathlib import Path

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.source.facts_codec import decode, encode
from hermpkg_build.source.parallel import facts_of_files, serve
from hermpkg_build.source.source_facts import Source, facts_of_source


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("sources with ü")
    made = [folder / f"m{number}.py" for number in range(300)]
    for number, path in enumerate(made):
        path.write_text(f"import a{number}\n" + ("'''" if number % 50 == 0 else ""))
    return [str(path) for path in made]


def sources(paths: list[str]) -> list[Source]:
    return [Source(path=path) for path in paths]


@pytest.mark.parametrize("jobs", [1, 3])
def test_facts_come_in_order(paths: list[str], jobs: int) -> None:
    found = facts_of_files(sources(paths), jobs)
    assert [facts for facts, _ in found] == [facts_of_source(Path(path).read_bytes()) for path in paths]
    assert all(decode(encoded) == each.facts for each, encoded in found if encoded)


def test_no_files_need_no_helpers() -> None:
    assert facts_of_files([], 4) == []


@pytest.mark.parametrize("broken", ["", "/nowhere/python", "/bin/false"])
def test_helpers_that_fail_leave_the_work_to_us(
    paths: list[str], broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", broken)
    assert [found.facts.imports[0].module for found, _ in facts_of_files(sources(paths[1:40]), 3)] == [
        f"a{number}" for number in range(1, 40)
    ]


@pytest.mark.parametrize("position", [0, 150, 299])
def test_a_file_that_cannot_be_read_is_an_error(paths: list[str], position: int, tmp_path: Path) -> None:
    changed = [*paths[:position], str(tmp_path / "absent.py"), *paths[position + 1 :]]
    with pytest.raises(FileNotFoundError, match="absent"):
        facts_of_files(sources(changed), 2)


def test_a_helper_answers_until_its_input_ends(paths: list[str]) -> None:
    answers = io.BytesIO()
    request = framed([(paths[1], True), ("/nowhere/x.py", False)])
    serve(io.BytesIO(request + request), answers)
    answer = Digest.of(Path(paths[1]).read_bytes())
    facts = encode(facts_of_source(Path(paths[1]).read_bytes()).facts)
    size, message = answers.getvalue()[:8], answers.getvalue()[8:]
    assert len(message) == 2 * int.from_bytes(size, "little") + len(size)
    assert marshal.loads(message) == [((answer.hash, answer.size), facts), None]


def framed(message: object) -> bytes:
    data = marshal.dumps(message)
    return len(data).to_bytes(8, "little") + data


ANSWERS_BADLY = """#!/bin/sh
read -r request
{}
"""


@pytest.mark.parametrize(
    "deed",
    [
        "kill -9 $$",
        "printf x",
        "printf '\\1\\0\\0\\0\\0\\0\\0\\0'",
        "printf '\\1\\0\\0\\0\\0\\0\\0\\0N'; sleep 60",
        "exec sleep 60",
    ],
)
def test_helpers_that_answer_badly_or_never_lose_nothing(
    paths: list[str], deed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text(ANSWERS_BADLY.format(deed))
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    test_facts_come_in_order(paths, 3)
