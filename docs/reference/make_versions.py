"""Writes versions.md from what `make matrix` has found out, which is in tests/matrix/results.json.

Run as ``python docs/reference/make_versions.py``; a test compares the page with what this would write.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("versions.md")
RESULTS = PAGE.parents[2] / "tests/matrix/results.json"

_HEAD = """\
# Versions

hermpkg is for torch 2.4 and later and Python 3.10 to 3.14. `make matrix` makes an environment for each line
of `tests/matrix/environments.toml`, runs the tests of the exporter, of the importer, of pickles and
factories and of the compatibility with torch.package in it, has it write artifacts of about fifty kinds of
objects, and has every environment read what every other has written. This page is made of its results by
`python docs/reference/make_versions.py`.

## Environments

| Python | torch | numpy | passed | failed | skipped | tested |
|---|---|---|---|---|---|---|
"""

_CROSSINGS = """
## Artifacts between versions

Of the artifacts that the line's environment has written, as many load in the column's and are the same:
objects have the same values, models give the same outputs. The first number is what hermpkg's importer
loads of what hermpkg's exporter and `hermpkg build` wrote, the second what hermpkg's importer loads of
torch.package's, the third what torch.package's importer loads of hermpkg's, the fourth what torch.package
loads of its own.

"""

_DIFFERENCES = """
### What does not cross

| kind | way | written by → read by | what happens |
|---|---|---|---|
"""

_NOT_WRITTEN = """
### What cannot be written

| kind | with | by | what happens |
|---|---|---|---|
"""

_BYTES = """
## Bytes

The same objects, another Python. Where torch or numpy are other versions too, what has no tensors is
compared.

| Python | torch | made by | identical | records that differ elsewhere | pickles that differ |
|---|---|---|---|---|---|
"""

_TAIL = """
An exported artifact names the Python that made it, in `.data/python_version` and in the manifest, and so
does a built one whose `model_package` does not pin `python_version`, as those above do. Code has the same
bytes under every Python. Pickles have where the classes in them reduce themselves in the same way: paths do
so in another way in Python 3.13, fractions and networks in 3.10, arrays in numpy 2. Models of other
versions of torch have other attributes.
"""

_WAYS = (
    ("ours to ours", "built to ours"),
    ("stock to ours",),
    ("ours to stock", "built to stock"),
    ("stock to stock",),
)
_WORDS = {"ours": "hermpkg", "built": "hermpkg build", "stock": "torch.package"}


def page() -> str:
    """The whole page."""
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    return "".join(
        [
            _HEAD,
            *_environments(found),
            _CROSSINGS,
            *_crossings(found),
            _DIFFERENCES,
            *_differences(found),
            _NOT_WRITTEN,
            *_not_written(found),
            _BYTES,
            *_bytes(found),
            _TAIL,
        ]
    )


def _environments(found: dict[str, Any]) -> Iterator[str]:
    for name, facts in found["environments"].items():
        if "versions" not in facts:
            _, torch, _, python = name.split("-")
            why = _cell(facts.get("missing", "not tried yet"))
            yield f"| {python} | {torch} | | not made: {why} | | | |\n"
            continue
        tests = facts.get("tests", {}).values()
        sums = [
            str(sum(each[what] for each in tests)) if tests else "-"
            for what in ("passed", "failed", "skipped")
        ]
        versions = [facts["versions"][each] for each in ("python", "torch", "numpy")]
        # Results of before this was noted have none.
        when = max((each.get("when") or "before" for each in tests), default="artifacts alone")
        yield f"| {' | '.join([*versions, *sums, when])} |\n"


def _crossings(found: dict[str, Any]) -> Iterator[str]:
    names = [name for name, facts in found["environments"].items() if "versions" in facts]
    yield f"| written ↓ read → | {' | '.join(_short(found, name) for name in names)} |\n"
    yield f"|---|{'---|' * len(names)}\n"
    by_pair: dict[tuple[str, str, str], tuple[int, int]] = {
        (each["writer"], each["reader"], each["way"]): (each["same"], each["of"])
        for each in found["crossings"]
    }
    for writer in names:
        cells = []
        for reader in names:
            sums = [
                [sum(by_pair.get((writer, reader, way), (0, 0))[i] for way in ways) for i in (0, 1)]
                for ways in _WAYS
            ]
            told = ", ".join(f"{same}/{of}" for same, of in sums)
            cells.append(told if any(of for _, of in sums) else "not tried")
        yield f"| {_short(found, writer)} | {' | '.join(cells)} |\n"


def _differences(found: dict[str, Any]) -> Iterator[str]:
    pairs: dict[tuple[str, str, str], list[str]] = {}
    for each in found["crossings"]:
        for kind, outcome in each["differences"].items():
            pair = f"{_short(found, each['writer'])} → {_short(found, each['reader'])}"
            pairs.setdefault((kind, each["way"], outcome), []).append(pair)
    for (kind, way, outcome), which in sorted(pairs.items()):
        writer, _, importer = way.partition(" to ")
        told = f"{_WORDS[writer]} to {_WORDS[importer]}"
        yield f"| {kind} | {told} | {'; '.join(which)} | {_cell(outcome)} |\n"


def _not_written(found: dict[str, Any]) -> Iterator[str]:
    which: dict[tuple[str, str, str], list[str]] = {}
    for name, facts in found["environments"].items():
        for way, errors in facts["not written"].items():
            for kind, error in errors.items():
                which.setdefault((kind, _WORDS[way], error), []).append(_short(found, name))
    for (kind, way, error), names in sorted(which.items()):
        yield f"| {kind} | {way} | {'; '.join(names)} | {_cell(error)} |\n"


def _bytes(found: dict[str, Any]) -> Iterator[str]:
    for each in found["bytes"]:
        versions = [found["environments"][name]["versions"] for name in each["environments"]]
        pythons = " and ".join(version["python"] for version in versions)
        records = ", ".join(f"`{record}` ({count})" for record, count in each["records"].items()) or "none"
        kinds = ", ".join(each["other pickles"]) or "none"
        identical = f"{each['same']} of {each['of']}"
        torches = dict.fromkeys(version["torch"].partition("+")[0] for version in versions)
        cells = [pythons, " and ".join(torches), _WORDS[each["way"]], identical, records, kinds]
        yield f"| {' | '.join(cells)} |\n"


def _short(found: dict[str, Any], name: str) -> str:
    """An environment as "2.4.1, 3.10": torch, then Python."""
    facts = found["environments"][name]
    _, torch, _, python = name.split("-")
    return f"{facts['versions']['torch'].partition('+')[0] if 'versions' in facts else torch}, {python}"


def _cell(text: str) -> str:
    shown = text if len(text) <= 120 else f"{text[:117]}..."
    return (
        shown.replace("|", "\\|")
        .replace("[", "\\[")
        .replace("<", "\\<")
        .replace("_", "\\_")
        .replace("*", "\\*")
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
