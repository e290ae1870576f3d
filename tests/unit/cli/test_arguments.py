"""Words of a command line: options anywhere, patterns that look like options, and helpful refusals."""

import pytest

from hermpkg_build.cli.arguments import (
    Given,
    Option,
    flag,
    operand,
    operands,
    option,
    option_group,
    parse,
    whole_number,
)
from hermpkg_build.cli.command import Command, CommonArguments
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import CommandLineError, ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class SomeArguments:
    jobs: int = option("-j, --jobs N", "", read=whole_number(1), default=1)
    color: str = option("--color WHEN", "", read=str, default="auto", choices=("auto", "never"))
    servers: Given = option_group(
        "options for servers",
        lambda: (Option(names=("--server",), value="URL", may_be_empty=True, help=""),),
    )
    json: bool = flag("--json", "")
    verbose: bool = flag("-v, --verbose", "")


@pytest.mark.parametrize(
    ("words", "plain", "options"),
    [
        ([], [], {}),
        (["build", "//x"], ["build", "//x"], {}),
        (["--json", "build", "-v"], ["build"], {"json": ("",), "verbose": ("",)}),
        (["-v", "-v"], [], {"verbose": ("", "")}),
        (["-j", "4", "x"], ["x"], {"jobs": ("4",)}),
        (["-j4", "x"], ["x"], {"jobs": ("4",)}),
        (["--jobs=4"], [], {"jobs": ("4",)}),
        (["--jobs", "4", "--jobs", "5"], [], {"jobs": ("4", "5")}),
        (["--server", "", "x"], ["x"], {"server": ("",)}),
        (["--server="], [], {"server": ("",)}),
        (
            ["//...", "-//big", "-:small", "-...", "-@other//x"],
            ["//...", "-//big", "-:small", "-...", "-@other//x"],
            {},
        ),
        (["--json", "--", "--verbose", "-j"], ["--verbose", "-j"], {"json": ("",)}),
        (["-"], ["-"], {}),
        (["--color=never"], [], {"color": ("never",)}),
    ],
)
def test_words_and_options(words, plain, options):
    assert parse(words, SomeArguments) == (plain, options, [])


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
        (["--srver"], "did you mean '--server'?"),
        (["-verbose"], "did you mean '--verbose'?"),
        (["--json=1"], "takes no value"),
        (["--color", "nevr"], "did you mean 'never'?"),
    ],
)
def test_refusals(words, text):
    plain, given, (problem,) = parse(["a", *words], SomeArguments)
    assert text in problem.render()
    assert (plain, given) == (["a"], {})


def test_what_is_right_is_read_although_something_else_is_wrong():
    plain, given, problems = parse(["--jsn", "--color=blue", "a", "--json"], SomeArguments)
    assert (plain, given) == (["a"], {"json": ("",)})
    assert len(problems) == 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyArguments(CommonArguments):
    source: str = operand("FROM")
    targets: tuple[str, ...] = operands("TO...")
    force: bool = flag("-f, --force", "")
    places: Given = option_group("places", lambda: (Option(names=("--place",), value="P", help=""),))
    times: int = option("--times N", "", read=whole_number(1), default=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowArguments(CommonArguments):
    file: str = operand("[FILE]")


def command(arguments: type[CommonArguments]) -> Command[CommonArguments]:
    return Command(
        name="copy",
        group="build and test",
        example="hermpkg copy a b",
        arguments=arguments,
        function=lambda arguments, console: ExitCode.SUCCESS,
    )


def read(arguments: type[CommonArguments], *words: str):
    plain, given, problems = parse(words, arguments)
    assert not problems
    return command(arguments).read(plain, given)


def test_arguments_are_typed():
    found = read(
        CopyArguments, "a", "b", "-f", "c", "--times=3", "--times", "4", "--cache-dir", "/x/../y", "-j2"
    )
    assert (found.source, found.targets) == ("a", ("b", "c"))
    assert (found.force, found.times) == (True, 4)
    assert found.places == {}
    assert (found.cache_dir, found.jobs, found.json) == ("/y", 2, False)


def test_options_of_a_group_stay_texts():
    assert read(CopyArguments, "a", "b", "--place=1", "--json", "--place=2").places == {"place": ("1", "2")}


def test_what_is_left_out_has_its_default():
    found = read(CopyArguments, "a", "b")
    assert (found.force, found.times) == (False, 1)
    assert found.jobs >= 1
    assert read(ShowArguments).file == ""
    assert read(ShowArguments, "x").file == "x"


@pytest.mark.parametrize(
    ("arguments", "words", "text"),
    [
        (CopyArguments, (), "hermpkg copy needs FROM"),
        (CopyArguments, ("a",), "hermpkg copy needs TO..."),
        (CopyArguments, ("a", "b", "--times", "0"), "--times needs a whole number from 1, not '0'"),
        (CopyArguments, ("a", "b", "--times", "x"), "--times needs a whole number from 1, not 'x'"),
        (ShowArguments, ("a", "b"), "hermpkg copy takes no further word, but was given 'b'"),
    ],
)
def test_arguments_that_a_command_cannot_have(arguments, words, text):
    with pytest.raises(CommandLineError) as caught:
        read(arguments, *words)
    assert text in caught.value.summary


def test_usage_is_shown_where_a_word_is_missing():
    with pytest.raises(CommandLineError) as caught:
        read(CopyArguments)
    assert "usage: hermpkg [OPTIONS] copy FROM TO...\n" in caught.value.next_step
    assert "example: hermpkg copy a b" in caught.value.next_step
