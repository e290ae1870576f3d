"""Lays out what a scan found for people: the worst first, in groups, each with a few places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from hermpkg_build.core.texts import clipped, counted, first_of
from hermpkg_build.scanning.findings import Finding, Findings, Kind, Level

VERDICTS = {Level.DANGEROUS: "dangerous", Level.UNKNOWN: "not clean", Level.NOTE: "clean"}

_MOST_PLACES = 6
_MOST_GROUPS = 12
_LONGEST = 160
_LONGEST_CHAIN = 6
_HEADS = {
    Kind.PICKLE: "loading it",
    Kind.CODE: "its code",
    Kind.NATIVE: "it brings",
    Kind.UNREADABLE: "cannot be read, so that nobody can tell what it does",
    Kind.HIDDEN: "some readers find it, others do not",
}


def summary(found: Findings) -> str:
    """What a scan comes to, in one line, without the verdict."""
    dangerous = len(found.at_least(Level.DANGEROUS))
    unknown = len(found.at_least(Level.UNKNOWN)) - dangerous
    parts = [f"{count:,} {word}" for count, word in ((dangerous, "dangerous"), (unknown, "unknown")) if count]
    read = [
        counted(found.records, "file"),
        *([counted(found.pickles, "pickle")] if found.pickles else []),
        *([counted(found.sources, "source")] if found.sources else []),
    ]
    return f"{' and '.join(parts)}{' in ' if parts else ''}{', '.join(read)}"


def lines(
    found: Findings, ways: Mapping[str, Sequence[str]], *, least: Level, everything: bool
) -> Iterator[str]:
    """The findings of at least a level, in groups; `ways` are the chains of names that lead to modules."""
    groups: dict[tuple[Level, Kind, str], list[Finding]] = {}
    for finding in found.at_least(least):
        groups.setdefault((finding.level, finding.kind, _title(finding)), []).append(finding)
    most = len(found.findings) + 1 if everything else _MOST_PLACES
    texts = []
    for (_, kind, title), findings in groups.items():
        places = [line for finding in findings for line in _place(finding, ways)]
        head = f"{_HEADS[kind]} {title}".rstrip()
        texts.append([f"{head}:", *(f"  {line}" for line in first_of(places, most))])
    shown = texts if everything else texts[:_MOST_GROUPS]
    for text in shown:
        yield from text
    if len(texts) > len(shown):
        yield f"and {counted(len(texts) - len(shown), 'further group')}; -v shows all"


def _title(finding: Finding) -> str:
    if finding.kind in (Kind.UNREADABLE, Kind.HIDDEN):
        return ""
    if finding.capability is not None:
        return str(finding.capability)
    if finding.kind is Kind.NATIVE:
        return finding.name
    if finding.level is Level.NOTE:
        return "names packed code and classes of its own"
    return "calls what is on no list of harmless names"


def _place(finding: Finding, ways: Mapping[str, Sequence[str]]) -> Iterator[str]:
    where = finding.record
    if finding.line:
        where = f"{where}:{finding.line}:{finding.column}"
    if finding.kind in (Kind.UNREADABLE, Kind.HIDDEN):
        yield clipped(f"{where}: {finding.detail}", _LONGEST)
        return
    words = finding.name if finding.kind in (Kind.CODE, Kind.NATIVE) else f"{finding.does} {finding.name}"
    words += finding.arguments
    extra = []
    if finding.kind is Kind.CODE:
        extra.append("when it is imported" if finding.at_import else f"in {finding.function or 'a function'}")
    if finding.path and finding.kind is Kind.PICKLE:
        extra.append(f"at {finding.path}")
    elif finding.kind is Kind.PICKLE and finding.offset >= 0:
        extra.append(f"at offset {finding.offset}, and throws it away")
    if finding.count > 1:
        extra.append(f"{finding.count:,} times")
    if finding.detail.startswith("is ") and finding.kind is Kind.PICKLE and "no list" not in finding.detail:
        extra.append(finding.detail)
    yield clipped(f"{where}  {words}" + (f", {', '.join(extra)}" if extra else ""), _LONGEST)
    if finding.kind is Kind.CODE and finding.module in ways:
        yield clipped(f"    reached by {' -> '.join(_shortened(ways[finding.module]))}", _LONGEST)


def _shortened(names: Sequence[str]) -> list[str]:
    """A chain without its middle, where it is long."""
    if len(names) <= _LONGEST_CHAIN:
        return [*names]
    return [*names[:2], f"{len(names) - 4} more", *names[-2:]]


def modules_of(findings: Iterable[Finding]) -> list[str]:
    """The packed modules whose code findings are about."""
    return sorted({each.module for each in findings if each.kind is Kind.CODE and each.module})
