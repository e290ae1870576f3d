"""``hermpkg completion``."""

from __future__ import annotations

from hermpkg_build.cli.arguments import operand, operands
from hermpkg_build.cli.command import CommonArguments, command
from hermpkg_build.cli.commands import command_names, find_command
from hermpkg_build.cli.console import Console
from hermpkg_build.core.spelling import question
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import CommandLineError, ExitCode

_ANSWER = "answer"
"""What the scripts ask for: behind it stands the line that is being typed, word by word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionArguments(CommonArguments):
    """What ``hermpkg completion`` is told."""

    shell: str = operand("SHELL")
    line: tuple[str, ...] = operands("[LINE...]")


@command(
    CompletionArguments,
    group="the workspace and hermpkg itself",
    example="hermpkg completion bash",
)
def run(arguments: CompletionArguments, console: Console) -> ExitCode:
    """Print the script that completes command lines of hermpkg in a shell: ``bash``, ``zsh`` or ``fish``.

    Commands, options, their values, targets and files are completed. To have it always, put one of these
    lines into the file that the shell reads at its start:

    - ``eval "$(hermpkg completion bash)"`` into ``~/.bashrc``
    - ``eval "$(hermpkg completion zsh)"`` into ``~/.zshrc``, behind ``compinit``
    - ``hermpkg completion fish | source`` into ``~/.config/fish/config.fish``
    """
    if arguments.shell == _ANSWER:
        from hermpkg_build.cli.completion.candidates import candidates

        for each in candidates(arguments.line, command_names(), find_command):
            console.say("\t".join([each.kind, each.text, each.meaning]))
        return ExitCode.SUCCESS
    from hermpkg_build.cli.completion.scripts import SCRIPTS

    if arguments.shell not in SCRIPTS or arguments.line:
        raise CommandLineError(
            f"hermpkg completes command lines of {', '.join(SCRIPTS)}, not of {arguments.shell!r}",
            next_step=question(arguments.shell, SCRIPTS) or "example: hermpkg completion bash",
        )
    console.give_json({"script": SCRIPTS[arguments.shell]})
    for line in SCRIPTS[arguments.shell].splitlines():
        console.say(line)
    return ExitCode.SUCCESS
