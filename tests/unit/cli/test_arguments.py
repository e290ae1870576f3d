"""Words of a command line: options anywhere, patterns that look like options, and helpful refusals."""

import pytest

from hermpkg_build.cli.arguments import Option, first_word, parse
from hermpkg_build.errors import CommandLineError

OPTIONS = (
    Option(names=("--jobs", "-j"), value="N", help=""),
    Option(names=("--color",), value="WHEN", choices=("auto", "never"), help=""),
    Option(names=("--server",), value="URL", may_be_empty=True, help=""),
    Option(names=("--json",), help=""),
    Option(names=("--verbose", "-v"), help=""),
)


@pytest.mark.parametrize(
    ("words", "plain", "options"),
    [
        ([], (), {}),
        (["build", "//x"], ("build", "//x"), {}),
        (["--json", "build", "-v"], ("build",), {"json": ("",), "verbose": ("",)}),
        (["-v", "-v"], (), {"verbose": ("", "")}),
        (["-j", "4", "x"], ("x",), {"jobs": ("4",)}),
        (["-j4", "x"], ("x",), {"jobs": ("4",)}),
        (["--jobs=4"], (), {"jobs": ("4",)}),
        (["--jobs", "4", "--jobs", "5"], (), {"jobs": ("4", "5")}),
        (["--server", "", "x"], ("x",), {"server": ("",)}),
        (["--server="], (), {"server": ("",)}),
        (
            ["//...", "-//big", "-:small", "-...", "-@other//x"],
            ("//...", "-//big", "-:small", "-...", "-@other//x"),
            {},
        ),
        (["--json", "--", "--verbose", "-j"], ("--verbose", "-j"), {"json": ("",)}),
        (["-"], ("-",), {}),
        (["--color=never"], (), {"color": ("never",)}),
    ],
)
def test_words_and_options(words, plain, options):
    assert parse(words, OPTIONS) == (plain, options)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--jsn"], "did you mean '--json'?"),
        (["--zzzzzz"], "unknown option --zzzzzz"),
        (["-x"], "unknown option -x"),
        (["-vj"], "unknown option -vj"),
        (["--jobs"], "needs a value"),
        (["--jobs="], "needs a value"),
        (["--server"], "needs a value"),
        (["--json=1"], "takes no value"),
        (["--color", "nevr"], "did you mean 'never'?"),
    ],
)
def test_refusals(words, text):
    with pytest.raises(CommandLineError) as caught:
        parse(words, OPTIONS)
    assert text in caught.value.render()


@pytest.mark.parametrize(
    ("words", "index"),
    [
        (["build"], 0),
        (["-v", "build"], 1),
        (["-j", "4", "build"], 2),
        (["-j4", "build"], 1),
        (["--jobs=4", "build"], 1),
        (["--json"], None),
        (["--", "build"], None),
        (["-j"], None),
    ],
)
def test_the_first_word(words, index):
    assert first_word(words, OPTIONS) == index
