"""Runs `package_test` targets: a main file with the artifact, where its originals are out of reach."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING

import hermpkg_build
from hermpkg_build.analysis.module_finder import ModuleFinder
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.digest import fingerprint
from hermpkg_build.core.module_names import top_of
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.core.texts import signal_name
from hermpkg_build.disk.library_paths import library_paths
from hermpkg_build.disk.processes import Children, lifeline
from hermpkg_build.disk.standard_library import interpreter
from hermpkg_build.engine.action import Action
from hermpkg_build.engine.runner import Done, Ran
from hermpkg_build.engine.targets import package_test_main
from hermpkg_build.engine.test_options import TestOptions
from hermpkg_build.engine.test_results import PackageTestResult
from hermpkg_build.errors import BuildInterruptedError, PackageTestError
from hermpkg_build.factories.child import SOURCES_SPEAK
from hermpkg_build.factories.tracebacks import by_own_place
from hermpkg_build.inspection.contents import manifest_of
from hermpkg_build.loading.folder_walk import folders_below
from hermpkg_build.store.action_cache import ActionResult

if TYPE_CHECKING:
    from hermpkg_build.core.canonical_json import Json
    from hermpkg_build.core.target import PackageTest
    from hermpkg_build.engine.context import Build, TargetContext
    from hermpkg_build.engine.results import TargetResult
    from hermpkg_build.loading.workspace import Workspace

_TEST_VERSION = 4
_CODE = re.compile(r"\.(?:py|pyc|pyd|dylib|so(?:\.[\d.]+)?)$")
"""What the names of files of extern packages end in that tests may run."""

_MISSING_FILE = re.compile(r"FileNotFoundError: \[Errno \d+\] .*?: '([^']+)'$")
"""The last line of a traceback that tells of a file by its path."""

_PACKED_FRAME = re.compile(r'^ *File "<torch_package_\d+>\.([^"]+)", line \d+', re.MULTILINE)
"""A line of a traceback that tells of packed code."""

_IMPORTED = "imported.json"

_OUTPUT_LIMIT = 1 << 20
"""Bytes of a test's output that are kept: its end, where the failure stands."""


def run_package_test(
    build: Build, target: PackageTest, artifact: TargetResult, options: TestOptions
) -> PackageTestResult:
    """Run `target` once against the built `artifact`, unless it passed before with the same inputs.

    The main file runs as ``__main__`` with the artifact's path as its first argument and in
    HERMPKG_ARTIFACT. One of several runs is never left out, nor does it count for later builds when it
    passes. A test that fails although it passed before, with the same inputs, has to pass again.
    """
    target = options.applied_to(target)
    attempts = options.attempts_of(target)
    recorded = False

    def reuse(result: ActionResult) -> Ran[PackageTestResult] | None:
        nonlocal recorded
        recorded = True
        passed = _passed_before(target, result)
        return Ran(value=passed, status="cached") if passed and options.reuse and options.runs == 1 else None

    def test() -> Done[PackageTestResult]:
        started_ns = time.time_ns()
        outcome, imported = _test(build, target, artifact, attempts)
        facts: Json = {"passed": outcome.status == "passed", "attempts": outcome.attempts}
        is_kept = options.runs == 1 if outcome.status == "passed" else recorded
        if moved := _changed_meanwhile(build.context, action, imported, started_ns):
            build.journal.warn(f"{moved} changed while {target.label} ran: test again to be sure of it")
            is_kept = False
        result = ActionResult(outputs={}, facts=facts) if is_kept else None
        return Done(value=outcome, result=result, discovered=_discovered(build.context, action, imported))

    action = _action(build, target, artifact, attempts)
    return build.actions.run(action, test, reuse=reuse, state=build.context.state_of).value


def _discovered(context: TargetContext, action: Action, imported: Sequence[str]) -> dict[str, str]:
    """The states of imported files by their names, but for those that the action knows already."""
    names = {name for path in imported if (name := context.environment.name_of(path))}
    return {name: context.state_of(name) for name in sorted(names - action.inputs.keys())}


def _changed_meanwhile(
    context: TargetContext, action: Action, imported: Sequence[str], started_ns: int
) -> str:
    """Find a file that the test may have seen in another state than its action has it; "" for none."""
    for path in imported:
        if os.stat(path).st_ctime_ns >= started_ns:
            return context.shown(path)
    own = (context.absolute(name) for name in action.inputs)
    outside = (path for path in context.tree.observed_files() if context.shown(path) == path)
    return context.shown(context.tree.changed_among([*own, *outside]))


def _passed_before(target: PackageTest, result: ActionResult) -> PackageTestResult | None:
    """Return the outcome that is recorded of a test that passed; None of one that failed since."""
    facts = result.facts
    if not isinstance(facts, Mapping) or facts.get("passed") is not True:
        return None
    attempts = facts.get("attempts")
    return PackageTestResult(
        label=str(target.label),
        status="passed",
        cached=True,
        seconds=0.0,
        attempts=attempts if isinstance(attempts, int) else 1,
    )


def _action(build: Build, target: PackageTest, artifact: TargetResult, attempts: int) -> Action:
    context, main = build.context, target.main.path
    digest = context.digest(
        target,
        context.absolute(main),
        f"the main file of {target.label}",
        next_step="create it, or name another file in main",
    )
    helpers = context.modules_of(target.deps)
    inputs = {
        **_extern_inputs(context, context.absolute(artifact.path)),
        artifact.label: artifact.sha256,
        "args": json.dumps(target.args),
        "env": json.dumps(target.env, sort_keys=True),
        "timeout": str(target.timeout),
        "attempts": str(attempts),
        "data": json.dumps([label.path for label in target.data]),
        "library paths": json.dumps(library_paths(), sort_keys=True),
        **build.environment_inputs(),
    }
    files = {
        **{module.path: context.tree.digest(context.absolute(module.path)).hash for module in helpers},
        **context.declared_resources(target),
        **_data(context, target),
        main: digest.hash,
    }
    action = Action(kind="test", version=_TEST_VERSION, subject=str(target.label), inputs=inputs)
    return action.with_inputs(files)


def _data(context: TargetContext, target: PackageTest) -> dict[str, str]:
    """The hashes of the files in `data`, by their paths. Raises LoadingError where one cannot be read."""
    return {
        label.path: context.digest(
            target,
            context.absolute(label.path),
            f"{label} in the data of {target.label}",
            next_step="create the file, or take it out of data",
        ).hash
        for label in target.data
    }


def _extern_inputs(context: TargetContext, artifact: str) -> dict[str, str]:
    """The code that the artifact leaves to this environment, by its top-level names: the test runs it."""
    with ArchiveReader(artifact) as archive:
        manifest = manifest_of(archive)
    modules = manifest.modules if manifest else {}
    finder = ModuleFinder(
        tree=context.tree,
        workspace_modules=(),
        workspace_root=context.workspace.root,
        search_path=context.environment.search_path,
    )
    tops = {
        top_of(name)
        for name, module in modules.items()
        if module.policy is Policy.EXTERN and module.origin is not Origin.STDLIB
    }
    return {
        f"module {top}": fingerprint(_code_at(context, _places_of(context, finder, top))).hash
        for top in sorted(tops)
    }


def _places_of(context: TargetContext, finder: ModuleFinder, top: str) -> list[str]:
    """The file or the folder of a top-level module; all that could be, where analysis finds none."""
    source = finder.find(top)
    if source is None:
        return [
            os.path.join(folder, name)
            for folder in context.environment.search_path
            for name in (top, f"{top}.py")
        ]
    return [
        os.path.dirname(source.path) if source.kind is ModuleKind.PACKAGE else source.archive or source.path
    ]


def _code_at(context: TargetContext, places: list[str]) -> list[list[str]]:
    """The files among `places` and below the folders among them, each with its name and its hash."""
    tree = context.tree

    def inner_folders(folder: str) -> list[str]:
        return [name for name, is_folder in (tree.entries(folder) or {}).items() if is_folder]

    files = [place for place in places if tree.is_file(place)]
    for place in places:
        for folder in folders_below(place, str, inner_folders):
            code = [name for name in tree.entries(folder) or {} if _CODE.search(name)]
            files += [path for name in code if tree.is_file(path := os.path.join(folder, name))]
    names = [context.environment.name_of(path) or path for path in files]
    return [[name, digest.hash] for name, digest in zip(names, tree.digests(files), strict=True)]


def _test(
    build: Build, target: PackageTest, artifact: TargetResult, attempts: int
) -> tuple[PackageTestResult, list[str]]:
    """Run a test until it passes, at most `attempts` times; return the files that it imported, too.

    Raises BuildInterruptedError if cancelled.
    """
    started = time.perf_counter()
    path = build.context.absolute(artifact.path)
    failures: list[PackageTestError] = []
    passed, printed, imported = False, "", []
    while not passed and len(failures) < attempts:
        with (
            tempfile.TemporaryDirectory(prefix="hermpkg-test-") as folder,
            tempfile.TemporaryFile() as output,
        ):
            code = exit_code_of(build.context, target, path, folder, build.children, output)
            printed, passed = _end_of(output), code == 0
            imported = _imported(folder)
        if build.children.is_cancelled():
            raise BuildInterruptedError(f"{target.label} was stopped")
        if not passed:
            failures.append(package_test_failure(target, code, printed, build.context.workspace))
    outcome = PackageTestResult(
        label=str(target.label),
        status="passed" if passed else "failed",
        cached=False,
        seconds=time.perf_counter() - started,
        attempts=len(failures) + passed,
        failures=tuple(failures),
        output=printed if passed else "",
        failed_runs=int(not passed),
    )
    return outcome, [path for path in imported if os.path.isfile(path)]


def _imported(folder: str) -> list[str]:
    """The files that a test imported which ran in `folder`; none where it ended too early to say so."""
    try:
        with open(os.path.join(folder, _IMPORTED), encoding="utf-8") as file:
            return [str(path) for path in json.load(file)]
    except (OSError, ValueError):
        return []


def exit_code_of(
    context: TargetContext,
    target: PackageTest,
    artifact: str,
    folder: str,
    children: Children,
    output: IO[bytes] | None = None,
) -> int | None:
    """Run `target` with the artifact at a path; return its exit code, None where it does not end in time.

    It runs in a folder in the empty one `folder` and prints to `output`, or where this process prints.
    """
    work = os.path.join(folder, "work")
    _lay_out_data(context, target, work)
    with lifeline() as line:
        process = subprocess.Popen(
            _command(context, target, artifact, folder, line),
            cwd=work,
            env=_environment(target, artifact, work),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            start_new_session=True,
            pass_fds=[line],
        )
        with children.owned(process):
            try:
                return process.wait(target.timeout)
            except subprocess.TimeoutExpired:
                return None


def _lay_out_data(context: TargetContext, target: PackageTest, folder: str) -> None:
    """Make `folder`, with links to the files in `data` at their paths, as Bazel lays out files for tests."""
    os.mkdir(folder)
    for label in target.data:
        place = os.path.join(folder, label.path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.symlink(context.absolute(label.path), place)


def _command(context: TargetContext, target: PackageTest, artifact: str, folder: str, line: int) -> list[str]:
    """Return the command line of the process that runs `target` with the artifact at a path.

    What it is to do lies in a file in `folder`, for a command line has no room for thousands of modules.
    The process removes the file before the test begins. `line` is a lifeline for it.
    """
    request = {
        "artifact": artifact,
        "main": context.absolute(target.main.path),
        "arguments": list(target.args),
        "modules": {
            module.module: context.absolute(module.path) for module in context.modules_of(target.deps)
        },
        "workspace_root": context.workspace.root,
        "source_roots": [context.absolute(root) for root in context.workspace.source_roots],
        "search_path": list(context.environment.search_path),
        "parent": os.getpid(),
        "lifeline": line,
        "tool_path": _tool_path(context, folder),
        "imported": os.path.join(folder, _IMPORTED),
    }
    path = os.path.join(folder, "request.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(request, file)
    return [sys.executable, "-I", "-B", *SOURCES_SPEAK, package_test_main.__file__, path]


def _tool_path(context: TargetContext, folder: str) -> str:
    """Return a folder from which a test can import hermpkg: that on the search path, or one with it alone.

    Where another interpreter runs tests, what else is installed beside hermpkg is none of its modules.
    """
    own = os.path.dirname(os.path.dirname(os.path.abspath(hermpkg_build.__file__)))
    if own in context.environment.search_path:
        return own
    tool = os.path.join(folder, "tool")
    os.mkdir(tool)
    for name in ("hermpkg_build", "packaging"):
        spec = find_spec(name)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            os.symlink(os.path.abspath(place), os.path.join(tool, name))
    return tool


def _environment(target: PackageTest, artifact: str, folder: str) -> dict[str, str]:
    """All that a test sees of the user's environment: where shared libraries are, no more.

    Programs are those of the system, whoever runs the test; `env` can name others. `folder` is its home and
    holds its temporary files.
    """
    fixed = {
        "HOME": folder,
        "TMPDIR": folder,
        "PATH": os.defpath,
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
    }
    return {**library_paths(), **fixed, "HERMPKG_ARTIFACT": artifact, **target.env}


def _end_of(output: IO[bytes]) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - _OUTPUT_LIMIT))
    return output.read().decode(errors="replace")


def package_test_failure(
    target: PackageTest, code: int | None, output: str, workspace: Workspace
) -> PackageTestError:
    """Describe the failure of a test that did not exit with 0; None for `code`: it did not end in time."""
    if code is None:
        what = f"did not end within {target.timeout:g} s"
        next_step = "make the test faster, or give the target a larger timeout"
    elif code < 0:
        what = f"was killed by {signal_name(-code)}"
        next_step = "the output above ends where it died"
    else:
        what = f"exited with code {code}"
        next_step = _next_step_after(output, workspace)
    lacks = "ModuleNotFoundError: " in output
    return PackageTestError(
        f"{target.label} {what}",
        location=target.location,
        facts=[("looked in", interpreter())] if lacks else (),
        snippet=output.rstrip(),
        next_step=next_step,
    )


def _next_step_after(output: str, workspace: Workspace) -> str:
    """What to do about a failure, which a path relative to the current folder may have led to."""
    missing = _MISSING_FILE.match((output.rstrip().splitlines() or [""])[-1])
    if missing is None or os.path.isabs(missing[1]):
        return "fix what the output above shows"
    readers = _PACKED_FRAME.findall(output)
    source = _in_workspace(readers[-1], workspace) if readers else None
    return (
        f"find {missing[1]!r} from the code that reads it, {_own_place(source, missing[1], workspace)}: a"
        " test starts in an empty folder, and where a package lands the current folder is anyone's"
    )


def _own_place(source: str | None, file: str, workspace: Workspace) -> str:
    """How code finds a file: what to write, where both are known by their paths in the workspace."""
    if source is not None and os.path.isfile(os.path.join(workspace.root, file)):
        return f"with {by_own_place(source, file)} in {source}, not by the current folder"
    return "as by Path(__file__).parent"


def _in_workspace(packed: str, workspace: Workspace) -> str | None:
    """The path from the workspace root of a source that lies in an artifact."""
    paths = [os.path.join(root, packed) for root in workspace.source_roots]
    return next((path for path in paths if os.path.isfile(os.path.join(workspace.root, path))), None)
