"""Laws of foreign text in output: nothing of it steers a terminal, or begins a line as if it were ours."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout

from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.cli.console import Console
from hermpkg_build.cli.styles import strong
from hermpkg_build.errors import HermpkgError, Location
from hermpkg_build.inspection.verify.verdicts import Verdict, junit_report, markdown
from hermpkg_build.printable import indented, one_line

# Of what an attacker would take, and of everything else, lone surrogates included.
TEXTS = st.text(st.sampled_from("\x1b[2J\n\r\t\x07\x9b\u202e\u2028\u200bé日`|<>&") | st.characters())


def harmless(text: str) -> bool:
    return all(character.isprintable() or character in "\t\n" for character in text)


@given(TEXTS)
def test_one_line_is_one_line(text: str) -> None:
    line = one_line(text)
    assert harmless(line)
    assert "\n" not in line
    assert one_line(line) == line
    if text.replace("\t", "").isprintable():
        assert line == text


@given(TEXTS)
def test_only_the_first_line_begins_where_ours_do(text: str) -> None:
    first, *rest = indented(text, "    ").split("\n")
    assert harmless(first)
    assert all(harmless(line) and (line.startswith("    ") or not line) for line in rest)


@given(TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)
def test_errors(summary: str, path: str, fact: str, snippet: str, step: str) -> None:
    error = HermpkgError(
        summary, location=Location(path, 1, 1), facts=[(fact, fact)], snippet=snippet, next_step=step
    )
    _, *rest = str(error).split("\n")
    assert harmless(str(error))
    assert all(line.startswith("  ") or not line for line in rest)


@given(TEXTS, TEXTS)
def test_what_commands_say(text: str, other: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        console = Console(color="never")
        console.say(text, strong(other))
        console.note(text)
        console.warn(text)
        console.describe(HermpkgError(text))
    assert out.getvalue().count("\n") == 1
    assert harmless(out.getvalue() + err.getvalue())
    lines = err.getvalue().split("\n")
    ours = [line for line in lines if not line.startswith(("warning: ", "error: ", " ", "\t")) and line]
    assert len(ours) <= 1


@given(TEXTS, TEXTS)
def test_reports(subject: str, line: str) -> None:
    verdicts = [Verdict(subject=subject, check="file", summary=line, lines=(line, line))]
    page = markdown(verdicts)
    assert harmless(page)
    assert page.count("\n") == markdown(
        [Verdict(subject="", check="file", summary="", lines=("", ""))]
    ).count("\n")
    assert "<" not in page.split("\n")[4].replace("<code>", "").replace("</code>", "")
    assert harmless(junit_report(verdicts))
