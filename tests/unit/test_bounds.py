"""The page of bounds says what the code has, and names every target of fuzzing."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "bounds.md").read_text(encoding="utf-8")
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

BOUNDS = {
    "archive.layout:LONGEST_READ_NAME": "names of 4,096 bytes",
    "archive.layout:MOST_SEGMENTS": "255 parts",
    "archive.layout:_LARGEST_MANIFEST_ENTRY": "2 KiB for each record",
    "archive.layout:_WORD": "versions 64 KiB",
    "archive.pieces:PIECE": "pieces of 1 MiB",
    "archive.reader:_LARGEST_INFLATED": "more than 16 MiB",
    "archive.reader:_MOST_INFLATION": "1,032 times",
    "archive.reader:_MOST_USUAL_INFLATION": "64 times their size",
    "cli.console:_LONGEST": "4,000\ncharacters",
    "core.texts:_WIDEST": "filled up to 200",
    "disk.unchanged_files:LARGEST_READ": "1 GiB; 200 nested brackets",
    "engine.remote.answers:_LARGEST_TEXT": "256 MiB | `ExecutionError`",
    "engine.remote.facts:_PACK_LIMIT": "8 MiB unpacked",
    "environment.project_lock:LARGEST": "64 MiB of a lock",
    "generate.project.sources:_LARGEST": "4 MiB of each source",
    "inspection.diff.object_graphs:_MOST_PAIRS": "20,000,000 pairs",
    "loading.folder_walk:_MOST_PATHS_AGAIN": "5,000 times",
    "loading.interpreter_main:LONGEST_MESSAGE": "10,000 characters",
    "loading.interpreter_main:MAX_CALLS": "200 nested calls",
    "loading.interpreter_main:MOST_CPU_S": "4 seconds of processor time",
    "loading.interpreter_main:MOST_MEMORY": "512 MiB of values",
    "loading.interpreter_main:MOST_STEPS": "500,000,000 steps",
    "loading.interpreter_main:MOST_ADDRESSES": "960 MiB that the system gives",
    "loading.interpreter_process:MOST_GIVEN": "declares 256 MiB",
    "loading.allowance:FOR_ANY_MS": "10 ms for each file",
    "loading.attribute_values:_MOST_PROBLEMS": "100 problems of each value",
    "loading.forms:_LONGEST": "paths of 4,096 characters",
    "loading.hosts:_MOST_PRINTED": "256 KiB in all",
    "loading.starlark_source:MAX_NESTING": "200 nested expressions",
    "loading.starlark_source:MOST_SIGNS": "500,000 brackets",
    "pickles.reading.named_tensors:_MOST_NAMES": "16 ways",
    "query.parser:_MOST_NESTED": "100 nested expressions",
    "registry.docker_config:_LARGEST": "| 4 MiB; helpers",
    "registry.manifest:MOST_LAYERS": "20,000 layers",
    "registry.recipe:MOST_BYTES": "recipes of 256 MiB",
    "registry.referrers:MOST_BYTES": "64 MiB each",
    "registry.referrers:_MOST_READ": "the first 256 that refer",
    "registry.signatures:_LARGEST": "signatures of 1 MiB each",
    "registry.server:MOST_BYTES_OF_ANSWER": "lists of 4 MiB",
    "remote.credential_helper:_LARGEST": "1 MiB of each output",
    "remote.credentials:_LARGEST_TOKEN": "| 64 KiB | `RemoteError`",
    "remote.grpc.channel:_MESSAGE_LIMIT": "messages of 64 MiB",
    "remote.http.connections:_LARGEST_HEAD": "head of 256 KiB",
    "remote.http.server:_REDIRECTS": "5 redirects",
    "remote.http.transport:_RESULT_LIMIT": "results of 64 MiB",
    "remote.reapi.merkle:_DEEPEST": "trees 100 deep",
    "remote.reapi.merkle:_MOST_FILES": "1,000,000 files",
    "remote.reapi.merkle:_MOST_FOLDERS": "10,000 folders",
    "remote.server:SLOWEST": "16 KiB a second",
    "scanning.artifact:MOST_FINDINGS": "20,000 findings",
    "scanning.artifact:_DEEPEST": "6 archives",
    "scanning.artifact:_MOST_BYTES": "4 GiB in all",
    "scanning.file_kinds:LARGEST_UNPACKED": "256 MiB unpacked",
    "source.tokens:_MAX_DEPTH": "200 nested brackets",
}


@pytest.mark.parametrize("name", BOUNDS)
def test_the_page_says_what_the_code_has(name: str):
    module, _, constant = name.partition(":")
    text = BOUNDS[name]
    assert text in PAGE
    assert number_in(text) == getattr(importlib.import_module(f"hermpkg_build.{module}"), constant)


def test_a_bound_that_changes_is_noticed():
    """A control: numbers are read with their units."""
    assert [number_in(text) for text in ("1,032 times", "2 KiB", "names of 7 MiB", "3 parts")] == [
        1032,
        2048,
        7 << 20,
        3,
    ]


def test_every_target_of_fuzzing_has_a_reader():
    targets = ROOT / "tests" / "fuzz" / "targets"
    found = {file.stem for file in targets.glob("*.py") if "\nTARGET = " in file.read_text(encoding="utf-8")}
    named = {
        row.rstrip(" |").rpartition("| ")[2].strip("`") for row in PAGE.splitlines() if row.startswith("| ")
    }
    assert found <= named


def number_in(text: str) -> int:
    match = re.search(r"([\d,]+)\s*(KiB|MiB|GiB)?", text)
    assert match is not None
    return int(match[1].replace(",", "")) * UNITS.get(match[2], 1)
