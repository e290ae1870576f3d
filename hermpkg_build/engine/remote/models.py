"""Model objects made on an executor, believed where this machine would have seen the same files."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from hermpkg_build.engine.environment import ABSENT
from hermpkg_build.engine.remote.answers import Answer, OtherEnvironmentError, read_answer, said_of_both
from hermpkg_build.engine.remote.inputs import model_inputs, shipped_environment, worker_command
from hermpkg_build.engine.remote.worker import EXIT_MADE
from hermpkg_build.errors import HermpkgError
from hermpkg_build.factories.failures import FactoryError
from hermpkg_build.factories.make import ModelObject, ModelRequest, ObservedFiles, ObservedImport
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.remote.grpc.execution import ExecutionError

if TYPE_CHECKING:
    from hermpkg_build.core.target import Model
    from hermpkg_build.engine.session import Session
    from hermpkg_build.remote.grpc.execution import Executed, Executor
    from hermpkg_build.remote.reapi.merkle import InputRoot

_MOST_NAMED = 5


class RemoteModels:
    """Makes model objects on the executor of a build, for as long as that can be relied on.

    An executor that fails, or whose Python environment is another, is told of once and not used again.
    With `fallback` whatever goes wrong there leaves the work to this machine, else it is an error.
    """

    def __init__(self, executor: Executor, *, fallback: bool) -> None:
        self._executor = executor
        self._fallback = fallback
        self._useless = False
        self._lock = threading.Lock()

    @property
    def server(self) -> str:
        """Where the executor is, for people."""
        return self._executor.server

    def make(self, session: Session, target: Model, request: ModelRequest) -> ModelObject | None:
        """The model object of `request`, its bytes in the content store; None where it is to be made here.

        Its observed files are named as they are on this machine. Raises FactoryError where the factory
        failed having seen what it would have seen here, BuildInterruptedError where the build is
        cancelled, and without `fallback` RemoteError and ExecutionError.
        """
        if self._useless:
            return None
        try:
            return self._make(session, target, request)
        except (RemoteError, OtherEnvironmentError) as error:
            if not self._fallback or session.is_cancelled():
                raise
            with self._lock:
                told, self._useless = self._useless, True
            if not told:
                _warn(session, error, "models are made on this machine")
        except ExecutionError as error:
            if not self._fallback:
                raise
            _warn(session, error, f"{target.label} is made on this machine")
        return None

    def _make(self, session: Session, target: Model, request: ModelRequest) -> ModelObject:
        answer = self._answer(session, self._inputs(session, target, request))
        if isinstance(answer.outcome, FactoryError):
            raise answer.outcome
        return replace(
            answer.outcome,
            observed_files=_observed_here(session, answer.seen),
            observed_modules=_observed_modules_here(session, answer),
        )

    def _inputs(self, session: Session, target: Model, request: ModelRequest) -> InputRoot:
        try:
            return model_inputs(session, target, request, self._executor.settings)
        except (OSError, ValueError) as error:
            raise ExecutionError(
                f"the inputs of {target.label} cannot be sent to the executor",
                facts=[("executor", self.server), ("reason", str(error))],
            ) from error

    def _answer(self, session: Session, root: InputRoot) -> Answer:
        """What the worker answers; it is run anew where the executor recalls what cannot be used.

        A recalled failure may have been one of the moment.
        """
        command = worker_command(self._executor.settings)
        executed = self._executor.execute(command, root, cancelled=session.is_cancelled)
        if executed.recalled:
            if executed.exit_code == EXIT_MADE:
                with suppress(ExecutionError):
                    return self._believed(session, executed)
            executed = self._executor.execute(command, root, cancelled=session.is_cancelled, anew=True)
        return self._believed(session, executed)

    def _believed(self, session: Session, executed: Executed) -> Answer:
        """An answer that is whole, from a factory that saw what it would have seen here."""
        installed = shipped_environment(session).installed(session.tree)
        answer = read_answer(self._executor, executed, session.cache.content, installed)
        differs = {
            name: (here, there)
            for name, there in sorted(answer.seen.items())
            if (here := _state_here(session, name)) != there
        }
        if differs:
            raise self._saw_other_files(differs)
        return answer

    def _saw_other_files(self, differs: Mapping[str, tuple[str, str]]) -> ExecutionError:
        named = [
            f"{name}: {said_of_both(here, there)}"
            for name, (here, there) in list(differs.items())[:_MOST_NAMED]
        ]
        more = len(differs) - len(named)
        workspace = any(not name.startswith(("/", "@")) for name in differs)
        return ExecutionError(
            "the factory saw other files on the executor than there are here",
            facts=[
                ("executor", self.server),
                ("files", "\n".join([*named, f"and {more} more"] if more else named)),
            ],
            next_step=(
                "only declared files go there: put it among the resources of python_modules in its deps"
                if workspace
                else "install there what is installed here"
            ),
        )


def _observed_here(session: Session, seen: Mapping[str, str]) -> ObservedFiles:
    """What was observed, by its paths on this machine; `seen` holds here too."""
    read, listed, sought = [], [], []
    for name, state in seen.items():
        path = _path_here(session, name)
        if name.endswith("/"):
            listed.append(path)
        elif state in (ABSENT, "a folder"):
            sought.append(path)
        else:
            read.append(path)
    return ObservedFiles(read=tuple(sorted(read)), listed=tuple(sorted(listed)), sought=tuple(sorted(sought)))


def _observed_modules_here(session: Session, answer: Answer) -> tuple[ObservedImport, ...]:
    """The imports, their places named as on this machine; the executor may have the same things elsewhere."""
    assert isinstance(answer.outcome, ModelObject)
    folders = dict(zip(answer.search_path, shipped_environment(session).search_path, strict=False))
    found = []
    for observed in answer.outcome.observed_modules:
        # The deepest folder that holds it decides: site-packages lies in the standard library's folder.
        folder = max((f for f in folders if observed.path.startswith(f"{f}/")), key=len, default="")
        here = folders.get(folder, folder) + observed.path[len(folder) :]
        found.append(replace(observed, path=here))
    return tuple(found)


def _state_here(session: Session, name: str) -> str:
    """The state of what an executor named, which may be no path."""
    try:
        return session.state_of(name)
    except (OSError, ValueError):
        return "no path"


def _path_here(session: Session, name: str) -> str:
    """The path that a name stands for on this machine: the first that exists, of those that have the name."""
    environment, root = session.environment, session.workspace.root
    paths = environment.paths_of(name, root)
    name_of = environment.folder_name_of if name.endswith("/") else environment.name_of
    named = [path for path in paths if name_of(path, root) == name] or paths
    return next((path for path in named if os.path.exists(path)), named[0])


def _warn(session: Session, error: HermpkgError, consequence: str) -> None:
    told = HermpkgError(f"{error.summary}; {consequence}", facts=error.facts, next_step=error.next_step)
    session.journal.warn_of_now(told.render())
