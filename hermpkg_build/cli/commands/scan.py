"""``hermpkg scan``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operands, option
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.operands import is_file, write_report
from hermpkg_build.cli.remote import EngineArguments
from hermpkg_build.cli.styles import bad, good, strong
from hermpkg_build.core.file_kinds import SARIF
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ExitCode
from hermpkg_build.printable import strict_json

if TYPE_CHECKING:
    from hermpkg_build.core.canonical_json import Json
    from hermpkg_build.scanning.findings import Finding, Findings, Level
    from hermpkg_build.trust.policy import TrustPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanArguments(EngineArguments):
    """What ``hermpkg scan`` is told: files, folders and targets."""

    words: tuple[str, ...] = operands("FILE|LABEL...")
    fail_on: str = option(
        "--fail-on LEVEL",
        "what makes the exit code 3: `unknown`, all that is not known to be harmless, or `dangerous`, only "
        "what is known to do more than compute",
        read=str,
        default="unknown",
        choices=("unknown", "dangerous"),
    )
    allow: str | None = option(
        "--allow FILE",
        "leave out what the trust policy in FILE accepts by its rule for the name of the scanned file",
        read=str,
        default=None,
    )
    strict: bool = flag(
        "--strict", "take notes for findings too: code that reads files or the environment, or starts threads"
    )
    sarif: str | None = option(
        "--sarif FILE",
        "write the findings to FILE as SARIF 2.1.0, which code hosts show",
        read=str,
        default=None,
        writes=SARIF,
    )


@command(ScanArguments, group="look into artifacts", example="hermpkg scan model.pt")
def run(arguments: ScanArguments, console: Console) -> ExitCode:
    """Say what a file could do if it were loaded, before it is.

    What pickles import, call and change is listed with the way to it in the object, and what packed code can
    do with file, line and the imports that lead to it: start processes, open network connections, write
    files, evaluate text, load native code, unpickle, change how modules are imported. Contents decide what a
    file is: artifacts, archives of torch.package, torch.save and TorchScript, plain pickles, numpy's and
    compressed files, archives in archives, and folders.

    Only what is on the list of harmless names is clean: containers, numbers, arrays and tensors. What cannot
    be read, and what some readers find and others do not, is not clean either. The exit code is 0 where
    everything is, else 3.

    Nothing of the file runs. Clean does not mean that a model is good: what its code computes is not judged.
    """
    from hermpkg_build.scanning.findings import Level

    least = Level.NOTE if arguments.strict else Level[arguments.fail_on.upper()]
    policy = _policy(arguments.allow)
    scanned: list[Findings] = []
    results: list[Json] = []
    failed = False
    for path, shown in _files(arguments, console):
        found, ways = _scanned(path, shown)
        if policy is not None:
            found = _without_accepted(found, path, policy, console)
        scanned.append(found)
        failing = found.at_least(least)
        failed = failed or bool(failing)
        _tell(console, found, ways, least=least)
        results.append(_json(found, ways, clean=not failing))
    if arguments.sarif is not None:
        _write_sarif(arguments.sarif, scanned)
    console.give_json({"clean": not failed, "files": results})
    return ExitCode.TESTS_FAILED if failed else ExitCode.SUCCESS


def _files(arguments: ScanArguments, console: Console) -> Iterator[tuple[str, str]]:
    """The paths of what is to be scanned, each with the word that it is called by."""
    labels: list[str] = []
    for word in arguments.words:
        if is_file(word) or (os.path.isdir(word) and not word.startswith(("//", ":", "@", "-"))):
            yield word, word
        else:
            labels.append(word)
    if labels:
        from hermpkg_build.cli.building import build_artifacts

        for target in build_artifacts(labels, arguments, console):
            yield target.path, target.label


def _scanned(path: str, shown: str) -> tuple[Findings, Mapping[str, Sequence[str]]]:
    from dataclasses import replace

    from hermpkg_build.inspection.findings_text import modules_of
    from hermpkg_build.scanning.artifact import scan_path
    from hermpkg_build.scanning.findings import Level

    found = replace(scan_path(path), name=shown)
    modules = modules_of(found.at_least(Level.DANGEROUS))
    if not modules or os.path.isdir(path):
        return found, {}
    from hermpkg_build.inspection.reach import ways_to_modules

    return found, ways_to_modules(path, modules)


def _policy(path: str | None) -> TrustPolicy | None:
    if path is None:
        return None
    from hermpkg_build.trust.policy_file import read_policy

    return read_policy(path)


def _without_accepted(found: Findings, path: str, policy: TrustPolicy, console: Console) -> Findings:
    from hermpkg_build.inspection.accepted_findings import without_accepted

    if os.path.isdir(path):
        console.warn(f"--allow: rules are for files, and {found.name} is a folder")
        return found
    left, why_not = without_accepted(found, path, os.path.basename(path), policy)
    if why_not:
        console.warn(f"--allow: nothing of {found.name} is accepted: {why_not}")
    return left


def _tell(console: Console, found: Findings, ways: Mapping[str, Sequence[str]], *, least: Level) -> None:
    from hermpkg_build.inspection.findings_text import VERDICTS, lines, summary

    failing = found.at_least(least)
    verdict = VERDICTS[found.worst] if failing and found.worst else "not clean" if failing else "clean"
    console.say(strong(found.name), "  ", (bad if failing else good)(verdict), f"  {summary(found)}")
    shown = least if not console.verbose else type(least).NOTE
    for line in lines(found, ways, least=shown, everything=console.verbose):
        console.say(f"  {line}")
    if failing:
        console.note(_next_step(found))


def _next_step(found: Findings) -> str:
    from hermpkg_build.scanning.findings import Level

    if found.worst is Level.DANGEROUS:
        return "-> load it only where you know who made it, and what the places above are for"
    return "-> accept what you know with --allow: hermpkg trust FILE writes a policy to be reviewed"


def _json(found: Findings, ways: Mapping[str, Sequence[str]], *, clean: bool) -> Json:
    return {
        "file": found.name,
        "clean": clean,
        "worst": found.worst.word,
        "records": found.records,
        "pickles": found.pickles,
        "sources": found.sources,
        "packed": list(found.packed),
        "findings": [_finding_json(each, ways) for each in found.findings],
    }


def _finding_json(finding: Finding, ways: Mapping[str, Sequence[str]]) -> Json:
    return {
        "level": finding.level.word,
        "kind": str(finding.kind),
        "rule": finding.rule,
        "record": finding.record,
        "does": finding.does,
        "name": finding.name,
        "capability": finding.capability.word if finding.capability is not None else "",
        "detail": finding.detail,
        "path": finding.path,
        "offset": finding.offset,
        "arguments": finding.arguments,
        "line": finding.line,
        "column": finding.column,
        "count": finding.count,
        "module": finding.module,
        "function": finding.function,
        "at_import": finding.at_import,
        "reached_by": list(ways.get(finding.module, ())),
    }


def _write_sarif(path: str, scanned: Sequence[Findings]) -> None:
    import json

    from hermpkg_build.scanning.sarif import sarif_log

    write_report(path, strict_json(json.dumps(sarif_log(scanned), indent=1)) + "\n")
