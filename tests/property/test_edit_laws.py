"""Laws of the lines that two texts have in common."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.inspection.diff.edits import common_runs
from hermpkg_build.inspection.diff.texts import diff_texts

LINES = st.lists(st.sampled_from("abc"), max_size=12)


def longest_common(a: list[str], b: list[str]) -> int:
    """How many lines two texts can have in common, in order, by the textbook's table."""
    row = [0] * (len(b) + 1)
    for line in a:
        before = row
        row = [0]
        for place, other in enumerate(b):
            row.append(before[place] + 1 if line == other else max(before[place + 1], row[-1]))
    return row[-1]


@given(LINES, LINES)
def test_as_many_lines_as_can_be_are_in_common(a, b):
    runs = common_runs(a, b)
    done = (0, 0)
    for x, y, length in runs:
        assert length > 0
        assert x >= done[0]
        assert y >= done[1]
        assert a[x : x + length] == b[y : y + length]
        done = (x + length, y + length)
    assert sum(length for *_, length in runs) == longest_common(a, b)


@given(LINES, LINES)
def test_a_diff_applied_to_one_text_gives_the_other(a, b):
    lines = diff_texts("".join(f"{line}\n" for line in a), "".join(f"{line}\n" for line in b)).lines
    for text, sign in ((a, "-"), (b, "+")):
        place = 0
        for line in lines:
            if line.startswith("@@"):
                field = line.split()[1 if sign == "-" else 2]
                place = int(field[1:].partition(",")[0]) - 1
            elif line[0] in f" {sign}":
                assert text[place] == line[1:]
                place += 1
    added = sum(line[0] == "+" for line in lines) - sum(line[0] == "-" for line in lines)
    assert added == len(b) - len(a)


def test_texts_that_repeat_one_line():
    n = 20_000
    a = "a\n" * n
    b = "x\n" + "".join("a\n" if i % 2 else f"b{i}\n" for i in range(n)) + "y\n"
    assert diff_texts(a, b).left_out > n
