"""Makes model objects on an executor, and uses them where this machine would have seen the same files."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from hermpkg_build.core.texts import first_of
from hermpkg_build.dataclass import replace
from hermpkg_build.disk.normal_paths import folder_path
from hermpkg_build.engine.code_states import CODE_OF
from hermpkg_build.engine.environment import ABSENT, BuildEnvironment
from hermpkg_build.engine.remote.answers import (
    MOST_NAMED,
    Answer,
    OtherEnvironmentError,
    read_answer,
    side_by_side,
)
from hermpkg_build.engine.remote.inputs import model_inputs, shipped_environment, worker_command
from hermpkg_build.engine.remote.rebuilder import or_none
from hermpkg_build.engine.remote.worker import EXIT_MADE
from hermpkg_build.factories.failures import FactoryError
from hermpkg_build.factories.request import ModelObject, ModelRequest, ObservedFiles, ObservedImport
from hermpkg_build.remote.failures import RemoteError, warning
from hermpkg_build.remote.grpc.execution import Executed, ExecutionError, Executor

if TYPE_CHECKING:
    from hermpkg_build.core.target import Model
    from hermpkg_build.engine.context import TargetContext
    from hermpkg_build.engine.journal import Journal
    from hermpkg_build.remote.reapi.merkle import InputRoot


class RemoteModels:
    """Makes model objects on the executor of a build, for as long as it can be used.

    An executor that fails, or that has another Python environment, is not used again, which is told once.
    Where the settings allow it, models are then made on this machine, else the build fails.
    """

    def __init__(
        self, executor: Executor, context: TargetContext, journal: Journal, *, cancelled: Callable[[], bool]
    ) -> None:
        self._executor = executor
        self._context = context
        self._journal = journal
        self._cancelled = cancelled
        self._fallback = executor.settings.execution_fallback
        self._useless = False
        self._lock = threading.Lock()

    @property
    def server(self) -> str:
        """The URL of the executor, without secrets."""
        return self._executor.server

    def make(self, target: Model, request: ModelRequest) -> ModelObject | None:
        """The model object of `request`, its bytes in the content store; None where it is to be made here.

        Its observed files are named as they are on this machine. Raises FactoryError where the factory
        failed having seen what it would have seen here, BuildInterruptedError where the build is
        cancelled, and where it must not be made here RemoteError and ExecutionError.
        """
        if self._useless:
            return None
        try:
            return self._make(target, request)
        except (RemoteError, OtherEnvironmentError) as error:
            if not self._fallback or self._cancelled():
                raise
            with self._lock:
                told, self._useless = self._useless, True
            if not told:
                self._journal.warn_for_this_build(warning(error, "models are made on this machine"))
        except ExecutionError as error:
            if not self._fallback:
                raise
            self._journal.warn_for_this_build(warning(error, f"{target.label} is made on this machine"))
        return None

    def _make(self, target: Model, request: ModelRequest) -> ModelObject:
        answer = self._answer(self._inputs(target, request))
        if isinstance(answer.outcome, FactoryError):
            raise answer.outcome
        return replace(
            answer.outcome,
            observed_files=_observed_here(self._context.environment, answer.seen),
            observed_modules=_observed_modules_here(self._context, answer),
        )

    def _inputs(self, target: Model, request: ModelRequest) -> InputRoot:
        try:
            return model_inputs(self._context, target, request, self._executor.settings)
        except (OSError, ValueError) as error:
            raise ExecutionError(
                f"the inputs of {target.label} cannot be sent to the executor",
                facts=[("executor", self.server), ("reason", str(error))],
            ) from error

    def _answer(self, root: InputRoot) -> Answer:
        """The worker's answer; it is run anew where the executor recalls an answer that cannot be used.

        A recalled failure is never used: it may have had a passing cause.
        """
        command = worker_command(self._executor.settings)
        executed = self._executor.execute(command, root, cancelled=self._cancelled)
        if executed.recalled:
            if executed.exit_code == EXIT_MADE:
                with suppress(ExecutionError):
                    return self._believed(executed)
            executed = self._executor.execute(command, root, cancelled=self._cancelled, anew=True)
        return self._believed(executed)

    def _believed(self, executed: Executed) -> Answer:
        """An answer that is whole, from a factory that saw what it would have seen here."""
        installed = shipped_environment(self._context).installed(self._context.tree)
        answer = read_answer(self._executor, executed, installed)
        state_of = or_none(self._context.state_of)
        differs = {
            name: side_by_side(here, there)
            for name, there in sorted(answer.seen.items())
            if (here := state_of(name) or "not a path") != there
        }
        if differs:
            raise self._saw_other_files(differs)
        return answer

    def _saw_other_files(self, differs: Mapping[str, str]) -> ExecutionError:
        files = first_of([f"{name}: {states}" for name, states in differs.items()], MOST_NAMED)
        workspace = any(not name.startswith(("/", "@")) for name in differs)
        return ExecutionError(
            "the factory saw other files on the executor than there are here",
            facts=[("executor", self.server), ("files", "\n".join(files))],
            next_step=(
                "only declared files go there: put it among the resources of python_modules in its deps"
                if workspace
                else "install there what is installed here"
            ),
        )


def _observed_here(environment: BuildEnvironment, seen: Mapping[str, str]) -> ObservedFiles:
    """The paths of the observed files on this machine; `seen` holds here too."""
    read, code, listed, sought = [], [], [], []
    for name, state in seen.items():
        path = _path_here(environment, name)
        if name.startswith(CODE_OF):
            code.append(path)
        elif name.endswith("/"):
            listed.append(folder_path(path))
        elif state in (ABSENT, "a folder"):
            sought.append(path)
        else:
            read.append(path)
    return ObservedFiles(
        read=tuple(sorted(read)),
        code=tuple(sorted(code)),
        listed=tuple(sorted(listed)),
        sought=tuple(sorted(sought)),
    )


def _observed_modules_here(context: TargetContext, answer: Answer) -> tuple[ObservedImport, ...]:
    """The imports with their paths on this machine; the executor may have the same modules elsewhere."""
    assert isinstance(answer.outcome, ModelObject)
    folders = dict(zip(answer.search_path, shipped_environment(context).search_path, strict=False))
    found = []
    for observed in answer.outcome.observed_modules:
        # The deepest folder that holds it decides: site-packages lies in the standard library's folder.
        folder = max((f for f in folders if observed.path.startswith(f"{f}/")), key=len, default="")
        here = folders.get(folder, folder) + observed.path[len(folder) :]
        found.append(replace(observed, path=here))
    return tuple(found)


def _path_here(environment: BuildEnvironment, name: str) -> str:
    """The path that a name stands for on this machine: the first that exists, of those that have the name."""
    paths = environment.paths_of(name)
    name_of = environment.folder_name_of if name.endswith("/") else environment.name_of
    named = [path for path in paths if name_of(path) == name] or paths
    return next((path for path in named if os.path.exists(path)), named[0])
