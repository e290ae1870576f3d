"""``hermpkg init``."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operand, option
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console, error_json
from hermpkg_build.cli.factory_options import (
    Argument,
    argument_option,
    check_named_options,
    check_weights_options,
    extern_option,
    intern_option,
    weights_key_option,
    weights_option,
    weights_prefix_option,
)
from hermpkg_build.cli.remote import EngineArguments, build_in_chosen_python
from hermpkg_build.cli.styles import faint, strong
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ExitCode, HermpkgError
from hermpkg_build.printable import pasteable

if TYPE_CHECKING:
    from hermpkg_build.core.canonical_json import Json
    from hermpkg_build.generate.project.init import InitPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class InitArguments(EngineArguments):
    """What ``hermpkg init`` is told."""

    factory: str = operand("[MODULE:FACTORY]")
    weights: str = weights_option()
    weights_key: str = weights_key_option()
    weights_prefix: str = weights_prefix_option()
    arguments: tuple[Argument, ...] = argument_option()
    example: str = option(
        "--example MODULE:FUNCTION",
        "let the test call the model with what the function returns (default: `example` beside the factory)",
        read=str,
        default="",
    )
    extern: tuple[str, ...] = extern_option()
    intern: tuple[str, ...] = intern_option()
    name: str = option(
        "--name NAME", "call the artifact NAME (default: the project's name)", read=str, default=""
    )
    dry_run: bool = flag("--dry-run", "show the files, and write and build nothing")
    force: bool = flag("--force", "overwrite files that are there")


@command(InitArguments, group="build and test", example="hermpkg init app.model:make")
def run(arguments: InitArguments, console: Console) -> ExitCode:
    """Make a workspace of a project as it is, and build and test its artifact.

    The function is run once, as builds run it, to see what it imports and reads. Written are BUILD files,
    the program of a test, and the table ``[tool.hermpkg]`` in ``pyproject.toml``. BUILD files that are there
    get what they lack, and nothing is overwritten without ``--force``. Where the build or the test then
    fails, the files stay, to be corrected. Without a function, those are shown that seem to return a model.
    """
    from hermpkg_build.generate.project.init import InitRequest, plan_init

    check_weights_options(arguments.weights, arguments.weights_key, arguments.weights_prefix)
    check_named_options(arguments.intern, arguments.extern)
    build_in_chosen_python(arguments)
    plan = plan_init(
        InitRequest(
            directory=os.getcwd(),
            factory=arguments.factory,
            arguments=dict(arguments.arguments),  # type: ignore[arg-type]
            weights=arguments.weights,
            weights_key=arguments.weights_key or None,
            weights_prefix=arguments.weights_prefix or None,
            example=arguments.example,
            intern=arguments.intern,
            extern=arguments.extern,
            name=arguments.name,
            force=arguments.force,
            cache_directory=arguments.cache_dir,
            jobs=arguments.jobs,
        ),
        console.note,
    )
    _tell(plan, console, dry_run=arguments.dry_run)
    value: dict[str, Json] = {
        "root": plan.root,
        "files": dict(plan.files.texts),
        "decided": [[title, text] for title, text in plan.decided],
        "notes": list(plan.notes),
        "commands": [f"hermpkg {plan.label}", f"hermpkg test {plan.test}"],
    }
    if arguments.dry_run:
        console.give_json(value)
        return ExitCode.SUCCESS
    plan.files.write()
    code, outcome = _build_and_test(plan, arguments, console)
    console.give_json({**value, **outcome})
    if code is ExitCode.SUCCESS:
        console.mention("")
        console.mention("from now on:")
        console.mention("  hermpkg ", strong(plan.label))
        console.mention("  hermpkg test ", strong(plan.test))
    return code


def _tell(plan: InitPlan, console: Console, *, dry_run: bool) -> None:
    from hermpkg_build.core.texts import aligned

    last = ""
    rows = []
    for title, text in plan.decided:
        rows.append((title if title != last else "", text))
        last = title
    for line in aligned(rows):
        console.mention(line)
    for note in plan.notes:
        console.warn(note)
    console.mention("")
    changed = plan.files.changed()
    for path, text in plan.files.texts.items():
        if dry_run:
            console.say(strong(f"--- {path}"))
            for line in text.splitlines():
                console.say(line)
            console.say("")
        else:
            console.mention("writes  ", path, "" if path in changed else faint("  (as it was)"))


def _build_and_test(
    plan: InitPlan, arguments: InitArguments, console: Console
) -> tuple[ExitCode, dict[str, Json]]:
    """Build and test as the command ``test`` does; where that fails, say that the files stay."""
    from hermpkg_build.cli.building import ask_engine, result_json
    from hermpkg_build.cli.commands.test import tell_test
    from hermpkg_build.cli.events import test_json
    from hermpkg_build.engine.build import run_tests
    from hermpkg_build.engine.test_options import TestOptions

    os.chdir(plan.root)
    failed = f"the files stay: correct them, then run {pasteable('hermpkg', 'test', str(plan.test))}"
    try:
        outcome = ask_engine(
            partial(run_tests, options=TestOptions()),
            [plan.test],
            arguments,
            console,
            tell_test=partial(tell_test, console, "errors"),
        )
    except HermpkgError as error:
        console.describe(error)
        console.note(failed)
        return error.exit_code, {"error": error_json(error)}
    value: dict[str, Json] = {
        **result_json(outcome.build),
        "tests": [test_json(result) for result in outcome.tests],
    }
    if outcome.failure is None and all(result.status == "passed" for result in outcome.tests):
        return ExitCode.SUCCESS, value
    if outcome.failure is not None:
        console.describe(outcome.failure)
        value["error"] = error_json(outcome.failure)
    console.note(failed)
    return outcome.failure.exit_code if outcome.failure is not None else ExitCode.TESTS_FAILED, value
