"""``hermpkg verify``."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import Command, Invocation, Option
from hermpkg_build.cli.remote import REMOTE_OPTIONS
from hermpkg_build.errors import CommandLineError, ExitCode

if TYPE_CHECKING:
    from hermpkg_build.core.lock import Lock
    from hermpkg_build.engine.results import TargetResult
    from hermpkg_build.inspection.verify.verdicts import Verdict


def run(invocation: Invocation) -> ExitCode:
    """Check the artifacts that the words name, and tell of each."""
    verdicts: list[Verdict] = []
    try:
        for verdict in _verdicts(invocation):
            verdicts.append(verdict)
            _tell(invocation, verdict)
    finally:
        # Also where a later check could not even begin: what is known by then is what CI can show.
        _write_reports(invocation, verdicts)
    if invocation.settings.json:
        passed = all(verdict.passed for verdict in verdicts)
        checks = [verdict.to_json() for verdict in verdicts]
        invocation.console.give_json({"passed": passed, "checks": checks})
    return ExitCode.SUCCESS if all(verdict.passed for verdict in verdicts) else ExitCode.TESTS_FAILED


def _verdicts(invocation: Invocation) -> Iterator[Verdict]:
    from hermpkg_build.cli.locked import build_artifacts, read_lock

    _check_options(invocation)
    files = [word for word in invocation.words if _is_file(word)]
    patterns = [word for word in invocation.words if not _is_file(word)]
    for path in files:
        yield _verdict_on_file(path, path, invocation)
    lock = read_lock() if invocation.has("locked") else None
    if lock is not None and not patterns:
        patterns = list(lock.targets)
    if not patterns:
        return
    root, targets = build_artifacts(invocation, patterns)
    for target in targets:
        if lock is not None:
            yield _verdict_on_lock(target, lock)
        yield _verdict_on_file(target.path, target.label, invocation)
        if invocation.has("rebuild"):
            yield _verdict_on_rebuild(target, root, invocation)


def _check_options(invocation: Invocation) -> None:
    if not invocation.words and not invocation.has("locked"):
        raise CommandLineError(
            "verify needs FILE|PATTERN...", next_step="usage: hermpkg verify FILE|PATTERN..."
        )
    for option in ("vary", "runs"):
        if option in invocation.options and not invocation.has("rebuild"):
            raise CommandLineError(f"--{option} is for --rebuild")
    if invocation.has("rebuild"):
        _conditions(invocation)
        _runs(invocation)
        files = [word for word in invocation.words if _is_file(word)]
        if files:
            raise CommandLineError(
                f"{files[0]} is a file, and only targets can be built again",
                next_step="name the target that it was built from",
            )


def _conditions(invocation: Invocation) -> tuple[str, ...]:
    """The conditions that ``--vary`` names, in the order of the table; all where it is not given."""
    from hermpkg_build.core.spelling import question
    from hermpkg_build.inspection.verify.conditions import CONDITIONS

    text = invocation.options.get("vary", "all")
    named = set(CONDITIONS) if text == "all" else {name.strip() for name in text.split(",")}
    for name in sorted(named - CONDITIONS.keys()):
        raise CommandLineError(
            f"there is no condition {name!r} to vary",
            facts=[("conditions", ", ".join(CONDITIONS))],
            next_step=question(name, CONDITIONS),
        )
    return tuple(name for name in CONDITIONS if name in named)


def _runs(invocation: Invocation) -> int:
    text = invocation.options.get("runs", "2")
    if not text.isascii() or not text.isdigit() or int(text) < 2:
        raise CommandLineError(f"--runs needs a whole number from 2, not {text!r}")
    return int(text)


def _is_file(word: str) -> bool:
    if word.startswith(("//", ":", "@", "-")):
        return False
    return os.path.isfile(word) or word.endswith((".pt", ".zip"))


def _verdict_on_file(path: str, subject: str, invocation: Invocation) -> Verdict:
    from hermpkg_build.inspection.verify.archive import verify_archive
    from hermpkg_build.inspection.verify.verdicts import Verdict

    started = time.perf_counter()
    found = verify_archive(path, environment=not invocation.has("file-only"))
    rows = [(problem.record or "the file", problem.rule, problem.found) for problem in found.problems]
    count = f"{len(rows)} problem{'s' if len(rows) > 1 else ''}"
    return Verdict(
        subject=subject,
        check="file",
        passed=not rows,
        summary=count if rows else f"{found.records} records, each as it was built",
        lines=tuple(_table(rows)),
        notes=found.notes,
        facts={
            "problems": [
                {"record": problem.record, "rule": problem.rule, "found": problem.found}
                for problem in found.problems
            ]
        },
        seconds=time.perf_counter() - started,
    )


def _verdict_on_rebuild(target: TargetResult, root: str, invocation: Invocation) -> Verdict:
    from hermpkg_build.core.folders import STATE_FOLDER
    from hermpkg_build.core.json_codec import to_json
    from hermpkg_build.core.label import Label
    from hermpkg_build.inspection.verify.rebuild import RebuildRequest, tell_rebuilt, verify_rebuild
    from hermpkg_build.inspection.verify.verdicts import Verdict

    started = time.perf_counter()
    label = Label.parse(target.label)
    request = RebuildRequest(
        label=target.label,
        artifact=target.path,
        root=root,
        package=label.package,
        conditions=_conditions(invocation),
        runs=_runs(invocation),
        keep=os.path.join(root, STATE_FOLDER, "rebuilt", label.package, label.name),
    )
    rebuilt = verify_rebuild(request, invocation.console.note)
    causes = "; ".join(cause.what for cause in rebuilt.causes)
    return Verdict(
        subject=target.label,
        check="rebuild",
        passed=not rebuilt.causes,
        summary=causes or f"{rebuilt.builds} rebuilds gave the same bytes",
        lines=tuple(tell_rebuilt(rebuilt)),
        facts=to_json(rebuilt),
        seconds=time.perf_counter() - started,
    )


def _verdict_on_lock(target: TargetResult, lock: Lock) -> Verdict:
    from hermpkg_build.inspection.verify.lock import differences_from_lock, locked_target
    from hermpkg_build.inspection.verify.verdicts import Verdict

    started = time.perf_counter()
    now = locked_target(target.path, sha256=target.sha256, size=target.bytes)
    lines = tuple(differences_from_lock(lock, target.label, now))
    return Verdict(
        subject=target.label,
        check="locked",
        passed=not lines,
        summary="not as locked" if lines else "as locked",
        lines=(*lines, "where this is wanted, write it down with hermpkg lock") if lines else (),
        facts={"differences": list(lines)},
        seconds=time.perf_counter() - started,
    )


def _table(rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    if rows:
        rows = [("record", "rule", "found"), *rows]
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        for record, rule, found in rows:
            yield f"{record:<{widths[0]}}  {rule:<{widths[1]}}  {found}".rstrip()


def _tell(invocation: Invocation, verdict: Verdict) -> None:
    console = invocation.console
    line = f"{console.strong(verdict.subject)}  "
    if verdict.passed:
        console.mention(f"{line}{console.good('verified')}  {verdict.summary}")
    else:
        console.say(f"{line}{console.bad('failed')}  {verdict.summary}")
        for text in verdict.lines:
            console.say(f"  {text}")
    for note in verdict.notes:
        console.note(f"note: {note}")


def _write_reports(invocation: Invocation, verdicts: Sequence[Verdict]) -> None:
    from hermpkg_build.inspection.verify.verdicts import junit_xml, markdown

    if "junit" in invocation.options:
        with open(invocation.options["junit"], "w", encoding="utf-8") as file:
            file.write(junit_xml(verdicts))
    if "summary" in invocation.options:
        # Appended, as GitHub asks for with the file that GITHUB_STEP_SUMMARY names.
        with open(invocation.options["summary"], "a", encoding="utf-8", errors="replace") as file:
            file.write(markdown(verdicts))


COMMAND = Command(
    name="verify",
    words="[FILE|PATTERN...]",
    summary="Checks artifacts: each record against manifest and checksum, the layout of the file, extern\n"
    "modules against this machine. With --rebuild, builds targets again under other conditions and finds\n"
    "what changes their bytes; with --locked, holds them to hermpkg.lock.\n"
    "Exit code 3 where something is wrong.",
    run=run,
    options=(
        Option(
            names=("--rebuild",), help="build targets again under other conditions, and compare the bytes"
        ),
        Option(names=("--vary",), value="NAMES", help="vary these conditions only, with commas between them"),
        Option(names=("--runs",), value="N", help="build N times more (2): once as usual, then varied"),
        Option(
            names=("--locked",), help="hold targets (all locked ones where none is named) to hermpkg.lock"
        ),
        Option(names=("--file-only",), help="leave this machine out: look at the file alone"),
        Option(names=("--junit",), value="FILE", help="write the results to FILE as JUnit XML"),
        Option(names=("--summary",), value="FILE", help="append the results to FILE as Markdown"),
        *REMOTE_OPTIONS,
    ),
    most=None,
)
