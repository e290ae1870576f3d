"""Tests hermpkg with the versions of Python and torch that people have, and has artifacts cross between them.

    run.py [--no-tests] [--slow] [--failed] [--keep] [--again] [ENVIRONMENT ...]

One environment after the other is made, writes artifacts, is tested and is removed; each then comes a second
time, to read what the others have written. What was done with the same code is not done again, so that a run
that was ended goes on; of the rest, results stay until there are newer ones. Ends with 1 where a test failed.
results.json is what docs/reference/versions.md is made of.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from environment import FOLDER, HERE, REPOSITORY, CannotMakeError, Environment, environments
from results import counts, merged, summary, table

SUITES = {
    "compat": ["tests/compat"],
    "runtime": ["tests/unit/runtime"],
    "exporter": ["tests/unit/exporter"],
    "pickles": ["tests/unit/pickles"],
    "factories": ["tests/unit/factories"],
    "zoo": ["tests/zoo/test_zoo.py", "-k", "not transformers", "-m", "slow or thorough"],
}
"""What pytest is called with. A -m of its own comes last, and counts."""
RESULTS = HERE / "results.json"
_MOST_CRASHES = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Take each environment twice; print a table."""
    known = {each.name: each for each in environments()}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("environments", nargs="*", metavar="ENVIRONMENT", help=f"of {', '.join(known)}")
    parser.add_argument("--no-tests", action="store_true", help="have artifacts cross, and nothing else")
    parser.add_argument("--slow", action="store_true", help="run the tests too that are marked as slow")
    parser.add_argument("--failed", action="store_true", help="of suites that ran, only what failed then")
    parser.add_argument("--keep", action="store_true", help="keep the environments, 8 GiB each")
    parser.add_argument("--again", action="store_true", help="do again what was done with the same code")
    parser.add_argument("--jobs", default="2", help="how many processes test at once")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.environments) - known.keys())
    if unknown:
        parser.error(f"no environment {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = [known[name] for name in options.environments] or list(known.values())
    flags = f"-q -n {options.jobs} -p no:cacheprovider".split() + ([] if options.slow else ["-m", "not slow"])
    FOLDER.mkdir(exist_ok=True)
    state = _State()
    if options.again:
        state.forget([each.name for each in chosen])
    for each in chosen:
        print(f"{each.name}: {each.problem or 'can be made'}", flush=True)
    suites = () if options.no_tests else SUITES
    test = partial(_test, state=state, suites=suites, flags=flags, only_failed=options.failed)
    # The last of the first round is there already when the second begins.
    for each in chosen:
        _visited(each, state, partial(_write, each, state))
        _visited(each, state, partial(test, each), keep=options.keep or each is chosen[-1])
    for each in reversed(chosen):
        _visited(each, state, partial(_read, each, state, list(known)), keep=options.keep)
    found = merged(known_results(), summary({name: state.of(name) for name in known}))
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(table(found))
    return 1 if state.failed([each.name for each in chosen]) else 0


def known_results() -> dict[str, Any]:
    """What earlier runs have found out, here or elsewhere."""
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


class _State:
    """What was found out about each environment, in a file each; and with which code, where that counts."""

    def of(self, name: str) -> dict[str, Any]:
        path = FOLDER / f"{name}.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return found

    def forget(self, names: Sequence[str]) -> None:
        for name in names:
            (FOLDER / f"{name}.json").unlink(missing_ok=True)

    def note(self, name: str, **facts: Any) -> None:
        found = {**self.of(name), **facts}
        (FOLDER / f"{name}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")

    def failed(self, names: Sequence[str]) -> bool:
        return any(suite["failed"] for name in names for suite in self.of(name).get("tests", {}).values())


def _digest_of_code(*others: str) -> str:
    """The digest of the package, and of the files and folders `others`."""
    places = [REPOSITORY / place for place in ("hermpkg_build", *others)]
    files = [file for place in places for file in ([place] if place.is_file() else place.rglob("*.py"))]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.relative_to(REPOSITORY).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _digest_of_crossing() -> str:
    return _digest_of_code(*(f"tests/matrix/{name}.py" for name in ("crossed_code", "crossing", "subjects")))


def _visited(
    environment: Environment, state: _State, visit: Callable[[], None], *, keep: bool = True
) -> None:
    """Visit an environment, which is made where there is something to do in it."""
    try:
        visit()
    except CannotMakeError as error:
        print(f"{environment.name}: not made: {error}", flush=True)
        state.note(environment.name, missing=str(error))
    if not keep:
        environment.remove()


def _write(environment: Environment, state: _State) -> None:
    """Write the artifacts that were not written with this code."""
    name, code = environment.name, _digest_of_crossing()
    if state.of(name).get("written with") == code:
        return
    print(f"{name}: is made", flush=True)
    environment.make()
    state.note(name, versions=environment.versions())
    print(f"{name}: writes artifacts", flush=True)
    folder = _artifacts(name)
    shutil.rmtree(folder, ignore_errors=True)
    _in(environment, [str(HERE / "crossing.py"), "write", str(folder)])
    state.note(name, written=_summary_of_written(folder), missing=None, **{"written with": code})


def _artifacts(name: str) -> Path:
    return FOLDER / "artifacts" / name


def _test(
    environment: Environment, state: _State, suites: Collection[str], flags: list[str], only_failed: bool
) -> None:
    """Run the suites that were not run with this code; with `only_failed`, what failed in those that were."""
    name = environment.name
    for suite in suites:
        words = SUITES[suite]
        code = _digest_of_code("tests/conftest.py", words[0])
        known = state.of(name).get("tests", {}).get(suite)
        if known is not None and (not known["failed"] if only_failed else known["code"] == code):
            continue
        environment.make()
        again = _to_run_again(known) if only_failed and known is not None else []
        outcome = _tested(environment, suite, [*flags, *(again or words)])
        if again:
            outcome["passed"] += known["passed"]
            outcome["skipped"] += known["skipped"]
        print(f"{name}: {suite}: {counts(outcome)}", flush=True)
        outcome.update(code=code, when=time.strftime("%Y-%m-%d"))
        state.note(name, tests={**state.of(name).get("tests", {}), suite: outcome})


def _to_run_again(outcome: dict[str, Any]) -> list[str]:
    """The tests that failed, as pytest calls them; none where the suite did not come to its end."""
    named = [each.partition("::") for each in outcome["failures"] if "::" in each]
    return [f"{module.replace('.', '/')}.py::{test}" for module, _, test in named]


def _tested(environment: Environment, suite: str, words: list[str]) -> dict[str, Any]:
    report = FOLDER / f"{environment.name}.{suite}.xml"
    report.unlink(missing_ok=True)
    _in(environment, ["-m", "pytest", f"--junit-xml={report}", *words], check=False)
    if not report.exists():
        return {"passed": 0, "failed": 1, "skipped": 0, "failures": ["the suite did not end"]}
    cases = list(ElementTree.parse(report).iter("testcase"))
    if not cases:
        return {"passed": 0, "failed": 1, "skipped": 0, "failures": ["the suite has no test"]}
    kinds = {id(case): {child.tag for child in case} for case in cases}
    failures = [
        f"{case.get('classname')}::{case.get('name')}"
        for case in cases
        if kinds[id(case)] & {"failure", "error"}
    ]
    skipped = sum("skipped" in kinds[id(case)] for case in cases)
    return {
        "passed": len(cases) - len(failures) - skipped,
        "failed": len(failures),
        "skipped": skipped,
        "failures": sorted(failures),
    }


def _summary_of_written(folder: Path) -> dict[str, Any]:
    written = json.loads((folder / "written.json").read_text(encoding="utf-8"))
    return {
        way: {
            name: {"error": entry["error"]} if "error" in entry else {"records": entry["records"]}
            for name, entry in entries.items()
        }
        for way, entries in written.items()
    }


def _read(environment: Environment, state: _State, known: Sequence[str]) -> None:
    """Read what each environment has written, and what was not read."""
    name = environment.name
    if "written" not in state.of(name):
        return
    code = _digest_of_crossing()
    codes = {
        writer: [code, state.of(writer)["written with"]] for writer in known if _artifacts(writer).is_dir()
    }
    done = state.of(name).get("read with", {})
    missing = [writer for writer in codes if done.get(writer) != codes[writer]]
    if not missing:
        return
    environment.make()
    print(f"{name}: reads what {len(missing)} have written", flush=True)
    result = FOLDER / f"{name}.read.jsonl"
    result.unlink(missing_ok=True)
    folders = [str(_artifacts(writer)) for writer in missing]
    for _ in range(_MOST_CRASHES):
        if _in(environment, [str(HERE / "crossing.py"), "read", str(result), *folders], check=False) == 0:
            break
    read = {**state.of(name).get("read", {}), **{writer: {} for writer in missing}}
    lines = [json.loads(line) for line in result.read_text(encoding="utf-8").splitlines()]
    outcomes = {tuple(line[:4]): line[4] for line in lines}
    for (writer, way, importer, subject), outcome in outcomes.items():
        read.setdefault(writer, {}).setdefault(f"{way} to {importer}", {})[subject] = outcome
    state.note(name, read=read, **{"read with": {**done, **{writer: codes[writer] for writer in missing}}})


def _in(environment: Environment, words: list[str], *, check: bool = True) -> int:
    """Run the Python of an environment; what it prints goes to the log."""
    with environment.log.open("a", encoding="utf-8") as log:
        log.write(f"$ python {' '.join(words)}\n")
        log.flush()
        variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [environment.interpreter, *words],
            cwd=REPOSITORY,
            env=variables,
            stdout=log,
            stderr=log,
            check=check,
        )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
