"""Results in JUnit's form, which continuous integration reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from hermpkg_build.dataclass import dataclass
from hermpkg_build.printable import one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class JUnitCase:
    """One case of a test suite, of any texts.

    `failure` says in one line why it failed, `error` why it could not be tried, and `details` more of it; ""
    for neither. `output` is what it printed.
    """

    group: str
    name: str
    seconds: float = 0.0
    failure: str = ""
    error: str = ""
    details: str = ""
    output: str = ""


def junit_xml(suite: str, cases: Sequence[JUnitCase]) -> str:
    """Return a test suite with `cases` as XML.

    What XML 1.0 cannot hold is no character to see, and written as an escape with the others.
    """
    counts = {
        "tests": len(cases),
        "failures": sum(bool(case.failure) for case in cases),
        "errors": sum(bool(case.error) for case in cases),
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }
    totals = " ".join(f'{name}="{value}"' for name, value in counts.items())
    lines = [f"<testsuites><testsuite name={quoteattr(one_line(suite))} {totals}>"]
    for case in cases:
        lines += _lines(case)
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', *lines, "</testsuite></testsuites>", ""])


def _lines(case: JUnitCase) -> Iterator[str]:
    group, name = quoteattr(one_line(case.group)), quoteattr(one_line(case.name))
    yield f'<testcase classname={group} name={name} time="{case.seconds:.3f}">'
    for tag, message in (("failure", case.failure), ("error", case.error)):
        if message:
            yield f"<{tag} message={quoteattr(one_line(message))}>{_text(case.details)}</{tag}>"
    if case.output:
        yield f"<system-out>{_text(case.output)}</system-out>"
    yield "</testcase>"


def _text(text: str) -> str:
    return escape("\n".join(map(one_line, text.splitlines())))
