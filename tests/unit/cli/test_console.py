"""What a command prints: sizes, colours, control characters, errors as fields."""

import pytest

from hermpkg_build.cli.console import Console, error_json, printable, size_text
from hermpkg_build.errors import GroupedError, LabelError, LoadingError, Location


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
    assert printable("a\x1b[2Jb\rc\x9bd") == "a\\x1b[2Jb\\x0dc\\x9bd"
    assert printable("Größe\n\tüber 日本") == "Größe\n\tüber 日本"


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
    assert first["exit_code"] == 2
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
    ],
)
def test_colour(capsys, color, environment, colored):
    console = Console(color=color, json=False, quiet=False, environment=environment)
    console.show_error(LabelError("no such thing", next_step="look elsewhere"))
    shown = capsys.readouterr()
    assert ("\x1b[" in shown.err) is colored
    assert "no such thing" in shown.err
    assert shown.out == ""


def test_quiet_says_results_but_mentions_nothing(capsys):
    console = Console(color="never", json=False, quiet=True, environment={})
    console.say("said")
    console.mention("mentioned")
    console.note("noted")
    assert capsys.readouterr() == ("said\n", "")


def test_json_mode_prints_nothing_but_the_object(capsys):
    console = Console(color="never", json=True, quiet=False, environment={})
    console.say("said")
    console.mention("mentioned")
    console.give_json({"ü": 1})
    assert capsys.readouterr().out == '{\n  "\\u00fc": 1\n}\n'
