from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.core.texts import aligned, clipped, counted, first_of


def test_columns_are_aligned():
    assert list(aligned([("a", "bcd", "e"), ("fgh", "", "")])) == ["a    bcd  e", "fgh"]
    assert list(aligned([])) == []


def test_things_are_counted():
    assert [counted(count, "upload") for count in (0, 1, 2)] == ["0 uploads", "1 upload", "2 uploads"]


def test_long_lists_say_how_many_they_leave_out():
    assert first_of(["a", "b"], 2) == ["a", "b"]
    assert first_of(("a", "b", "c"), 1, "... {:,} more") == ["a", "... 2 more"]


def test_a_cell_of_many_thousand_characters_does_not_fill_up_all_others():
    rows = [("x" * 60_000, "1"), *(("y", "2") for _ in range(100))]
    assert sum(map(len, aligned(rows))) < 90_000
    assert [*aligned([("x" * 150, "1"), ("y", "2")])][1].index("2") == 152


@given(st.text(), st.integers(2, 50))
def test_clipping_keeps_both_ends(text, most):
    shown = clipped(text, most)
    assert shown == text if len(text) <= most else len(shown) <= most + 40
    assert shown.startswith(text[: most // 2])
    assert shown.endswith(text[len(text) - most // 2 :])
