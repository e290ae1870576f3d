"""``hermpkg allow``."""

from __future__ import annotations

import os

from hermpkg_build.cli.arguments import flag
from hermpkg_build.cli.command import CommonArguments, command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.operands import current_workspace
from hermpkg_build.core.texts import aligned
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import CommandLineError, ExitCode, LocalEnvironmentError


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowArguments(CommonArguments):
    """What ``hermpkg allow`` is told."""

    deny: bool = flag("--deny", "build without the servers, and be told no more that they are not used")
    forget: bool = flag("--forget", "take back an earlier answer")
    show: bool = flag("--show", "show what is asked, and answer nothing")


@command(AllowArguments, group="the workspace and hermpkg itself", example="hermpkg allow --show")
def run(arguments: AllowArguments, console: Console) -> ExitCode:
    """Agree to the servers and programs that the settings of this workspace name.

    Shows which these are: servers that work is shared with, programs that give credentials, files outside of
    the workspace that are sent as credentials. The answer holds for this folder, until one of these settings,
    or a program of them that lies in the workspace, changes. It is kept in the folder of your own settings.

    What options name, and workspaces in ``HERMPKG_TRUST``, need no answer.
    """
    from hermpkg_build.disk.consent import Answer, keep_answer
    from hermpkg_build.loading.remote_settings import asked_of

    if arguments.deny + arguments.forget + arguments.show > 1:
        raise CommandLineError("--deny, --forget and --show do not go together")
    workspace = current_workspace()
    asked = asked_of(workspace, {})
    if asked is None:
        console.give_json({"asked": [], "answer": ""})
        console.note("nothing is asked: no setting of this workspace needs consent, or it is trusted")
        return ExitCode.SUCCESS
    answer: Answer = "denied" if arguments.deny else "" if arguments.forget else "allowed"
    if arguments.show:
        answer = asked.answer
    else:
        try:
            keep_answer(workspace.root, asked.digest, answer, os.environ)
        except OSError as error:
            raise LocalEnvironmentError(
                "the answer cannot be kept", facts=[("reason", error.strerror or str(error))]
            ) from None
    console.give_json(
        {"asked": [{"setting": key, "value": value} for key, value in asked.facts], "answer": answer}
    )
    for line in aligned([(f"{key}:", value) for key, value in asked.facts]):
        console.say(line)
    console.note(f"{answer or 'not answered'}: {workspace.root}")
    return ExitCode.SUCCESS
