"""Opens a package in a fresh process in which nothing that it holds can be imported, and runs the example."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

import hermpkg_build
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.core.texts import signal_name
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.disk.processes import Children
from hermpkg_build.disk.trust import POLICY_SUFFIX, VARIABLE
from hermpkg_build.errors import HermpkgError
from hermpkg_build.generate import hermetic_check_main
from hermpkg_build.generate.comparison import Comparison, compare
from hermpkg_build.generate.example import Leaf, TorchSettings
from hermpkg_build.generate.repickling import RECORD, differences

_OUTPUT_LINES = 30
_TIMED_OUT = "Timeout ("
"""How a process begins that faulthandler ends."""
_GRACE_S = 10.0
"""A process ends itself when its time is over, and says where it was; one that cannot is ended after this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFailure:
    """Why a package does not do in a fresh process what its model does here.

    `summary` is one sentence, `details` the end of what the process printed. `modules` are those whose code
    was running, the innermost first; `missing` is a module that code outside of the package asked for, and
    `remedy` what to change, where that is known.
    """

    summary: str
    details: str = ""
    modules: tuple[str, ...] = ()
    missing: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What the fresh process is told.

    `hidden` are the modules that it must not find, with all below them but what is `shown`, and
    `hidden_distributions` those that hold them; `example` is a pickle of the arguments, None where there is
    none; `renamed` the module that stands for ``__main__`` in it. The model is in `record`. It ends after
    `timeout` seconds, with a word on where it was.
    """

    artifact: str
    hidden: tuple[str, ...]
    shown: tuple[str, ...]
    hidden_distributions: tuple[str, ...]
    example: bytes | None
    renamed: str
    search_path: tuple[str, ...]
    settings: TorchSettings | None
    timeout: float
    record: str = RECORD


def pickled_example(arguments: Any, note: Callable[[str, str], None]) -> bytes:
    """Pickle the arguments of an example; `note` is told the module and the name of each class in it.

    Raises HermpkgError where they cannot be pickled.
    """

    class Noting(pickle.Pickler):
        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, (type, FunctionType)):
                note(obj.__module__, obj.__qualname__)
            return NotImplemented

    buffer = io.BytesIO()
    try:
        Noting(buffer, protocol=4).dump(arguments)
    except Exception as error:
        raise HermpkgError(
            "the example cannot be given to another process",
            facts=[("reason", f"{type(error).__name__}: {error}")],
            next_step="give an example of tensors, numbers, texts and containers of these",
        ) from error
    return buffer.getvalue()


def check(request: CheckRequest, expected: Sequence[Leaf] | None) -> Comparison | CheckFailure:
    """Run the example in a fresh process; without one (`expected` is None), see that the package loads."""
    result, code, printed = _open(request)
    if code is None or (result is None and _TIMED_OUT in printed):
        summary = f"the fresh process has not ended after {request.timeout:g} s"
        return CheckFailure(summary=summary, details=_end_of(printed))
    if result is None:
        how = f"was killed by {signal_name(-code)}" if code < 0 else f"ended with code {code}"
        return CheckFailure(summary=f"the process that opened the package {how}", details=_end_of(printed))
    if "failure" in result:
        return CheckFailure(**result["failure"])
    found = Comparison(parts=0, tensors=0) if expected is None else compare(expected, result["outputs"])
    return replace(found, unsteady=_unsteady(request, result["pickle"]))


def _unsteady(request: CheckRequest, pickled: bytes) -> tuple[str, ...]:
    """Where the pickle of the model differs in one more process, if it was not that of the package in one."""
    if not pickled:
        return ()
    result, _, _ = _open(replace(request, example=None))
    if not result or "failure" in result:
        return ()
    other = result["pickle"]
    if not other:
        with ArchiveReader(request.artifact) as archive:
            other = archive.read(request.record)
    return tuple(differences(pickled, other))


def _open(request: CheckRequest) -> tuple[Any, int | None, str]:
    """Run a fresh process: what it found (None where it died), its exit code, what it printed."""
    with tempfile.TemporaryDirectory(prefix="hermpkg-check-") as folder:
        path = os.path.join(folder, "request.json")
        with open(path, "w", encoding="utf-8") as file:
            tool = os.path.dirname(os.path.dirname(hermpkg_build.__file__))
            json.dump({**to_json(request), "tool_path": tool}, file)
        work = os.path.join(folder, "work")
        os.mkdir(work)
        with tempfile.TemporaryFile() as output:
            code = _run(path, work, output, request.timeout)
            result = _read(os.path.join(folder, "result.pkl"))
            output.seek(0)
            printed = output.read().decode(errors="replace")
    return result, code, printed


def _run(request: str, work: str, output: Any, timeout: float) -> int | None:
    """Run the process to its end; return its exit code, None where it had to be ended."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-B", hermetic_check_main.__file__, request],
        cwd=work,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    with Children().owned(process):
        try:
            return process.wait(timeout + _GRACE_S)
        except subprocess.TimeoutExpired:
            return None


def _environment() -> Mapping[str, str]:
    """The variables of this process, but for those that would change how Python finds modules.

    Policies say which artifacts of others are accepted, and this one was made here.
    """
    variables = without_policies(os.environ)
    return {name: value for name, value in variables.items() if not name.startswith("PYTHON")}


def _read(path: str) -> Any:
    try:
        with open(path, "rb") as file:
            return pickle.load(file)
    except FileNotFoundError:
        return None


def _end_of(text: str) -> str:
    return "\n".join(text.rstrip().splitlines()[-_OUTPUT_LINES:])


def without_policies(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of `environ` for a process that opens what was made here; folders stay trusted."""
    entries = environ.get(VARIABLE, "").split(os.pathsep)
    folders = os.pathsep.join(entry for entry in entries if not entry.endswith(POLICY_SUFFIX))
    others = {name: value for name, value in environ.items() if name != VARIABLE}
    return {**others, VARIABLE: folders} if folders else others
