"""What a command prints: sizes, colours, control characters, errors as fields."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.cli.console import Console, error_json
from hermpkg_build.cli.progress import Display
from hermpkg_build.cli.styles import strong
from hermpkg_build.core.texts import size_text
from hermpkg_build.errors import GroupedError, LabelError, LoadingError, Location
from hermpkg_build.printable import one_line, strict_json


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_940, "999.9 kB"),
        (999_950, "1.0 MB"),
        (46_827_351, "46.8 MB"),
        (4_294_967_296, "4.3 GB"),
        (10**15, "1.0 PB"),
    ],
)
def test_sizes(count, text):
    assert size_text(count) == text


def test_control_characters_cannot_steer_a_terminal():
    assert one_line("a\x1b[2Jb\rc\x9bd\u202ee\u2028f\nFAKE: fine") == (
        "a\\x1b[2Jb\\rc\\x9bd\\u202ee\\u2028f\\nFAKE: fine"
    )
    assert one_line("Größe\tüber 日本 \udc80") == "Größe\tüber 日本 \\udc80"


def test_errors_that_a_build_goes_on_after_are_printed_once_as_they_happen(capsys):
    errors = [LabelError("first is wrong"), LabelError("second is wrong"), LabelError("third is wrong")]
    console = Console()
    display = Display(console, keep_going=True)
    for number, error in enumerate(errors[:2], 1):
        display.target_failed("//a:b", error)
        assert capsys.readouterr().err.count("is wrong") == 1, number
    console.describe(GroupedError("3 of the requested targets failed", errors))
    said = capsys.readouterr().err
    assert "third is wrong" in said
    assert "first is wrong" not in said
    assert said.rstrip().endswith("3 of the requested targets failed")
    Display(console).target_failed("//a:b", errors[0])  # The build ends by this one, and tells it then.
    Display(Console(json=True), keep_going=True).target_failed("//a:b", errors[0])
    assert capsys.readouterr() == ("", "")


def test_an_error_as_fields():
    error = GroupedError(
        "2 problems",
        [
            LabelError("no", facts=[("reason", "it is not there")], next_step="look elsewhere"),
            LoadingError("bad", location=Location("a/BUILD", 3, 4), snippet="x ="),
        ],
    )
    value = error_json(error)
    assert value["kind"] == "GroupedError"
    first, second = value["errors"]
    assert first["exit_code"] == 1
    assert first["facts"] == [{"name": "reason", "value": "it is not there"}]
    assert first["location"] is None
    assert second["location"] == {"path": "a/BUILD", "line": 3, "column": 4}
    assert second["snippet"] == "x ="


@pytest.mark.parametrize(
    ("color", "environment", "colored"),
    [
        ("always", {}, True),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {}, False),
        ("auto", {}, False),
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {"FORCE_COLOR": "1", "TERM": "dumb"}, True),
        ("auto", {"FORCE_COLOR": "0"}, False),
        ("auto", {"FORCE_COLOR": ""}, False),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("never", {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour(capsys, color, environment, colored):
    console = Console(color=color, environment=environment)
    console.describe(LabelError("no such thing", next_step="look elsewhere"))
    shown = capsys.readouterr()
    assert ("\x1b[" in shown.err) is colored
    assert "no such thing" in shown.err
    assert shown.out == ""


def test_quiet_says_results_but_mentions_nothing(capsys):
    console = Console(color="never", quiet=True, environment={})
    console.say("said")
    console.mention("mentioned")
    console.note("noted")
    assert capsys.readouterr() == ("said\n", "")


def test_json_mode_prints_nothing_but_the_object(capsys):
    console = Console(color="never", json=True, environment={})
    console.say("said")
    console.mention("mentioned")
    console.give_json({"ü": 1})
    assert capsys.readouterr().out == '{\n  "\\u00fc": 1\n}\n'


def test_the_object_is_for_json_mode(capsys):
    Console(color="never", environment={}).give_json({"a": 1})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("color", "bold"), [("always", "\x1b[1m{}\x1b[0m"), ("never", "{}")])
def test_nothing_that_is_printed_can_steer_a_terminal(capsys, color, bold):
    console = Console(color=color, environment={})
    console.say("a\x1b[2J ", strong("b\x1b[2J"))
    console.note("c\x1b[2J")
    console.warn("d\x1b[2J")
    console.describe(LabelError("e\x1b[2J", next_step="f\x1b[2J"))
    shown = capsys.readouterr()
    assert shown.out == "a\\x1b[2J " + bold.format("b\\x1b[2J") + "\n"
    for letter in "cdef":
        assert f"{letter}\\x1b[2J" in shown.err
    assert "\x1b[2J" not in shown.err


def test_an_error_with_a_name_of_a_megabyte_is_not_a_megabyte_long(capsys):
    error = LoadingError(f"no target {'x' * 1_000_000}", facts=[("in", "a/BUILD")])
    Console(color="never").describe(error)
    shown = capsys.readouterr().err
    assert len(shown) < 5_000
    assert shown.startswith("error: no target xxx")
    assert shown.endswith("  in: a/BUILD\n")
    assert error_json(error)["summary"] == error.summary


@given(st.recursive(st.text(st.characters(categories=("Cs", "Lu", "Po"))), st.lists, max_leaves=5))
def test_json_has_no_halves_of_surrogate_pairs_and_says_the_rest_as_it_is(value):
    text = strict_json(json.dumps(value))
    text.encode().decode("utf-8")
    read = json.loads(text)
    json.dumps(read, ensure_ascii=False).encode()  # A half could not be encoded.
    if json.dumps(value).isascii() and "\\ud" not in json.dumps(value):
        assert read == value


def test_a_name_that_is_not_utf8_is_spelled_out_in_json(capsys):
    Console(json=True).give_json({"path": "a\udcff", "smile": "\U0001f600", "words": "\\udcff"})
    assert json.loads(capsys.readouterr().out) == {
        "path": "a\\udcff",
        "smile": "\U0001f600",
        "words": "\\udcff",
    }
