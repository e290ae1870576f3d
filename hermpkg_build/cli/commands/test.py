"""``hermpkg test``."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import Command, Invocation, Option
from hermpkg_build.cli.console import error_json
from hermpkg_build.cli.remote import REMOTE_OPTIONS, chosen_settings, remote_of
from hermpkg_build.core.canonical_json import Json
from hermpkg_build.errors import ExitCode

if TYPE_CHECKING:
    from hermpkg_build.engine.results import PackageTestResult


def run(invocation: Invocation) -> ExitCode:
    """Build what the tests named by the words need, then run the tests."""
    from hermpkg_build.cli.building import build_request, here, make_display, result_json
    from hermpkg_build.engine.build import run_tests

    chosen = chosen_settings(invocation)
    workspace, package = here()
    remote = remote_of(workspace, chosen)
    with closing(make_display(invocation)) as display:
        outcome = run_tests(
            workspace,
            build_request(invocation, package=package),
            invocation.settings.cache_directory,
            display,
            remote=remote,
        )
    failed = [result for result in outcome.tests if result.status == "failed"]
    if invocation.settings.json:
        tests: list[Json] = [_result_json(result) for result in outcome.tests]
        invocation.console.give_json({**result_json(outcome.build), "tests": tests})
    for result in outcome.tests:
        _tell(invocation, result)
    total = len(outcome.tests)
    invocation.console.mention(f"{total - len(failed)} of {total} tests passed")
    return ExitCode.TESTS_FAILED if failed else ExitCode.SUCCESS


def _tell(invocation: Invocation, result: PackageTestResult) -> None:
    console = invocation.console
    label = console.strong(result.label)
    if result.failure is None:
        console.mention(f"{label}  {console.good('passed')}  {_how(result)}")
    else:
        console.say(f"{label}  {console.bad('failed')}  {_how(result)}")
        console.describe(result.failure)


def _how(result: PackageTestResult) -> str:
    return "earlier, with the same inputs" if result.cached else f"in {result.seconds:.1f} s"


def _result_json(result: PackageTestResult) -> dict[str, Json]:
    return {
        "label": result.label,
        "status": result.status,
        "cached": result.cached,
        "seconds": round(result.seconds, 3),
        "failure": None if result.failure is None else error_json(result.failure),
    }


COMMAND = Command(
    name="test",
    words="PATTERN...",
    summary="Runs package_test targets, each in a process where what its artifact holds cannot be imported\n"
    "from this machine.",
    run=run,
    options=(
        Option(names=("--explain",), help="say why each target was built again"),
        Option(names=("--keep-going", "-k"), help="go on although something failed to build"),
        *REMOTE_OPTIONS,
    ),
    least=1,
    most=None,
)
