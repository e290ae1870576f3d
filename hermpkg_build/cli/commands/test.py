"""``hermpkg test``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operands
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console, bad, error_json, good, strong
from hermpkg_build.cli.remote import EngineArguments
from hermpkg_build.errors import ExitCode

if TYPE_CHECKING:
    from hermpkg_build.core.canonical_json import Json
    from hermpkg_build.engine.test_results import PackageTestResult


@dataclass(frozen=True, slots=True, kw_only=True)
class TestArguments(EngineArguments):
    """What ``hermpkg test`` is told."""

    patterns: tuple[str, ...] = operands("PATTERN...")
    explain: bool = flag("--explain", "say why each target was built again")
    keep_going: bool = flag("-k, --keep-going", "build and test what can be built although a target fails")


@command(TestArguments, group="build and test", example="hermpkg test //models:resnet_test")
def run(arguments: TestArguments, console: Console) -> ExitCode:
    """Run package_test targets against their artifacts.

    Each runs in a process of its own where the modules that its artifact holds cannot be imported from this
    machine. ``$HERMPKG_ARTIFACT`` and the first argument name the artifact. A test that passed is not run
    again until something it depends on changes. With ``-k`` the tests of what could be built run although
    another target failed, and the exit code is that of the failed build.
    """
    from hermpkg_build.cli.building import ask_engine, result_json
    from hermpkg_build.engine.build import run_tests

    outcome = ask_engine(
        run_tests,
        arguments.patterns,
        arguments,
        console,
        keep_going=arguments.keep_going,
        explain=arguments.explain,
    )
    tests: list[Json] = [_result_json(result) for result in outcome.tests]
    failure = outcome.failure
    console.give_json(
        {
            **result_json(outcome.build),
            "tests": tests,
            **({"error": error_json(failure)} if failure else {}),
        }
    )
    for result in outcome.tests:
        _tell(console, result)
    passed = sum(result.status == "passed" for result in outcome.tests)
    console.mention(f"{passed} of {len(tests)} tests passed")
    if failure is not None:
        console.describe(failure)
        return failure.exit_code
    return ExitCode.SUCCESS if passed == len(tests) else ExitCode.TESTS_FAILED


def _tell(console: Console, result: PackageTestResult) -> None:
    how = "earlier, with the same inputs" if result.cached else f"in {result.seconds:.1f} s"
    if result.failure is None:
        console.mention(strong(result.label), "  ", good("passed"), f"  {how}")
    else:
        console.say(strong(result.label), "  ", bad("failed"), f"  {how}")
        console.describe(result.failure)


def _result_json(result: PackageTestResult) -> dict[str, Json]:
    return {
        "label": result.label,
        "status": result.status,
        "cached": result.cached,
        "seconds": round(result.seconds, 3),
        "failure": None if result.failure is None else error_json(result.failure),
    }
