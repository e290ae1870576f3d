"""Runs a command on an executor of the Remote Execution API: inputs go there, one folder comes back."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from hermpkg_build.core.digest import Digest
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.errors import ActionError, BuildInterruptedError
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.remote.grpc.capabilities import check_version
from hermpkg_build.remote.grpc.channel import GrpcChannel
from hermpkg_build.remote.grpc.failures import CallFailedError, not_understood
from hermpkg_build.remote.grpc.methods import CANCEL_OPERATION, EXECUTE, WAIT_EXECUTION
from hermpkg_build.remote.grpc.transport import GrpcTransport
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.reapi.encoding import core_digest, message_blob, message_digest
from hermpkg_build.remote.reapi.merkle import InputRoot, files_of_tree

if TYPE_CHECKING:
    from hermpkg_build.remote.settings import RemoteSettings
    from hermpkg_build.remote.transport import Blob
    from hermpkg_build.store.content import ContentStore

_POLL_S = 0.05
_WAITED = 2
"""An action may wait for a worker as long as it may take then."""

_DOING = "run an action on the executor"
_FORGOTTEN = ("NOT_FOUND", "UNIMPLEMENTED")
"""Codes of a server that cannot be asked for a running action: it restarted, or never could."""

_LACKS_INPUTS = ("FAILED_PRECONDITION", "NOT_FOUND")
"""Codes for an action whose inputs the server lacks: that of the protocol, and that of some servers."""

_LARGEST_TREE = 64 << 20
_MOST_OUTPUT = 64 << 10
_OUTPUT_LINES = 20


class ExecutionError(ActionError):
    """The result of an action on an executor cannot be used, or the action could not run there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command to run in the folder of inputs; `output`, relative to that, is the folder that it makes.

    `platform` are properties that the worker must have; `timeout_s` is how long it may take, in seconds.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    output: str
    timeout_s: float
    platform: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """A command that ended.

    `files` are those of its output folder by their paths in it, None where it made no such folder.
    `recalled` says that the executor kept the result of an earlier run; `errors` is the end of what the
    command wrote to standard error, where it failed.
    """

    exit_code: int
    files: Mapping[str, Digest] | None
    recalled: bool
    errors: str = field(default="", compare=False)


class Executor:
    """The executor that `settings` name, for any number of threads; contents go to and from `content`."""

    def __init__(self, settings: RemoteSettings, content: ContentStore) -> None:
        self._channel = GrpcChannel(settings, settings.executor)
        self._transport = GrpcTransport(settings, self._channel)
        self._content = content
        self.server: str = self._channel.name
        self.settings = settings

    def execute(
        self, command: Command, root: InputRoot, *, cancelled: Callable[[], bool], anew: bool = False
    ) -> Executed:
        """Run a command in the folder `root`; with `anew` even where the executor recalls its result.

        A stream that breaks is taken up again, and the action is run again where the executor forgot
        it, or has lost what it recalls. Raises RemoteError, ExecutionError where the action could not
        run to its end, and BuildInterruptedError where `cancelled` says so.
        """
        blobs = _describe(command, root)
        request = messages.ExecuteRequest(
            instance_name=self._channel.instance,
            action_digest=message_digest(next(iter(blobs))),
            skip_cache_lookup=anew,
            digest_function=messages.DigestFunction.SHA256,
        )
        run = _Run(
            channel=self._channel,
            request=request,
            idle_s=self.settings.timeout_s,
            limit_s=command.timeout_s * _WAITED + self.settings.timeout_s,
            upload=lambda: self._upload(blobs),
        )
        response = run.wait(cancelled)
        try:
            return self._executed(response, command)
        except ExecutionError:
            if anew or not response.cached_result:
                raise
        return self.execute(command, root, cancelled=cancelled, anew=True)

    def fetch(self, digests: Iterable[Digest]) -> set[Digest]:
        """Fetch contents into the content store; gives those that the executor does not have whole."""
        absent = {digest for digest in digests if self._content.path_of(digest) is None}
        return self._transport.download(absent, self._content) & absent if absent else set()

    def close(self) -> None:
        """Close the connection. Calls under way in other threads fail."""
        self._channel.close()

    def _check_abilities(self) -> None:
        capabilities = self._channel.capabilities()
        check_version(capabilities, server=self.server)
        execution = capabilities.execution_capabilities
        functions = {execution.digest_function, *execution.digest_functions}
        if not execution.exec_enabled or messages.DigestFunction.SHA256 not in functions:
            raise RemoteError(
                "protocol",
                f"cannot {_DOING}",
                server=self.server,
                reason="it does not execute actions, or does not identify contents by SHA-256",
                next_step="check --remote-executor and --remote-instance",
            )

    def _upload(self, blobs: Mapping[Digest, Blob]) -> None:
        self._check_abilities()
        missing = self._transport.missing(blobs.keys()) & blobs.keys()
        if missing:
            self._transport.upload([blobs[digest] for digest in sorted(missing)])

    def _executed(self, response: messages.ExecuteResponse, command: Command) -> Executed:
        result = response.result
        files: Mapping[str, Digest] | None = None
        try:
            for folder in result.output_directories:
                if folder.path == command.output:
                    files = files_of_tree(self.read(core_digest(folder.tree_digest), _LARGEST_TREE))
            errors = result.stderr_raw
            if result.exit_code != 0 and not errors and result.HasField("stderr_digest"):
                errors = self.read(core_digest(result.stderr_digest), _MOST_OUTPUT)
        except ValueError as error:
            raise ExecutionError(
                "the executor's answer cannot be read",
                facts=[("executor", self.server), ("reason", str(error))],
            ) from error
        return Executed(
            exit_code=result.exit_code,
            files=files,
            recalled=response.cached_result,
            errors="\n".join(errors.decode(errors="replace").rstrip().splitlines()[-_OUTPUT_LINES:]),
        )

    def read(self, digest: Digest, limit: int) -> bytes:
        """Contents of at most `limit` bytes. Raises ValueError where they are larger, missing or damaged."""
        if digest.size > limit:
            raise ValueError(f"{digest} is larger than {limit:,} bytes")
        self.fetch([digest])
        data = self._content.get_bytes(digest)
        if data is None:
            raise ValueError(f"{digest} is missing or damaged there")
        return data


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run of an action: followed in a thread of its own, so that waiting for it can be interrupted.

    `upload` brings its inputs to the server. A stream that was silent for `idle_s` was alive until then.
    After `limit_s` it is given up, whatever the server says.
    """

    channel: GrpcChannel
    request: messages.ExecuteRequest
    idle_s: float
    limit_s: float
    upload: Callable[[], None]
    operation: str = ""
    outcome: Future[messages.ExecuteResponse] = field(default_factory=Future)

    def wait(self, cancelled: Callable[[], bool]) -> messages.ExecuteResponse:
        """Wait for the response.

        Raises BuildInterruptedError once `cancelled` says so, and ExecutionError where it takes too long.
        """
        threading.Thread(target=self._follow, name="hermpkg-execution", daemon=True).start()
        end = time.monotonic() + self.limit_s
        while not cancelled():
            if wait([self.outcome], timeout=_POLL_S).done:
                return self.outcome.result()
            if time.monotonic() > end:
                self._give_up()
                raise self._not_run(
                    CallFailedError("DEADLINE_EXCEEDED", f"it is not done after {self.limit_s:g} s")
                )
        self._give_up()
        raise BuildInterruptedError("the build was stopped while an executor worked for it")

    def _follow(self) -> None:
        try:
            self.outcome.set_result(self._finished())
        except BaseException as error:  # noqa: BLE001 - raised again by `wait`, in the thread that asks
            self.outcome.set_exception(error)

    def _finished(self) -> messages.ExecuteResponse:
        """Ask for the action, and go on asking, until it is done."""
        attempts = self.channel.attempts(_DOING)
        started = 0
        sent_again = False
        self.upload()
        while True:
            since, heard = time.monotonic(), False
            started += not self.operation
            try:
                for operation in self._operations():
                    heard = True
                    self.operation = operation.name
                    if operation.done:
                        return self._response(operation)
                raise CallFailedError("UNAVAILABLE", "the server ended its answer before the action was done")
            except CallFailedError as error:
                if self.operation and error.code in _FORGOTTEN and started <= self.channel.retries:
                    self.operation = ""
                    continue
                if error.code in _LACKS_INPUTS:
                    # They can have been thrown away between their upload and now.
                    if sent_again:
                        raise self._not_run(error) from error
                    sent_again = True
                    self.operation = ""
                    self.upload()
                    continue
                if heard and time.monotonic() - since >= self.idle_s:
                    # An action may take as long as it wants, and its server be silent, if it is still there.
                    attempts.progressed()
                attempts.failed(error)

    def _operations(self) -> Iterable[messages.Operation]:
        if self.operation:
            waiting = messages.WaitExecutionRequest(name=self.operation)
            return self.channel.responses(WAIT_EXECUTION, waiting)
        return self.channel.responses(EXECUTE, self.request)

    def _response(self, operation: messages.Operation) -> messages.ExecuteResponse:
        """The response of a finished operation. Raises CallFailedError where trying again can help."""
        response = messages.ExecuteResponse()
        if operation.HasField("error"):
            response.status.CopyFrom(operation.error)
        else:
            try:
                is_response = operation.response.Unpack(response)
            except DecodeError as undecoded:
                raise not_understood(undecoded) from undecoded
            if not is_response:
                raise CallFailedError("INTERNAL", "the answer is not an ExecuteResponse")
        if response.status.code == 0:
            return response
        self.operation = ""
        error = CallFailedError.of_status(response.status.code, response.status.message)
        if error.code == "DEADLINE_EXCEEDED":
            raise self._not_run(error)
        raise error

    def _not_run(self, error: CallFailedError) -> ExecutionError:
        facts = [("executor", self.channel.name), ("reason", error.reason)]
        if error.code != "DEADLINE_EXCEEDED":
            return ExecutionError("the executor could not run the action", facts=facts)
        return ExecutionError(
            "the action took too long on the executor",
            facts=facts,
            next_step="allow it more with --remote-execution-timeout",
        )

    def _give_up(self) -> None:
        """Ask the executor to cancel the action; not all executors can."""
        if self.operation:
            with suppress(CallFailedError):
                self.channel.call(CANCEL_OPERATION, messages.CancelOperationRequest(name=self.operation))


def _describe(command: Command, root: InputRoot) -> dict[Digest, Blob]:
    """The action, its command and its inputs, as blobs; the action first."""
    platform = messages.Platform(
        properties=[
            messages.Platform.Property(name=name, value=value) for name, value in sorted(command.platform)
        ]
    )
    described = message_blob(
        messages.Command(
            arguments=command.arguments,
            environment_variables=[
                messages.Command.EnvironmentVariable(name=name, value=value)
                for name, value in sorted(command.environment.items())
            ],
            # Version 2.0 of the protocol knows the one, later versions the other.
            output_directories=[command.output],
            output_paths=[command.output],
            platform=platform,
        )
    )
    action = message_blob(
        messages.Action(
            command_digest=message_digest(described.digest),
            input_root_digest=message_digest(root.digest),
            timeout=messages.Duration(seconds=math.ceil(command.timeout_s)),
            platform=platform,
        )
    )
    return {blob.digest: blob for blob in (action, described, *root.blobs)}
