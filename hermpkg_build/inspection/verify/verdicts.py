"""The verdicts of checks, as JUnit XML and as Markdown, which continuous integration shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.junit import JUnitCase, junit_xml
from hermpkg_build.core.texts import first_of
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.printable import one_line

_MOST_LINES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The result of one check of one artifact.

    `subject` is a label or a file, `check` is ``file``, ``trust``, ``rebuild`` or ``locked``; `summary` is
    one line, `lines` say what is wrong and why, none where nothing is; `facts` say the same as fields.
    """

    subject: str
    check: str
    summary: str
    lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.lines

    def to_json(self) -> dict[str, Json]:
        """All fields by name; `facts` lie beside them."""
        return {
            "subject": self.subject,
            "check": self.check,
            "passed": self.passed,
            "summary": self.summary,
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
            **self.facts,
        }


def junit_report(verdicts: Sequence[Verdict]) -> str:
    """Return a test suite with a case for each verdict, in JUnit's form."""
    cases = [
        JUnitCase(
            group=f"hermpkg.{verdict.check}",
            name=verdict.subject,
            seconds=verdict.seconds,
            failure="" if verdict.passed else verdict.summary,
            details="\n".join(map(one_line, verdict.lines)),
        )
        for verdict in verdicts
    ]
    return junit_xml("hermpkg verify", cases)


def markdown(verdicts: Sequence[Verdict]) -> str:
    """Return a table of all verdicts, with the lines of those that did not pass below it."""
    failed = [verdict for verdict in verdicts if not verdict.passed]
    state = f"{len(failed)} of {len(verdicts)} failed" if failed else f"{len(verdicts)} passed"
    lines = [f"### hermpkg verify: {state}", "", "| artifact | check | result | |", "|---|---|---|---|"]
    for verdict in verdicts:
        result = "passed" if verdict.passed else "**failed**"
        subject, summary = _cell(verdict.subject), _cell(verdict.summary)
        lines.append(f"| <code>{subject}</code> | {verdict.check} | {result} | {summary} |")
    for verdict in failed:
        shown = first_of([*map(one_line, verdict.lines)], _MOST_LINES, "... {} more lines")
        fence = _fence("\n".join(shown))
        lines += ["", f"<details open><summary>{escape(one_line(verdict.subject))}</summary>", ""]
        lines += [f"{fence}text", *shown, fence, "", "</details>"]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return escape(one_line(text)).replace("|", "&#124;").replace("`", "&#96;")


def _fence(text: str) -> str:
    """Return a fence that is longer than every run of backticks in `text`."""
    fence = "```"
    while fence in text:
        fence += "`"
    return fence
