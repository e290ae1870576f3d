"""``hermpkg query``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operands, option
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console, error_json
from hermpkg_build.cli.operands import current_workspace
from hermpkg_build.cli.remote import PythonArguments, build_in_chosen_python
from hermpkg_build.core.texts import counted
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import CommandLineError, ExitCode, GroupedError, HermpkgError
from hermpkg_build.query.formats import FORMATS, ORDERS

if TYPE_CHECKING:
    from hermpkg_build.query.formats import Asked

_JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryArguments(PythonArguments):
    """What ``hermpkg query`` is told."""

    words: tuple[str, ...] = operands("[EXPR...]")
    query_file: str = option(
        "--query_file, --query-file FILE", "read the expression from FILE", read=str, default=""
    )
    output: str = option(
        "--output FORMAT",
        f"how to print the answer: {', '.join(f'`{name}`' for name in (*FORMATS, _JSON))}",
        read=str,
        default="label",
        choices=(*FORMATS, _JSON),
    )
    order: str = option(
        "--order_output, --order-output ORDER",
        "`auto`: by label, a `somepath` from its start; `deps` or `full`: each before what it depends on; "
        "`no`: any order",
        read=str,
        default="auto",
        choices=ORDERS,
    )
    modules: bool = flag("--modules", "ask the graph of modules and their imports too")
    keep_going: bool = flag(
        "-k, --keep_going, --keep-going", "answer as far as possible although something is wrong; exit with 3"
    )
    unfactored: bool = flag(
        "--nograph:factored, --unfactored",
        "draw targets that have the same edges apart in `graph`, `mermaid`",
    )


@command(QueryArguments, group="look into artifacts", example='hermpkg query "deps(//models:resnet)"')
def run(arguments: QueryArguments, console: Console) -> ExitCode:
    """Ask what depends on what, in the language of Bazel's query.

    The answers are those of Bazel for the same BUILD files. With ``--modules`` source files also depend on
    what they import, of the workspace and of the Python environment: ``@python//kornia/feature:loftr.py``.
    No code of the workspace runs. The exit code is 7 where a query cannot be answered, and 3 where
    ``--keep-going`` answers it in part.
    """
    from hermpkg_build.cli.progress import Display
    from hermpkg_build.engine.queries.opening import QueryGraphs, QueryPlace
    from hermpkg_build.query.evaluation import answer
    from hermpkg_build.query.formats import Asked
    from hermpkg_build.query.parser import parse

    if arguments.modules:
        build_in_chosen_python(arguments)
    text = _expression(arguments)
    parse(text)
    with closing(Display(console, explain=False)) as display:
        place = QueryPlace(
            workspace=current_workspace(),
            directory=os.getcwd(),
            cache_directory=arguments.cache_dir,
            jobs=arguments.jobs,
            observer=display,
        )
        with closing(QueryGraphs(place)) as graphs:
            question = (text, arguments.output, arguments.order, "unfactored" * arguments.unfactored)
            is_json = console.json or arguments.output == _JSON
            known = None if is_json else graphs.recall(question, modules=arguments.modules)
            if known is not None:
                console.say_all(known)
                return ExitCode.SUCCESS
            graph = graphs.modules() if arguments.modules else graphs.targets()
            asked = Asked(
                answer=answer(text, graph),
                graph=graph,
                order=arguments.order,
                factored=not arguments.unfactored,
            )
            if is_json:
                return _give_json(asked, arguments.keep_going, console)
            code, lines = _give(asked, arguments, console)
            if code is ExitCode.SUCCESS and lines:
                graphs.remember(question, lines, modules=arguments.modules)
            return code


def _expression(arguments: QueryArguments) -> str:
    if bool(arguments.words) == bool(arguments.query_file):
        raise CommandLineError(
            "hermpkg query needs one expression: as words, or with --query-file",
            next_step='example: hermpkg query "deps(//models:resnet)"',
        )
    if not arguments.query_file:
        return " ".join(arguments.words)
    try:
        with open(arguments.query_file, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandLineError(
            f"cannot read {arguments.query_file}", facts=[("reason", str(error))]
        ) from None


def _problems(asked: Asked, *, keep_going: bool) -> Sequence[HermpkgError]:
    """Return what was wrong. Raises QueryError or GroupedError unless it is wished to go on."""
    problems = asked.answer.problems
    if problems and not keep_going:
        if len(problems) == 1:
            raise problems[0]
        step = "--keep-going answers as far as possible"
        raise GroupedError(counted(len(problems), "error"), problems, next_step=step)
    return problems


def _give_json(asked: Asked, keep_going: bool, console: Console) -> ExitCode:
    from hermpkg_build.query.formats import as_json

    problems = _problems(asked, keep_going=keep_going)
    value = {**as_json(asked), "errors": [error_json(error) for error in problems]}
    Console(json=True).give_json(value)
    for error in problems:
        console.describe(error)
    return ExitCode.TESTS_FAILED if problems else ExitCode.SUCCESS


def _give(asked: Asked, arguments: QueryArguments, console: Console) -> tuple[ExitCode, list[str]]:
    """Print the lines of an answer, and return them; where something was wrong, only if that is wished."""
    problems = _problems(asked, keep_going=arguments.keep_going)
    lines = list(FORMATS[arguments.output](asked))
    console.say_all(lines)
    if not asked.answer.labels:
        console.note("nothing is of that kind: the answer is empty")
    for error in problems:
        console.describe(error)
    return ExitCode.TESTS_FAILED if problems else ExitCode.SUCCESS, lines
