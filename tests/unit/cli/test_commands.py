"""Every module of `hermpkg_build.cli.commands` is a command that can be called, read about and tried."""

import itertools
import shlex

import pytest

from hermpkg_build.cli.arguments import option_groups, own_options, parse
from hermpkg_build.cli.commands import all_commands, command_names, find_command


@pytest.mark.parametrize("name", command_names())
def test_a_command_is_found_by_its_name(name):
    assert find_command(name).name == name


@pytest.mark.parametrize("name", ["", "bild", "__init__", "//models:resnet", "build.py"])
def test_other_words_are_no_commands(name):
    assert find_command(name) is None


@pytest.mark.parametrize("command", all_commands(), ids=lambda command: command.name)
def test_help_has_a_summary_and_an_example_that_can_be_called(command):
    assert command.summary
    program, name, *words = shlex.split(command.example)
    assert (program, name) == ("hermpkg", command.name)
    plain, given, problems = parse(words, command.arguments)
    assert not problems
    command.read(plain, given)


@pytest.mark.parametrize("command", all_commands(), ids=lambda command: command.name)
def test_no_option_is_spelled_like_another(command):
    groups = option_groups(command.arguments).values()
    options = [*own_options(command.arguments), *itertools.chain.from_iterable(groups)]
    names = [name for option in options for name in option.names]
    assert len(names) == len(set(names))
