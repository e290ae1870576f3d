"""Reads the words of a command line by tables of options.

Not argparse: a word such as ``-//models:big`` is a pattern here, the options that hold for every
command may stand before or after its name, and a table costs nothing at start-up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hermpkg_build.cli.console import Console
from hermpkg_build.errors import CommandLineError, ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option: its spellings, the first of them its name, and what its value is called ("" for a flag).

    Where a value `may_be_empty`, that says something else than leaving the option out.
    """

    names: tuple[str, ...]
    help: str
    value: str = ""
    choices: tuple[str, ...] = ()
    may_be_empty: bool = False

    @property
    def name(self) -> str:
        """The option's key among parsed options: ``keep-going``."""
        return self.names[0].lstrip("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the options for every command say.

    `cache_directory` is absolute; `verbosity` is -1 for quiet, 0, or 1 and more for verbose.
    """

    cache_directory: str
    jobs: int
    json: bool
    verbosity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One call of a command: its words, the options given to it by name, the settings, the console.

    `given` has all values of each option in their order, `options` the last, which holds.
    """

    words: tuple[str, ...]
    given: Mapping[str, tuple[str, ...]]
    settings: Settings
    console: Console

    @property
    def options(self) -> Mapping[str, str]:
        """The value that holds of each option."""
        return last_of(self.given)

    def has(self, option: str) -> bool:
        """Whether the flag `option` was given."""
        return option in self.options


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: how it is called, what it does, the options of its own, and the function that does it.

    `least` and `most` bound the number of words it takes; `most` None is no bound.
    """

    name: str
    words: str
    summary: str
    run: Callable[[Invocation], ExitCode]
    options: tuple[Option, ...] = ()
    least: int = 0
    most: int | None = 0

    def check_words(self, words: Sequence[str]) -> None:
        """Raise CommandLineError where there are too few or too many words."""
        usage = f"usage: hermpkg {self.name} {self.words}".rstrip()
        if len(words) < self.least:
            raise CommandLineError(f"{self.name} needs {self.words}", next_step=usage)
        if self.most is not None and len(words) > self.most:
            raise CommandLineError(
                f"{self.name} was given a word too many: {words[self.most]!r}", next_step=usage
            )


def is_option(word: str) -> bool:
    """Whether `word` is spelled like an option; ``-//x`` and ``-:x`` take targets away instead."""
    return len(word) > 1 and word[0] == "-" and not word.startswith(("-//", "-:", "-@", "-..."))


def first_word(words: Sequence[str], options: Sequence[Option]) -> int | None:
    """The index of the first word that is neither an option nor an option's value."""
    takes_value = {name for option in options if option.value for name in option.names}
    position = 0
    while position < len(words):
        word = words[position]
        if word == "--":
            return None
        if not is_option(word):
            return position
        position += 2 if word in takes_value else 1
    return None


def parse(
    words: Sequence[str], options: Sequence[Option]
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Split `words` into plain words and options: by name, the values that each was given, in order.

    A flag is given "" each time. Raises CommandLineError for an unknown option, a missing value, a
    value to a flag, and a value that is none of the option's choices.
    """
    by_name = {name: option for option in options for name in option.names}
    plain: list[str] = []
    found: dict[str, tuple[str, ...]] = {}
    rest = iter(words)
    for word in rest:
        if word == "--":
            plain.extend(rest)
        elif not is_option(word):
            plain.append(word)
        else:
            name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
            option = by_name.get(name)
            if option is None:
                option, value, equals = _joined(word, by_name)
            if not option.value:
                if equals:
                    raise CommandLineError(f"{name} takes no value, but was given {value!r}")
            else:
                value = _checked(option, name, value if equals else next(rest, None))
            found[option.name] = (*found.get(option.name, ()), value)
    return tuple(plain), found


def last_of(given: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The last value of each option: the one that holds where only one can."""
    return {name: values[-1] for name, values in given.items()}


def _joined(word: str, by_name: Mapping[str, Option]) -> tuple[Option, str, str]:
    """Read ``-j4`` and ``-C/there``; everything else that has come this far is unknown."""
    option = by_name.get(word[:2])
    if option is not None and option.value and not word.startswith("--"):
        return option, word[2:], "="
    from hermpkg_build.core.spelling import question

    name = word.partition("=")[0]
    raise CommandLineError(
        f"unknown option {name}", next_step=question(name, by_name) or "hermpkg --help lists the options"
    )


def _checked(option: Option, name: str, value: str | None) -> str:
    if value is None or (not value and not option.may_be_empty):
        raise CommandLineError(f"{name} needs a value: {name} {option.value}")
    if option.choices and value not in option.choices:
        from hermpkg_build.core.spelling import question

        choices = ", ".join(option.choices)
        raise CommandLineError(
            f"{name} cannot be {value!r}",
            facts=[("choices", choices)],
            next_step=question(value, option.choices),
        )
    return value
