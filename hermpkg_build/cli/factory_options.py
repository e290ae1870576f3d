"""The options of the commands that call a factory: its arguments, and the weights that its model gets."""

from __future__ import annotations

from hermpkg_build.cli.arguments import option, repeated
from hermpkg_build.core.canonical_json import loads
from hermpkg_build.errors import CommandLineError

Argument = tuple[str, object]


def argument_option() -> tuple[Argument, ...]:
    """The option of arguments, for the class of a command."""
    return repeated("--arg NAME=JSON", "give the factory an argument; may be repeated", read=_argument)


def weights_option() -> str:
    """The option of the file, for the class of a command."""
    return option(
        "--weights FILE",
        "load these weights into the model: .safetensors, an index of these, or what torch.save wrote",
        read=str,
        default="",
    )


def weights_key_option() -> str:
    """The option of what in the file is loaded, for the class of a command."""
    return option(
        "--weights-key KEY",
        "take this part of the weights; without it, the one that fits and has a usual name, as state_dict",
        read=str,
        default="",
    )


def weights_prefix_option() -> str:
    """The option of how the names of what is loaded begin, for the class of a command."""
    return option(
        "--strip-prefix, --weights-prefix PREFIX",
        "take what has this prefix in the weights, and strip it; without it, what the usual wrappers add",
        read=str,
        default="",
    )


def extern_option() -> tuple[str, ...]:
    """The option of what stays outside, for the class of a command."""
    return repeated(
        "--extern NAME", "leave a distribution or top-level module outside; may be repeated", read=str
    )


def intern_option() -> tuple[str, ...]:
    """The option of what is packed, for the class of a command."""
    return repeated("--intern NAME", "pack a distribution or top-level module; may be repeated", read=str)


def check_named_options(intern: tuple[str, ...], extern: tuple[str, ...]) -> None:
    """Raise CommandLineError where a name is both to be packed and to be left outside."""
    for name in sorted({*intern} & {*extern}):
        raise CommandLineError(
            f"{name} cannot be both packed and left outside",
            next_step=f"leave out --intern {name} or --extern {name}",
        )


def check_weights_options(weights: str, key: str, prefix: str) -> None:
    """Raise CommandLineError where a part of weights is named, and no file."""
    if not weights and (key or prefix):
        raise CommandLineError(
            "--weights-key and --strip-prefix tell of weights, and there are none",
            next_step="give the file: --weights FILE",
        )


def _argument(text: str) -> Argument:
    """Read ``key=json``; raise ValueError with what is needed."""
    name, equals, value = text.partition("=")
    try:
        if not equals or not name.isidentifier():
            raise ValueError
        return name, loads(value)
    except ValueError:
        raise ValueError("the form NAME=JSON, such as classes=10 or 'name=\"small\"'") from None
