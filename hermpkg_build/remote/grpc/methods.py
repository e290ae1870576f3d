"""The calls of the Remote Execution API that hermpkg makes, each with the message that answers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from hermpkg_build.remote.reapi import messages

Request = TypeVar("Request", bound=messages.Message)
Response = TypeVar("Response", bound=messages.Message)

_REAPI = "/build.bazel.remote.execution.v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method(Generic[Request, Response]):
    """One call by its path; whether either side sends a stream is said where it is made.

    `writes` says that the server is to keep something.
    """

    path: str
    request: type[Request]
    response: type[Response]
    writes: bool = False


GET_CAPABILITIES = Method(
    path=f"{_REAPI}.Capabilities/GetCapabilities",
    request=messages.GetCapabilitiesRequest,
    response=messages.ServerCapabilities,
)
GET_ACTION_RESULT = Method(
    path=f"{_REAPI}.ActionCache/GetActionResult",
    request=messages.GetActionResultRequest,
    response=messages.ActionResult,
)
UPDATE_ACTION_RESULT = Method(
    path=f"{_REAPI}.ActionCache/UpdateActionResult",
    request=messages.UpdateActionResultRequest,
    response=messages.ActionResult,
    writes=True,
)
FIND_MISSING_BLOBS = Method(
    path=f"{_REAPI}.ContentAddressableStorage/FindMissingBlobs",
    request=messages.FindMissingBlobsRequest,
    response=messages.FindMissingBlobsResponse,
)
BATCH_READ_BLOBS = Method(
    path=f"{_REAPI}.ContentAddressableStorage/BatchReadBlobs",
    request=messages.BatchReadBlobsRequest,
    response=messages.BatchReadBlobsResponse,
)
BATCH_UPDATE_BLOBS = Method(
    path=f"{_REAPI}.ContentAddressableStorage/BatchUpdateBlobs",
    request=messages.BatchUpdateBlobsRequest,
    response=messages.BatchUpdateBlobsResponse,
    writes=True,
)
EXECUTE = Method(
    path=f"{_REAPI}.Execution/Execute",
    request=messages.ExecuteRequest,
    response=messages.Operation,
)
WAIT_EXECUTION = Method(
    path=f"{_REAPI}.Execution/WaitExecution",
    request=messages.WaitExecutionRequest,
    response=messages.Operation,
)
CANCEL_OPERATION = Method(
    path="/google.longrunning.Operations/CancelOperation",
    request=messages.CancelOperationRequest,
    response=messages.Empty,
)
READ = Method(
    path="/google.bytestream.ByteStream/Read",
    request=messages.ReadRequest,
    response=messages.ReadResponse,
)
WRITE = Method(
    path="/google.bytestream.ByteStream/Write",
    request=messages.WriteRequest,
    response=messages.WriteResponse,
    writes=True,
)
QUERY_WRITE_STATUS = Method(
    path="/google.bytestream.ByteStream/QueryWriteStatus",
    request=messages.QueryWriteStatusRequest,
    response=messages.QueryWriteStatusResponse,
)
