"""What was found out, made short: `summary` gives what results.json holds, `table` what a person reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

State = Mapping[str, Any]
_PICKLE = "model/model.pkl"


def summary(states: Mapping[str, State]) -> dict[str, Any]:
    """Make short what is known of each environment, by its name."""
    return {
        "environments": {name: _environment(state) for name, state in states.items()},
        "crossings": [crossing for name, state in states.items() for crossing in _crossings(name, state)],
        "bytes": [*_bytes(states)],
    }


def merged(earlier: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was found, and what was found earlier of that of which nothing is known now."""
    known = {
        name: facts if "versions" in facts or ("missing" in facts and "versions" not in before) else before
        for name, facts in found["environments"].items()
        for before in (earlier["environments"].get(name, facts),)
    }
    crossings = {(each["writer"], each["reader"], each["way"]): each for each in earlier["crossings"]}
    crossings |= {(each["writer"], each["reader"], each["way"]): each for each in found["crossings"]}
    same = {(*each["environments"], each["way"]): each for each in earlier["bytes"]}
    same |= {(*each["environments"], each["way"]): each for each in found["bytes"]}
    return {
        "environments": known,
        "crossings": [
            each for (writer, reader, _), each in crossings.items() if {writer, reader} <= known.keys()
        ],
        "bytes": [each for (left, right, _), each in same.items() if {left, right} <= known.keys()],
    }


def _environment(state: State) -> dict[str, Any]:
    found = {key: state[key] for key in ("missing", "versions") if state.get(key)}
    tests = {
        suite: {key: value for key, value in outcome.items() if key != "code"}
        for suite, outcome in state.get("tests", {}).items()
    }
    found |= {"tests": tests} if tests else {}
    written = state.get("written", {})
    return {
        **found,
        "not written": {
            way: {name: entry["error"] for name, entry in entries.items() if "error" in entry}
            for way, entries in written.items()
        },
    }


def _crossings(reader: str, state: State) -> Iterator[dict[str, Any]]:
    for writer, ways in state.get("read", {}).items():
        for way, outcomes in ways.items():
            yield {
                "writer": writer,
                "reader": reader,
                "way": way,
                "same": sum(outcome == "same" for outcome in outcomes.values()),
                "of": len(outcomes),
                "differences": {name: outcome for name, outcome in outcomes.items() if outcome != "same"},
            }


def _bytes(states: Mapping[str, State]) -> Iterator[dict[str, Any]]:
    """Compare what environments of other Pythons have written: all of it, or what has no tensors.

    Models and tensors are compared where torch and numpy are the same.
    """
    with_artifacts = [name for name, state in states.items() if "written" in state]
    for left, right in combinations(with_artifacts, 2):
        versions = [states[name]["versions"] for name in (left, right)]
        same_libraries = all(_public(versions[0][n]) == _public(versions[1][n]) for n in ("torch", "numpy"))
        for way in ("ours", "built"):
            entries = [states[name]["written"].get(way, {}) for name in (left, right)]
            pairs = {
                name: (entries[0][name]["records"], entries[1][name]["records"])
                for name in entries[0]
                if "records" in entries[0][name]
                and "records" in entries[1].get(name, {})
                and (same_libraries or not any(r.endswith(".storage") for r in entries[0][name]["records"]))
            }
            differing = {
                name: [record for record in one.keys() | other.keys() if one.get(record) != other.get(record)]
                for name, (one, other) in pairs.items()
            }
            records = Counter(record for found in differing.values() for record in found)
            yield {
                "environments": [left, right],
                "way": way,
                "tensors": same_libraries,
                "same": sum(not found for found in differing.values()),
                "of": len(pairs),
                "records": dict(sorted(records.items())),
                "other pickles": [name for name, found in differing.items() if _PICKLE in found],
            }


def _public(version: str) -> str:
    return version.partition("+")[0]


def table(found: Mapping[str, Any]) -> str:
    """A text for the terminal."""
    lines = []
    for name, facts in found["environments"].items():
        if "versions" not in facts:
            lines.append(f"{name}: not made: {facts.get('missing', 'not tried yet')}")
            continue
        lines.append(f"{name}: {', '.join(f'{k} {v}' for k, v in facts.get('versions', {}).items())}")
        for suite, outcome in facts.get("tests", {}).items():
            lines += [f"  {suite:<10} {counts(outcome)}", *(f"    {each}" for each in outcome["failures"])]
    for each in found["crossings"]:
        lines.append(f"{each['writer']} -> {each['reader']}: {each['way']}: {each['same']} of {each['of']}")
    for each in found["bytes"]:
        told = (
            f"{' and '.join(each['environments'])}: {each['way']}: {each['same']} of {each['of']} identical"
        )
        lines.append(f"{told}; records that differ: {', '.join(each['records']) or 'none'}")
    return "\n".join(lines)


def counts(outcome: Mapping[str, Any]) -> str:
    """How many tests passed, failed and were skipped."""
    return f"{outcome['passed']} passed, {outcome['failed']} failed, {outcome['skipped']} skipped"
