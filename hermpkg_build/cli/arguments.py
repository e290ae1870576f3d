"""A command's arguments as the fields of a dataclass: the one table for parsing, help and the reference page.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class BuildArguments(CommonArguments):
        patterns: tuple[str, ...] = operands("PATTERN...")
        keep_going: bool = flag("-k, --keep-going", "build what can be built although a target fails")
        out: str | None = option("-o, --out FILE", "write the artifact to FILE", read=str, default=None)

Not argparse: a word such as ``-//models:big`` is a target pattern here, the options of every command may
stand before or after its name, and a table costs nothing at start-up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias, TypeVar

from hermpkg_build.core.file_kinds import FileKind
from hermpkg_build.core.spelling import question
from hermpkg_build.dataclass import dataclass, field, fields
from hermpkg_build.errors import CommandLineError

T = TypeVar("T")

Given: TypeAlias = Mapping[str, tuple[str, ...]]
"""The values of each given option, in their order, by the option's `name`; each time "" for a flag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of the command line.

    `names` are its spellings, the long one last; `value` is what help calls its value, "" for a flag.
    `default` says in words what holds without it. The last value holds, or all of them where it `may_repeat`.
    `writes` is the kind of file that is written to the path that the value is, None for all other values.
    Where a value `may_be_empty`, "" means something else than leaving the option out. `read` makes the value
    of a text, or raises ValueError with what the option needs: ``"a whole number from 1"``.
    """

    names: tuple[str, ...]
    help: str
    value: str = ""
    default: str = ""
    choices: tuple[str, ...] = ()
    may_be_empty: bool = False
    may_repeat: bool = False
    read: Callable[[str], object] = str
    writes: FileKind | None = None

    @property
    def name(self) -> str:
        """The option's name in `Given`: ``keep-going``."""
        return self.names[-1].lstrip("-")

    def value_of(self, given: Given) -> object:
        """Read the last of the option's values, or all where it may repeat. Raises CommandLineError."""
        texts = given[self.name]
        try:
            if self.may_repeat:
                return tuple(self.read(text := each) for each in texts)
            return self.read(text := texts[-1])
        except ValueError as error:
            raise CommandLineError(f"{self.names[-1]} needs {error}, not {text!r}") from None


def operand(form: str) -> str:
    """Declare a field for one word; `form` is how usage shows it, ``[FILE]`` where it may be left out."""
    value: str = field(default="", metadata={"operand": form})
    return value


def operands(form: str) -> tuple[str, ...]:
    """Declare a field for all words left, at least one unless `form` is in brackets: ``[PATTERN...]``."""
    value: tuple[str, ...] = field(default=(), metadata={"operand": form})
    return value


def flag(form: str, help: str) -> bool:
    """Declare a field that is True where its option is given; `form` is how help shows it."""
    option = Option(names=tuple(form.split(", ")), help=help, read=lambda _: True)
    value: bool = field(default=False, metadata={"option": option})
    return value


def option(
    form: str,
    help: str,
    *,
    read: Callable[[str], T],
    default: T | Callable[[], T],
    choices: tuple[str, ...] = (),
    writes: FileKind | None = None,
) -> T:
    """Declare a field for an option with a value; `form` is how help shows it: ``-o, --out FILE``.

    `default` may be a function, which is called where the option is not given. For an option whose value is
    the path of a file to write, `writes` says of what kind: nothing else is overwritten.
    """
    names, _, value = form.rpartition(" ")
    option = Option(
        names=tuple(names.split(", ")),
        help=help,
        value=value,
        default="" if callable(default) or default is None else str(default),
        choices=choices,
        read=read,
        writes=writes,
    )
    make: Callable[[], T] = default if callable(default) else lambda: default
    made: T = field(default_factory=make, metadata={"option": option})
    return made


def name_and_value(text: str) -> tuple[str, str]:
    """Read ``NAME=VALUE``, for an option.

    >>> name_and_value("A=b=c")
    ('A', 'b=c')
    """
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError("NAME=VALUE")
    return name, value


def repeated(form: str, help: str, *, read: Callable[[str], T]) -> tuple[T, ...]:
    """Declare a field for all the values of an option that may be given several times."""
    names, _, value = form.rpartition(" ")
    option = Option(names=tuple(names.split(", ")), help=help, value=value, may_repeat=True, read=read)
    values: tuple[T, ...] = field(default=(), metadata={"option": option})
    return values


def option_group(title: str, table: Callable[[], Sequence[Option]]) -> Given:
    """Declare a field for what is given, as texts, of many options that help shows under `title`.

    `table` is called where an option is spelled like none of the others, and for help.
    """
    value: Given = field(default_factory=dict, metadata={"title": title, "table": table})
    return value


def operand_forms(arguments: type[Any]) -> list[str]:
    """Return the words that a command takes, as usage shows them."""
    return [each.metadata["operand"] for each in fields(arguments) if "operand" in each.metadata]


def own_options(arguments: type[Any]) -> list[Option]:
    """Return the options of `arguments` that are fields of their own."""
    return [each.metadata["option"] for each in fields(arguments) if "option" in each.metadata]


def option_groups(arguments: type[Any]) -> dict[str, Sequence[Option]]:
    """Return the other options of `arguments`, by the title they have in help."""
    return {
        each.metadata["title"]: each.metadata["table"]()
        for each in fields(arguments)
        if "table" in each.metadata
    }


def parse(
    words: Sequence[str], arguments: type[Any]
) -> tuple[list[str], dict[str, tuple[str, ...]], list[CommandLineError]]:
    """Split `words` into plain words and the options of `arguments`.

    What is wrong is collected, not raised: an unknown option, a missing value, a value to a flag, and a
    value that is none of the option's choices.
    """
    plain, given, wrong = _split(words, arguments)
    return plain, given, [tell() for tell in wrong]


def plain_words(words: Sequence[str], arguments: type[Any]) -> tuple[list[str], bool]:
    """Return the `words` that are neither options nor their values, and whether all options are right."""
    plain, _, wrong = _split(words, arguments)
    return plain, not wrong


def _split(
    words: Sequence[str], arguments: type[Any]
) -> tuple[list[str], dict[str, tuple[str, ...]], list[Callable[[], CommandLineError]]]:
    """See `parse`; what is wrong is told when it is asked for, because advice costs time."""
    table = _by_name(own_options(arguments))
    plain: list[str] = []
    given: dict[str, tuple[str, ...]] = {}
    wrong: list[Callable[[], CommandLineError]] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            plain.extend(rest)
        elif not is_option(word):
            plain.append(word)
        else:
            if not _find(_name_and_value(word)[0], table):
                for group in option_groups(arguments).values():
                    table.update(_by_name(group))
            try:
                option, value = _parse_option(word, rest, table)
                given[option.name] = (*given.get(option.name, ()), value)
            except _UnknownOptionError as error:
                wrong.append(error.told)
            except CommandLineError as error:
                wrong.append(partial(_same, error))
    return plain, given, wrong


def _same(error: CommandLineError) -> CommandLineError:
    return error


class _UnknownOptionError(Exception):
    """A word is spelled like an option, and none of the `known` names is that."""

    def __init__(self, word: str, known: Mapping[str, Option]) -> None:
        self.spelled, self.known = word.partition("=")[0], known

    def told(self) -> CommandLineError:
        return CommandLineError(
            f"unknown option {self.spelled}",
            next_step=question(self.spelled, self.known)
            or "hermpkg COMMAND --help lists the options of a command",
        )


def _by_name(options: Iterable[Option]) -> dict[str, Option]:
    return {name: option for option in options for name in option.names}


def is_option(word: str) -> bool:
    """Whether `word` is spelled like an option; ``-//x``, ``-:x`` and ``-./x`` take targets away instead."""
    return len(word) > 1 and word[0] == "-" and not word.startswith(("-/", "-:", "-@", "-."))


def _name_and_value(word: str) -> tuple[str, str | None]:
    """Split ``--jobs=4`` and ``-j4``."""
    if not word.startswith("--"):
        return word[:2], word[2:] or None
    name, equals, value = word.partition("=")
    return name, value if equals else None


def _find(name: str, table: Mapping[str, Option]) -> Option | None:
    """The option with this name, or with Bazel's way to write it: ``--test_output``."""
    return table.get(name) or table.get(name.replace("_", "-"))


def _parse_option(word: str, rest: Iterator[str], table: Mapping[str, Option]) -> tuple[Option, str]:
    """The option that `word` spells, and its value: the one in `word`, else the first of `rest`."""
    name, value = _name_and_value(word)
    option = _find(name, table)
    if option is None or (value and not option.value and not word.startswith("--")):
        raise _UnknownOptionError(word, table)
    if not option.value:
        if value is not None:
            raise CommandLineError(f"{name} takes no value, but was given {value!r}")
        return option, ""
    value = next(rest, None) if value is None else value
    if value is None or (not value and not option.may_be_empty):
        raise CommandLineError(f"{name} needs a value: {name} {option.value}")
    if option.choices and value not in option.choices:
        raise CommandLineError(
            f"{name} cannot be {value!r}",
            facts=[("choices", ", ".join(option.choices))],
            next_step=question(value, option.choices),
        )
    return option, value


def whole_number(least: int) -> Callable[[str], int]:
    """Return the reader of a number that is at least `least`.

    >>> whole_number(1)("4")
    4
    >>> whole_number(1)("0")
    Traceback (most recent call last):
    ValueError: a whole number from 1
    """

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise ValueError(f"a whole number from {least}")
        return int(text)

    return read
