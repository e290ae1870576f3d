"""Reads what an executor's worker answers, and refuses answers that do not hold together."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hermpkg_build.core.canonical_json import loads
from hermpkg_build.core.json_codec import from_json
from hermpkg_build.core.texts import first_of
from hermpkg_build.dataclass import dataclass
from hermpkg_build.engine.remote.worker import EXIT_FAILED, EXIT_MADE, EXIT_REFUSED, OUTPUT, REPORT
from hermpkg_build.factories.failures import FactoryError, factory_error_from_json
from hermpkg_build.factories.model_folder import DESCRIPTION
from hermpkg_build.factories.request import ModelObject
from hermpkg_build.remote.grpc.execution import Executed, ExecutionError, Executor

if TYPE_CHECKING:
    from hermpkg_build.core.digest import Digest

_HASH = re.compile(r"[0-9a-f]{64}")
MOST_NAMED = 5
_LARGEST_TEXT = 256 << 20
"""Bytes of a report or a description; a model of a million storages stays far below."""


class OtherEnvironmentError(ExecutionError):
    """The Python environment of an executor is not the one of this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The outcome of a factory: a model object whose bytes are in the content store, or its failure.

    `seen` has the state of each file and folder that the factory looked at, by name; `search_path` is
    where its modules came from.
    """

    outcome: ModelObject | FactoryError
    seen: Mapping[str, str]
    search_path: tuple[str, ...] = ()


def read_answer(executor: Executor, executed: Executed, installed: Sequence[Sequence[str]]) -> Answer:
    """The answer of a worker that ended; `installed` is what the search path of this machine has.

    Raises OtherEnvironmentError where it refused to run, ExecutionError where anything that it declares
    is absent, damaged or not what it says, and RemoteError.
    """
    return _Reader(executor=executor, executed=executed, installed=installed).read()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    executor: Executor
    executed: Executed
    installed: Sequence[Sequence[str]]

    def read(self) -> Answer:
        code = self.executed.exit_code
        if code != EXIT_MADE and self.executed.files is None:
            raise self._cannot_start()
        if code not in (EXIT_MADE, EXIT_FAILED, EXIT_REFUSED):
            raise self._unusable("the worker failed", f"it ended with exit status {code}")
        report = self._json(REPORT)
        try:
            if code == EXIT_REFUSED:
                raise self._other_environment(report["differs"], report["installed"])
            if code == EXIT_FAILED:
                return self._failed(report)
            model = from_json(ModelObject, self._json(DESCRIPTION))
            seen = _texts(report["seen"])
            search_path = tuple(str(path) for path in report["search_path"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise self._unusable("the worker's answer cannot be read", reason) from error
        self._fetch({digest.hash: digest for digest in model.contents})
        return Answer(outcome=model, seen=seen, search_path=search_path)

    def _failed(self, report: Any) -> Answer:
        error = factory_error_from_json(report["error"])
        if report["seen"] is None:
            # Out of memory, for one, says nothing of the factory.
            raise self._unusable("the factory's process was ended from outside", error.summary)
        return Answer(outcome=error, seen=_texts(report["seen"]))

    def _json(self, name: str) -> Any:
        digest = (self.executed.files or {}).get(name)
        if digest is None:
            raise self._unusable("an output is missing", f"{OUTPUT}/{name}")
        try:
            return loads(self.executor.read(digest, _LARGEST_TEXT))
        except (ValueError, RecursionError) as error:
            raise self._unusable("an output cannot be read", f"{OUTPUT}/{name}: {error}") from error

    def _fetch(self, wanted: Mapping[str, Digest]) -> None:
        """Bring outputs into the content store, where only whole ones go."""
        files = self.executed.files or {}
        for name, digest in wanted.items():
            if files.get(name) != digest:
                raise self._unusable("an output is missing", f"{OUTPUT}/{name}")
        lost = self.executor.fetch(wanted.values())
        for name, digest in wanted.items():
            if digest in lost:
                raise self._unusable("an output is lost or damaged", f"{OUTPUT}/{name}")

    def _unusable(self, summary: str, reason: str) -> ExecutionError:
        errors = self.executed.errors
        return ExecutionError(
            summary,
            facts=[
                ("executor", self.executor.server),
                ("reason", reason),
                *([("its output", errors)] if errors else []),
            ],
        )

    def _other_environment(self, differs: Any, installed: Any) -> OtherEnvironmentError:
        facts = [(str(what), side_by_side(str(asked), str(found))) for what, asked, found in differs]
        facts += _only("only here", self.installed, installed)
        facts += _only("only there", installed, self.installed)
        return OtherEnvironmentError(
            "the executor's Python environment is not the one of this machine",
            facts=[("executor", self.executor.server), ("interpreter", self._interpreter), *facts],
            next_step="install there what is installed here, at the same place or at that of --remote-python",
        )

    def _cannot_start(self) -> OtherEnvironmentError:
        return OtherEnvironmentError(
            "the worker cannot start on the executor",
            facts=[
                ("executor", self.executor.server),
                ("interpreter", self._interpreter),
                ("exit status", str(self.executed.exit_code)),
                ("its output", self.executed.errors or "none"),
            ],
            next_step="have this interpreter there, or say with --remote-python which one it is",
        )

    @property
    def _interpreter(self) -> str:
        return self.executor.settings.python or sys.executable


def _only(where: str, some: Sequence[Any], others: Sequence[Any]) -> list[tuple[str, str]]:
    """The names that the folders of one search path have beyond those of another, as a fact."""
    names = [str(name) for one, other in zip(some, others, strict=False) for name in one if name not in other]
    return [(where, ", ".join(first_of(names, MOST_NAMED)))] if names else []


def side_by_side(here: str, there: str) -> str:
    """Two states in words, digests cut short."""
    return f"{_short(here)} here, {_short(there)} there"


def _short(state: str) -> str:
    return f"sha256:{state[:12]}" if _HASH.fullmatch(state) else state


def _texts(value: Any) -> dict[str, str]:
    return {str(name): str(state) for name, state in value.items()}
