"""Which files packed code names in quotes depends on nothing of a source but its quoted names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.analysis.files_read import _Hints
from hermpkg_build.source.quoted_names import quoted_names

PARTS = (
    "'",
    '"',
    "/",
    ".",
    "*",
    "}",
    "\n",
    " ",
    "#",
    "a",
    "a.txt",
    ".txt",
    "b",
    "f'{x}.txt'",
    "'a.txt'",
    "/b/",
)
RECORDS = ("pkg/a.txt", "pkg/b/c.txt", "pkg/a", "pkg/.txt", "pkg/b/a.b", "a/b/c")
texts = st.lists(st.sampled_from(PARTS), max_size=12).map("".join)


def answers(text: bytes) -> list[bool]:
    hints = _Hints([], lambda _: b"", lambda _: None)
    hints.__dict__["_text"] = text
    found = [ask(record) for record in RECORDS for ask in (hints.name_exactly, hints.names_folder)]
    assert not hints.any_text_counts
    return found


@given(texts, texts)
def test_the_names_decide(one: str, other: str) -> None:
    """What has no new name changes no answer; a text without any is the control."""
    both = f"{one}\n{other}".encode()
    if quoted_names(both) == quoted_names(one.encode()):
        assert answers(both) == answers(one.encode())
    if not quoted_names(other.encode()):
        assert answers(other.encode()) == answers(b"")


def test_other_names_change_answers() -> None:
    assert answers(b"open('a.txt')") != answers(b"open('b.txt')")
