"""The calls of the Remote Execution API that hermpkg makes, each with the message that answers it."""

from __future__ import annotations

from typing import Generic, TypeVar

from hermpkg_build.dataclass import dataclass
from hermpkg_build.remote.reapi import messages

Request = TypeVar("Request", bound=messages.Message)
Response = TypeVar("Response", bound=messages.Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method(Generic[Request, Response]):
    """One call by its path; whether either side sends a stream is said where it is made.

    `writes` says that the server is to keep something.
    """

    path: str
    request: type[Request]
    response: type[Response]
    writes: bool = False


def _method(
    service: str, request: type[Request], response: type[Response], *, writes: bool = False
) -> Method[Request, Response]:
    """A call of `service`, after whose name its request is named: ``Read`` takes a ``ReadRequest``."""
    path = f"/{service}/{request.__name__.removesuffix('Request')}"
    return Method(path=path, request=request, response=response, writes=writes)


_REAPI = "build.bazel.remote.execution.v2"
_ACTION_CACHE = f"{_REAPI}.ActionCache"
_STORAGE = f"{_REAPI}.ContentAddressableStorage"
_EXECUTION = f"{_REAPI}.Execution"
_BYTE_STREAM = "google.bytestream.ByteStream"
_OPERATIONS = "google.longrunning.Operations"

GET_CAPABILITIES = _method(
    f"{_REAPI}.Capabilities", messages.GetCapabilitiesRequest, messages.ServerCapabilities
)
GET_ACTION_RESULT = _method(_ACTION_CACHE, messages.GetActionResultRequest, messages.ActionResult)
UPDATE_ACTION_RESULT = _method(
    _ACTION_CACHE, messages.UpdateActionResultRequest, messages.ActionResult, writes=True
)
FIND_MISSING_BLOBS = _method(_STORAGE, messages.FindMissingBlobsRequest, messages.FindMissingBlobsResponse)
BATCH_READ_BLOBS = _method(_STORAGE, messages.BatchReadBlobsRequest, messages.BatchReadBlobsResponse)
BATCH_UPDATE_BLOBS = _method(
    _STORAGE, messages.BatchUpdateBlobsRequest, messages.BatchUpdateBlobsResponse, writes=True
)
EXECUTE = _method(_EXECUTION, messages.ExecuteRequest, messages.Operation)
WAIT_EXECUTION = _method(_EXECUTION, messages.WaitExecutionRequest, messages.Operation)
CANCEL_OPERATION = _method(_OPERATIONS, messages.CancelOperationRequest, messages.Empty)
READ = _method(_BYTE_STREAM, messages.ReadRequest, messages.ReadResponse)
WRITE = _method(_BYTE_STREAM, messages.WriteRequest, messages.WriteResponse, writes=True)
QUERY_WRITE_STATUS = _method(
    _BYTE_STREAM, messages.QueryWriteStatusRequest, messages.QueryWriteStatusResponse
)
