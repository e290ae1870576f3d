"""Commands of other build tools are answered by commands that there are."""

import re

import pytest

from hermpkg_build.cli.commands import command_names, find_command, unknown_command
from hermpkg_build.cli.words_of_others import ANSWERS


@pytest.mark.parametrize("answer", ANSWERS.values())
def test_an_answer_names_commands_and_options_that_there_are(answer):
    named = re.findall(r"hermpkg (\w+)", answer)
    assert {*named} <= {*command_names()}
    for name, option in re.findall(r"hermpkg (\w+) (--[\w-]+)", answer):
        from hermpkg_build.cli.arguments import own_options

        known = {each for option in own_options(find_command(name).arguments) for each in option.names}
        assert option in known


def test_no_word_has_two_answers():
    words = " ".join(ANSWERS).split()
    assert len(words) == len({*words})


@pytest.mark.parametrize("word", ["graph", "fmt", "tailor", "run", "shutdown"])
def test_commands_of_other_tools_are_answered(word):
    if word not in command_names():
        assert unknown_command(word).next_step in ANSWERS.values()
