"""``hermpkg test``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, name_and_value, operands, option, repeated, whole_number
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console, error_json
from hermpkg_build.cli.operands import write_report
from hermpkg_build.cli.recording import RecordedArguments
from hermpkg_build.cli.styles import bad, good, strong
from hermpkg_build.core.file_kinds import JUNIT
from hermpkg_build.core.texts import counted
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ExitCode, HermpkgError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hermpkg_build.core.junit import JUnitCase
    from hermpkg_build.engine.test_options import TestOptions
    from hermpkg_build.engine.test_results import PackageTestResult, TestRunResult

_FILTER = "TESTBRIDGE_TEST_ONLY"
"""The environment variable that Bazel has for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestArguments(RecordedArguments):
    """What ``hermpkg test`` is told. `timeout` and `attempts` are None where they are the targets' own."""

    patterns: tuple[str, ...] = operands("PATTERN...")
    explain: bool = flag("--explain", "say why each target was built again")
    keep_going: bool = flag("-k, --keep-going", "build and test what can be built although a target fails")
    nocache: bool = flag(
        "--nocache, --nocache-test-results", "run tests although they passed with the same inputs"
    )
    timeout: int | None = option(
        "--test-timeout SECONDS",
        "stop tests after so many seconds (default: the `timeout` of each)",
        read=whole_number(1),
        default=None,
    )
    runs: int = option(
        "--runs-per-test N",
        "run each test N times, also where it passed before; it passes when all runs do",
        read=whole_number(1),
        default=1,
    )
    attempts: int | None = option(
        "--flaky-test-attempts N",
        "try a test that fails up to N times (default: 3 for tests that are `flaky`, else 1)",
        read=whole_number(1),
        default=None,
    )
    args: tuple[str, ...] = repeated("--test-arg ARG", "append ARG to the `args` of tests", read=str)
    env: tuple[tuple[str, str], ...] = repeated(
        "--test-env NAME=VALUE", "set an environment variable for tests", read=name_and_value
    )
    filter: str | None = option(
        "--test-filter WORDS",
        f"tell tests in `${_FILTER}` what to run; those written for it run that alone",
        read=str,
        default=None,
    )
    output: str = option(
        "--test-output WHAT",
        "whose output to show: `errors`, that of tests that fail, `all`, or `summary` for none",
        read=str,
        default="errors",
        choices=("summary", "errors", "all"),
    )
    junit: str | None = option(
        "--junit FILE", "write the results to FILE as JUnit XML", read=str, default=None, writes=JUNIT
    )

    @property
    def options(self) -> TestOptions:
        """How tests are run."""
        from hermpkg_build.engine.test_options import TestOptions

        return TestOptions(
            args=self.args,
            env={**dict(self.env), **({} if self.filter is None else {_FILTER: self.filter})},
            timeout=self.timeout,
            runs=self.runs,
            attempts=self.attempts,
            reuse=not self.nocache,
        )


@command(TestArguments, group="build and test", example="hermpkg test //models:resnet_test")
def run(arguments: TestArguments, console: Console) -> ExitCode:
    """Run package_test targets against their artifacts.

    Each runs in a process of its own where the modules that its artifact holds cannot be imported from this
    machine. ``$HERMPKG_ARTIFACT`` and the first argument name the artifact. As many run at once as there are
    jobs, but for those tagged ``exclusive``. A test that passed is not run again until something it depends
    on changes, these options included. With ``-k`` the tests of what could be built run although another
    target failed, and the exit code is that of the failed build.

    Options have the names that Bazel gives them, with ``-`` or ``_`` between words.
    """
    from hermpkg_build.cli.building import ask_engine, result_json
    from hermpkg_build.cli.events import test_json
    from hermpkg_build.engine.build import run_tests

    try:
        outcome = ask_engine(
            partial(run_tests, options=arguments.options),
            arguments.patterns,
            arguments,
            console,
            keep_going=arguments.keep_going,
            explain=arguments.explain,
            tell_test=partial(tell_test, console, arguments.output),
        )
    except HermpkgError as error:
        _write_junit(arguments, [_case(" ".join(arguments.patterns), error)])
        raise
    _write_junit(arguments, [*_cases(outcome)])
    failure = outcome.failure
    console.give_json(
        {
            **result_json(outcome.build),
            "tests": [test_json(result) for result in outcome.tests],
            **({"error": error_json(failure)} if failure else {}),
        }
    )
    passed = sum(result.status == "passed" for result in outcome.tests)
    flaky = sum(result.is_flaky for result in outcome.tests if result.status == "passed")
    console.mention(
        f"{passed} of {len(outcome.tests)} tests passed" + (f", {flaky} of them flaky" if flaky else "")
    )
    if failure is not None:
        console.describe(failure)
        return failure.exit_code
    return ExitCode.SUCCESS if passed == len(outcome.tests) else ExitCode.TESTS_FAILED


def tell_test(console: Console, output: str, result: PackageTestResult) -> None:
    """Print how a test went; `output` is one of the choices of ``--test-output``."""
    label, how = strong(result.label), _how(result)
    if result.failure is None:
        console.mention(label, "  ", good("passed"), f"  {how}")
    else:
        console.say(label, "  ", bad("failed"), f"  {how}")
    if output == "summary":
        return
    for failure in result.failures:
        console.describe(failure)
    if output == "all" and not result.cached and result.output:
        for line in result.output.rstrip("\n").splitlines():
            console.say(f"  {line}")


def _how(result: PackageTestResult) -> str:
    """Say how a test went: in how many runs and attempts, and how long that took."""
    words = []
    if result.runs > 1:
        count = result.failed_runs if result.status == "failed" else result.runs
        words.append(f"in {count} of {counted(result.runs, 'run')}")
    if result.is_flaky:
        words.append(f"flaky, {counted(result.attempts, 'attempt')}")
    elif result.attempts > result.runs:
        words.append(counted(result.attempts, "attempt"))
    words.append("earlier, with the same inputs" if result.cached else f"in {result.seconds:.1f} s")
    return ", ".join(words)


def _write_junit(arguments: TestArguments, cases: Sequence[JUnitCase]) -> None:
    if arguments.junit is not None:
        from hermpkg_build.core.junit import junit_xml

        write_report(arguments.junit, junit_xml("hermpkg test", cases))


def _cases(outcome: TestRunResult) -> Iterator[JUnitCase]:
    for result in outcome.tests:
        yield _case(result.label, result.failure, result)
    for label in outcome.not_run:
        yield _case(label, outcome.failure)


def _case(label: str, failure: HermpkgError | None, result: PackageTestResult | None = None) -> JUnitCase:
    """Make the case of a test, or of one that could not run, as of ``//models:resnet_test``."""
    from hermpkg_build.core.junit import JUnitCase

    package, _, name = label.removeprefix("//").partition(":")
    ran = result is not None
    summary = failure.summary if failure else ""
    flaky = (
        [f"attempt {number} failed: {each}" for number, each in enumerate(result.failures, 1)]
        if result
        else []
    )
    return JUnitCase(
        group=package.replace("/", ".") or "hermpkg",
        name=name or label,
        seconds=result.seconds if result else 0.0,
        failure=summary if ran else "",
        error="" if ran else summary,
        details=str(failure) if failure else "",
        output="\n".join([*([] if failure else flaky), result.output if result else ""]).strip("\n"),
    )
