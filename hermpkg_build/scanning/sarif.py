"""Findings in the form that code hosts show: SARIF 2.1.0."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.scanning.findings import Finding, Findings, Kind, Level
from hermpkg_build.version import __version__

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

_LEVELS = {Level.DANGEROUS: "error", Level.UNKNOWN: "warning", Level.NOTE: "note"}
_RULES: Mapping[str, str] = {
    Kind.PICKLE: "A pickle calls or changes what is not known to be harmless",
    Kind.CODE: "Packed code can do more than compute",
    Kind.NATIVE: "Native or compiled code is packed",
    Kind.UNREADABLE: "Something cannot be read, so that nobody can tell what it does",
    Kind.HIDDEN: "Bytes that some readers find and others do not",
}


def sarif_log(scanned: Sequence[Findings]) -> dict[str, Json]:
    """Make one SARIF log of what was found in several files."""
    findings = [(found.name, each) for found in scanned for each in found.findings]
    rules = sorted({each.rule for _, each in findings})
    artifacts: list[Json] = []
    places: dict[tuple[str, str], int] = {}
    for name, each in findings:
        for key in ((name, ""), (name, each.record)):
            if key not in places:
                places[key] = len(artifacts)
                artifacts.append(_artifact(key, places))
    run: dict[str, Json] = {
        "tool": {
            "driver": {
                "name": "hermpkg scan",
                "version": __version__,
                "rules": [_rule(rule, [each for _, each in findings]) for rule in rules],
            }
        },
        "columnKind": "unicodeCodePoints",
        "artifacts": artifacts,
        "results": [_result(each, places[name, each.record], rules) for name, each in findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _artifact(key: tuple[str, str], places: Mapping[tuple[str, str], int]) -> dict[str, Json]:
    name, record = key
    if not record:
        return {"location": {"uri": _uri(name)}}
    return {"location": {"uri": _uri(record)}, "parentIndex": places[name, ""]}


def _uri(name: str) -> str:
    return quote(name.encode("utf-8", "surrogateescape"), safe="/")


def _rule(rule: str, findings: Iterable[Finding]) -> dict[str, Json]:
    first = next(each for each in findings if each.rule == rule)
    text = str(first.capability) if first.capability is not None else _RULES[first.kind]
    return {
        "id": rule,
        "shortDescription": {"text": f"{first.kind}: {text}"},
        "fullDescription": {"text": f"{_RULES[first.kind]}."},
        "defaultConfiguration": {"level": _LEVELS[first.level]},
    }


def _result(finding: Finding, artifact: int, rules: Sequence[str]) -> dict[str, Json]:
    place: dict[str, Json] = {"artifactLocation": {"index": artifact, "uri": _uri(finding.record)}}
    if finding.line:
        place["region"] = {"startLine": finding.line, "startColumn": max(finding.column, 1)}
    elif finding.offset >= 0:
        place["region"] = {"byteOffset": finding.offset, "byteLength": 1}
    location: dict[str, Json] = {"physicalLocation": place}
    if way := finding.path or finding.function or finding.module:
        location["logicalLocations"] = [{"fullyQualifiedName": way}]
    return {
        "ruleId": finding.rule,
        "ruleIndex": rules.index(finding.rule),
        "level": _LEVELS[finding.level],
        "message": {"text": sentence(finding)},
        "locations": [location],
        "occurrenceCount": finding.count,
    }


def sentence(finding: Finding) -> str:
    """A finding in one sentence, without its place."""
    words = " ".join(word for word in (finding.does, finding.name) if word)
    detail = f": {finding.detail}" if finding.detail and finding.detail != finding.does else ""
    how_often = f" ({finding.count} times)" if finding.count > 1 else ""
    return f"{words}{detail}{how_often}"
