"""The messages of the Remote Execution API, version 2: written by tests/remote/regenerate_messages.py."""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from datetime import timedelta
from typing import TypeVar, overload

from typing_extensions import Self

_T = TypeVar("_T")

class Message:
    @classmethod
    def FromString(cls, data: bytes, /) -> Self: ...
    def ByteSize(self) -> int: ...
    def Clear(self) -> None: ...
    def ClearField(self, name: str, /) -> None: ...
    def CopyFrom(self, other: Self, /) -> None: ...
    def HasField(self, name: str, /) -> bool: ...
    def MergeFrom(self, other: Self, /) -> None: ...
    def SerializeToString(self, *, deterministic: bool = ...) -> bytes: ...
    def WhichOneof(self, name: str, /) -> str | None: ...

class Repeated(Sequence[_T]):
    @overload
    def __getitem__(self, index: int, /) -> _T: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[_T]: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[_T]: ...
    def __delitem__(self, index: int | slice, /) -> None: ...
    def append(self, value: _T, /) -> None: ...
    def extend(self, values: Iterable[_T], /) -> None: ...

class ReadRequest(Message):
    resource_name: str
    read_offset: int
    read_limit: int
    def __init__(
        self,
        *,
        resource_name: str = ...,
        read_offset: int = ...,
        read_limit: int = ...,
    ) -> None: ...

class ReadResponse(Message):
    data: bytes
    def __init__(
        self,
        *,
        data: bytes = ...,
    ) -> None: ...

class WriteRequest(Message):
    resource_name: str
    write_offset: int
    finish_write: bool
    data: bytes
    def __init__(
        self,
        *,
        resource_name: str = ...,
        write_offset: int = ...,
        finish_write: bool = ...,
        data: bytes = ...,
    ) -> None: ...

class WriteResponse(Message):
    committed_size: int
    def __init__(
        self,
        *,
        committed_size: int = ...,
    ) -> None: ...

class QueryWriteStatusRequest(Message):
    resource_name: str
    def __init__(
        self,
        *,
        resource_name: str = ...,
    ) -> None: ...

class QueryWriteStatusResponse(Message):
    committed_size: int
    complete: bool
    def __init__(
        self,
        *,
        committed_size: int = ...,
        complete: bool = ...,
    ) -> None: ...

class Any(Message):
    type_url: str
    value: bytes
    def Pack(self, message: Message, /) -> None: ...
    def Unpack(self, message: Message, /) -> bool: ...
    def __init__(
        self,
        *,
        type_url: str = ...,
        value: bytes = ...,
    ) -> None: ...

class Empty(Message): ...

class Status(Message):
    code: int
    message: str
    @property
    def details(self) -> Repeated[Any]: ...
    def __init__(
        self,
        *,
        code: int = ...,
        message: str = ...,
        details: Iterable[Any] = ...,
    ) -> None: ...

class Operation(Message):
    name: str
    @property
    def metadata(self) -> Any: ...
    done: bool
    @property
    def error(self) -> Status: ...
    @property
    def response(self) -> Any: ...
    def __init__(
        self,
        *,
        name: str = ...,
        metadata: Any | None = ...,
        done: bool = ...,
        error: Status | None = ...,
        response: Any | None = ...,
    ) -> None: ...

class CancelOperationRequest(Message):
    name: str
    def __init__(
        self,
        *,
        name: str = ...,
    ) -> None: ...

class Duration(Message):
    seconds: int
    nanos: int
    def FromTimedelta(self, value: timedelta, /) -> None: ...
    def ToTimedelta(self) -> timedelta: ...
    def __init__(
        self,
        *,
        seconds: int = ...,
        nanos: int = ...,
    ) -> None: ...

class Timestamp(Message):
    seconds: int
    nanos: int
    def __init__(
        self,
        *,
        seconds: int = ...,
        nanos: int = ...,
    ) -> None: ...

class DoubleValue(Message):
    value: float
    def __init__(
        self,
        *,
        value: float = ...,
    ) -> None: ...

class FloatValue(Message):
    value: float
    def __init__(
        self,
        *,
        value: float = ...,
    ) -> None: ...

class Int64Value(Message):
    value: int
    def __init__(
        self,
        *,
        value: int = ...,
    ) -> None: ...

class UInt64Value(Message):
    value: int
    def __init__(
        self,
        *,
        value: int = ...,
    ) -> None: ...

class Int32Value(Message):
    value: int
    def __init__(
        self,
        *,
        value: int = ...,
    ) -> None: ...

class UInt32Value(Message):
    value: int
    def __init__(
        self,
        *,
        value: int = ...,
    ) -> None: ...

class BoolValue(Message):
    value: bool
    def __init__(
        self,
        *,
        value: bool = ...,
    ) -> None: ...

class StringValue(Message):
    value: str
    def __init__(
        self,
        *,
        value: str = ...,
    ) -> None: ...

class BytesValue(Message):
    value: bytes
    def __init__(
        self,
        *,
        value: bytes = ...,
    ) -> None: ...

class SemVer(Message):
    major: int
    minor: int
    patch: int
    prerelease: str
    def __init__(
        self,
        *,
        major: int = ...,
        minor: int = ...,
        patch: int = ...,
        prerelease: str = ...,
    ) -> None: ...

class Digest(Message):
    hash: str
    size_bytes: int
    def __init__(
        self,
        *,
        hash: str = ...,
        size_bytes: int = ...,
    ) -> None: ...

class Directory(Message):
    @property
    def files(self) -> Repeated[FileNode]: ...
    @property
    def directories(self) -> Repeated[DirectoryNode]: ...
    @property
    def symlinks(self) -> Repeated[SymlinkNode]: ...
    @property
    def node_properties(self) -> NodeProperties: ...
    def __init__(
        self,
        *,
        files: Iterable[FileNode] = ...,
        directories: Iterable[DirectoryNode] = ...,
        symlinks: Iterable[SymlinkNode] = ...,
        node_properties: NodeProperties | None = ...,
    ) -> None: ...

class NodeProperty(Message):
    name: str
    value: str
    def __init__(
        self,
        *,
        name: str = ...,
        value: str = ...,
    ) -> None: ...

class NodeProperties(Message):
    @property
    def properties(self) -> Repeated[NodeProperty]: ...
    @property
    def mtime(self) -> Timestamp: ...
    @property
    def unix_mode(self) -> UInt32Value: ...
    def __init__(
        self,
        *,
        properties: Iterable[NodeProperty] = ...,
        mtime: Timestamp | None = ...,
        unix_mode: UInt32Value | None = ...,
    ) -> None: ...

class FileNode(Message):
    name: str
    @property
    def digest(self) -> Digest: ...
    is_executable: bool
    @property
    def node_properties(self) -> NodeProperties: ...
    def __init__(
        self,
        *,
        name: str = ...,
        digest: Digest | None = ...,
        is_executable: bool = ...,
        node_properties: NodeProperties | None = ...,
    ) -> None: ...

class DirectoryNode(Message):
    name: str
    @property
    def digest(self) -> Digest: ...
    def __init__(
        self,
        *,
        name: str = ...,
        digest: Digest | None = ...,
    ) -> None: ...

class SymlinkNode(Message):
    name: str
    target: str
    @property
    def node_properties(self) -> NodeProperties: ...
    def __init__(
        self,
        *,
        name: str = ...,
        target: str = ...,
        node_properties: NodeProperties | None = ...,
    ) -> None: ...

class Tree(Message):
    @property
    def root(self) -> Directory: ...
    @property
    def children(self) -> Repeated[Directory]: ...
    def __init__(
        self,
        *,
        root: Directory | None = ...,
        children: Iterable[Directory] = ...,
    ) -> None: ...

class Platform(Message):
    class Property(Message):
        name: str
        value: str
        def __init__(
            self,
            *,
            name: str = ...,
            value: str = ...,
        ) -> None: ...

    @property
    def properties(self) -> Repeated[Platform.Property]: ...
    def __init__(
        self,
        *,
        properties: Iterable[Platform.Property] = ...,
    ) -> None: ...

class Command(Message):
    class EnvironmentVariable(Message):
        name: str
        value: str
        def __init__(
            self,
            *,
            name: str = ...,
            value: str = ...,
        ) -> None: ...

    @property
    def arguments(self) -> Repeated[str]: ...
    @property
    def environment_variables(self) -> Repeated[Command.EnvironmentVariable]: ...
    @property
    def output_files(self) -> Repeated[str]: ...
    @property
    def output_directories(self) -> Repeated[str]: ...
    @property
    def platform(self) -> Platform: ...
    working_directory: str
    @property
    def output_paths(self) -> Repeated[str]: ...
    @property
    def output_node_properties(self) -> Repeated[str]: ...
    def __init__(
        self,
        *,
        arguments: Iterable[str] = ...,
        environment_variables: Iterable[Command.EnvironmentVariable] = ...,
        output_files: Iterable[str] = ...,
        output_directories: Iterable[str] = ...,
        platform: Platform | None = ...,
        working_directory: str = ...,
        output_paths: Iterable[str] = ...,
        output_node_properties: Iterable[str] = ...,
    ) -> None: ...

class Action(Message):
    @property
    def command_digest(self) -> Digest: ...
    @property
    def input_root_digest(self) -> Digest: ...
    @property
    def timeout(self) -> Duration: ...
    do_not_cache: bool
    salt: bytes
    @property
    def platform(self) -> Platform: ...
    def __init__(
        self,
        *,
        command_digest: Digest | None = ...,
        input_root_digest: Digest | None = ...,
        timeout: Duration | None = ...,
        do_not_cache: bool = ...,
        salt: bytes = ...,
        platform: Platform | None = ...,
    ) -> None: ...

class OutputFile(Message):
    path: str
    @property
    def digest(self) -> Digest: ...
    is_executable: bool
    contents: bytes
    @property
    def node_properties(self) -> NodeProperties: ...
    def __init__(
        self,
        *,
        path: str = ...,
        digest: Digest | None = ...,
        is_executable: bool = ...,
        contents: bytes = ...,
        node_properties: NodeProperties | None = ...,
    ) -> None: ...

class OutputDirectory(Message):
    path: str
    @property
    def tree_digest(self) -> Digest: ...
    is_topologically_sorted: bool
    @property
    def root_directory_digest(self) -> Digest: ...
    def __init__(
        self,
        *,
        path: str = ...,
        tree_digest: Digest | None = ...,
        is_topologically_sorted: bool = ...,
        root_directory_digest: Digest | None = ...,
    ) -> None: ...

class OutputSymlink(Message):
    path: str
    target: str
    @property
    def node_properties(self) -> NodeProperties: ...
    def __init__(
        self,
        *,
        path: str = ...,
        target: str = ...,
        node_properties: NodeProperties | None = ...,
    ) -> None: ...

class ExecutedActionMetadata(Message):
    worker: str
    @property
    def queued_timestamp(self) -> Timestamp: ...
    @property
    def worker_start_timestamp(self) -> Timestamp: ...
    @property
    def worker_completed_timestamp(self) -> Timestamp: ...
    @property
    def input_fetch_start_timestamp(self) -> Timestamp: ...
    @property
    def input_fetch_completed_timestamp(self) -> Timestamp: ...
    @property
    def execution_start_timestamp(self) -> Timestamp: ...
    @property
    def execution_completed_timestamp(self) -> Timestamp: ...
    @property
    def output_upload_start_timestamp(self) -> Timestamp: ...
    @property
    def output_upload_completed_timestamp(self) -> Timestamp: ...
    @property
    def auxiliary_metadata(self) -> Repeated[Any]: ...
    @property
    def virtual_execution_duration(self) -> Duration: ...
    def __init__(
        self,
        *,
        worker: str = ...,
        queued_timestamp: Timestamp | None = ...,
        worker_start_timestamp: Timestamp | None = ...,
        worker_completed_timestamp: Timestamp | None = ...,
        input_fetch_start_timestamp: Timestamp | None = ...,
        input_fetch_completed_timestamp: Timestamp | None = ...,
        execution_start_timestamp: Timestamp | None = ...,
        execution_completed_timestamp: Timestamp | None = ...,
        output_upload_start_timestamp: Timestamp | None = ...,
        output_upload_completed_timestamp: Timestamp | None = ...,
        auxiliary_metadata: Iterable[Any] = ...,
        virtual_execution_duration: Duration | None = ...,
    ) -> None: ...

class ActionResult(Message):
    @property
    def output_files(self) -> Repeated[OutputFile]: ...
    @property
    def output_directories(self) -> Repeated[OutputDirectory]: ...
    exit_code: int
    stdout_raw: bytes
    @property
    def stdout_digest(self) -> Digest: ...
    stderr_raw: bytes
    @property
    def stderr_digest(self) -> Digest: ...
    @property
    def execution_metadata(self) -> ExecutedActionMetadata: ...
    @property
    def output_file_symlinks(self) -> Repeated[OutputSymlink]: ...
    @property
    def output_directory_symlinks(self) -> Repeated[OutputSymlink]: ...
    @property
    def output_symlinks(self) -> Repeated[OutputSymlink]: ...
    def __init__(
        self,
        *,
        output_files: Iterable[OutputFile] = ...,
        output_directories: Iterable[OutputDirectory] = ...,
        exit_code: int = ...,
        stdout_raw: bytes = ...,
        stdout_digest: Digest | None = ...,
        stderr_raw: bytes = ...,
        stderr_digest: Digest | None = ...,
        execution_metadata: ExecutedActionMetadata | None = ...,
        output_file_symlinks: Iterable[OutputSymlink] = ...,
        output_directory_symlinks: Iterable[OutputSymlink] = ...,
        output_symlinks: Iterable[OutputSymlink] = ...,
    ) -> None: ...

class ResultsCachePolicy(Message):
    priority: int
    def __init__(
        self,
        *,
        priority: int = ...,
    ) -> None: ...

class GetActionResultRequest(Message):
    instance_name: str
    @property
    def action_digest(self) -> Digest: ...
    inline_stdout: bool
    inline_stderr: bool
    @property
    def inline_output_files(self) -> Repeated[str]: ...
    digest_function: int
    def __init__(
        self,
        *,
        instance_name: str = ...,
        action_digest: Digest | None = ...,
        inline_stdout: bool = ...,
        inline_stderr: bool = ...,
        inline_output_files: Iterable[str] = ...,
        digest_function: int = ...,
    ) -> None: ...

class UpdateActionResultRequest(Message):
    instance_name: str
    @property
    def action_digest(self) -> Digest: ...
    @property
    def action_result(self) -> ActionResult: ...
    @property
    def results_cache_policy(self) -> ResultsCachePolicy: ...
    digest_function: int
    def __init__(
        self,
        *,
        instance_name: str = ...,
        action_digest: Digest | None = ...,
        action_result: ActionResult | None = ...,
        results_cache_policy: ResultsCachePolicy | None = ...,
        digest_function: int = ...,
    ) -> None: ...

class Compressor(Message):
    IDENTITY: int
    ZSTD: int
    DEFLATE: int
    BROTLI: int

class FindMissingBlobsRequest(Message):
    instance_name: str
    @property
    def blob_digests(self) -> Repeated[Digest]: ...
    digest_function: int
    def __init__(
        self,
        *,
        instance_name: str = ...,
        blob_digests: Iterable[Digest] = ...,
        digest_function: int = ...,
    ) -> None: ...

class FindMissingBlobsResponse(Message):
    @property
    def missing_blob_digests(self) -> Repeated[Digest]: ...
    def __init__(
        self,
        *,
        missing_blob_digests: Iterable[Digest] = ...,
    ) -> None: ...

class BatchUpdateBlobsRequest(Message):
    class Request(Message):
        @property
        def digest(self) -> Digest: ...
        data: bytes
        compressor: int
        def __init__(
            self,
            *,
            digest: Digest | None = ...,
            data: bytes = ...,
            compressor: int = ...,
        ) -> None: ...

    instance_name: str
    @property
    def requests(self) -> Repeated[BatchUpdateBlobsRequest.Request]: ...
    digest_function: int
    def __init__(
        self,
        *,
        instance_name: str = ...,
        requests: Iterable[BatchUpdateBlobsRequest.Request] = ...,
        digest_function: int = ...,
    ) -> None: ...

class BatchUpdateBlobsResponse(Message):
    class Response(Message):
        @property
        def digest(self) -> Digest: ...
        @property
        def status(self) -> Status: ...
        def __init__(
            self,
            *,
            digest: Digest | None = ...,
            status: Status | None = ...,
        ) -> None: ...

    @property
    def responses(self) -> Repeated[BatchUpdateBlobsResponse.Response]: ...
    def __init__(
        self,
        *,
        responses: Iterable[BatchUpdateBlobsResponse.Response] = ...,
    ) -> None: ...

class BatchReadBlobsRequest(Message):
    instance_name: str
    @property
    def digests(self) -> Repeated[Digest]: ...
    @property
    def acceptable_compressors(self) -> Repeated[int]: ...
    digest_function: int
    def __init__(
        self,
        *,
        instance_name: str = ...,
        digests: Iterable[Digest] = ...,
        acceptable_compressors: Iterable[int] = ...,
        digest_function: int = ...,
    ) -> None: ...

class BatchReadBlobsResponse(Message):
    class Response(Message):
        @property
        def digest(self) -> Digest: ...
        data: bytes
        @property
        def status(self) -> Status: ...
        compressor: int
        def __init__(
            self,
            *,
            digest: Digest | None = ...,
            data: bytes = ...,
            status: Status | None = ...,
            compressor: int = ...,
        ) -> None: ...

    @property
    def responses(self) -> Repeated[BatchReadBlobsResponse.Response]: ...
    def __init__(
        self,
        *,
        responses: Iterable[BatchReadBlobsResponse.Response] = ...,
    ) -> None: ...

class GetTreeRequest(Message):
    instance_name: str
    @property
    def root_digest(self) -> Digest: ...
    page_size: int
    page_token: str
    digest_function: int
    def __init__(
        self,
        *,
        instance_name: str = ...,
        root_digest: Digest | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        digest_function: int = ...,
    ) -> None: ...

class GetTreeResponse(Message):
    @property
    def directories(self) -> Repeated[Directory]: ...
    next_page_token: str
    def __init__(
        self,
        *,
        directories: Iterable[Directory] = ...,
        next_page_token: str = ...,
    ) -> None: ...

class ExecutionPolicy(Message):
    priority: int
    def __init__(
        self,
        *,
        priority: int = ...,
    ) -> None: ...

class ExecuteRequest(Message):
    instance_name: str
    skip_cache_lookup: bool
    @property
    def action_digest(self) -> Digest: ...
    @property
    def execution_policy(self) -> ExecutionPolicy: ...
    @property
    def results_cache_policy(self) -> ResultsCachePolicy: ...
    digest_function: int
    def __init__(
        self,
        *,
        instance_name: str = ...,
        skip_cache_lookup: bool = ...,
        action_digest: Digest | None = ...,
        execution_policy: ExecutionPolicy | None = ...,
        results_cache_policy: ResultsCachePolicy | None = ...,
        digest_function: int = ...,
    ) -> None: ...

class WaitExecutionRequest(Message):
    name: str
    def __init__(
        self,
        *,
        name: str = ...,
    ) -> None: ...

class LogFile(Message):
    @property
    def digest(self) -> Digest: ...
    human_readable: bool
    def __init__(
        self,
        *,
        digest: Digest | None = ...,
        human_readable: bool = ...,
    ) -> None: ...

class ExecuteResponse(Message):
    @property
    def result(self) -> ActionResult: ...
    cached_result: bool
    @property
    def status(self) -> Status: ...
    @property
    def server_logs(self) -> MutableMapping[str, LogFile]: ...
    message: str
    def __init__(
        self,
        *,
        result: ActionResult | None = ...,
        cached_result: bool = ...,
        status: Status | None = ...,
        server_logs: Mapping[str, LogFile] = ...,
        message: str = ...,
    ) -> None: ...

class ExecutionStage(Message):
    UNKNOWN: int
    CACHE_CHECK: int
    QUEUED: int
    EXECUTING: int
    COMPLETED: int

class ExecuteOperationMetadata(Message):
    stage: int
    @property
    def action_digest(self) -> Digest: ...
    stdout_stream_name: str
    stderr_stream_name: str
    @property
    def partial_execution_metadata(self) -> ExecutedActionMetadata: ...
    digest_function: int
    def __init__(
        self,
        *,
        stage: int = ...,
        action_digest: Digest | None = ...,
        stdout_stream_name: str = ...,
        stderr_stream_name: str = ...,
        partial_execution_metadata: ExecutedActionMetadata | None = ...,
        digest_function: int = ...,
    ) -> None: ...

class DigestFunction(Message):
    UNKNOWN: int
    SHA256: int
    SHA1: int
    MD5: int
    VSO: int
    SHA384: int
    SHA512: int
    MURMUR3: int
    SHA256TREE: int
    BLAKE3: int

class GetCapabilitiesRequest(Message):
    instance_name: str
    def __init__(
        self,
        *,
        instance_name: str = ...,
    ) -> None: ...

class ServerCapabilities(Message):
    @property
    def cache_capabilities(self) -> CacheCapabilities: ...
    @property
    def execution_capabilities(self) -> ExecutionCapabilities: ...
    @property
    def deprecated_api_version(self) -> SemVer: ...
    @property
    def low_api_version(self) -> SemVer: ...
    @property
    def high_api_version(self) -> SemVer: ...
    def __init__(
        self,
        *,
        cache_capabilities: CacheCapabilities | None = ...,
        execution_capabilities: ExecutionCapabilities | None = ...,
        deprecated_api_version: SemVer | None = ...,
        low_api_version: SemVer | None = ...,
        high_api_version: SemVer | None = ...,
    ) -> None: ...

class ActionCacheUpdateCapabilities(Message):
    update_enabled: bool
    def __init__(
        self,
        *,
        update_enabled: bool = ...,
    ) -> None: ...

class CacheCapabilities(Message):
    @property
    def digest_functions(self) -> Repeated[int]: ...
    @property
    def action_cache_update_capabilities(self) -> ActionCacheUpdateCapabilities: ...
    max_batch_total_size_bytes: int
    @property
    def supported_compressors(self) -> Repeated[int]: ...
    @property
    def supported_batch_update_compressors(self) -> Repeated[int]: ...
    max_cas_blob_size_bytes: int
    def __init__(
        self,
        *,
        digest_functions: Iterable[int] = ...,
        action_cache_update_capabilities: ActionCacheUpdateCapabilities | None = ...,
        max_batch_total_size_bytes: int = ...,
        supported_compressors: Iterable[int] = ...,
        supported_batch_update_compressors: Iterable[int] = ...,
        max_cas_blob_size_bytes: int = ...,
    ) -> None: ...

class ExecutionCapabilities(Message):
    digest_function: int
    exec_enabled: bool
    @property
    def supported_node_properties(self) -> Repeated[str]: ...
    @property
    def digest_functions(self) -> Repeated[int]: ...
    def __init__(
        self,
        *,
        digest_function: int = ...,
        exec_enabled: bool = ...,
        supported_node_properties: Iterable[str] = ...,
        digest_functions: Iterable[int] = ...,
    ) -> None: ...

class ToolDetails(Message):
    tool_name: str
    tool_version: str
    def __init__(
        self,
        *,
        tool_name: str = ...,
        tool_version: str = ...,
    ) -> None: ...

class RequestMetadata(Message):
    @property
    def tool_details(self) -> ToolDetails: ...
    action_id: str
    tool_invocation_id: str
    correlated_invocations_id: str
    action_mnemonic: str
    target_id: str
    configuration_id: str
    def __init__(
        self,
        *,
        tool_details: ToolDetails | None = ...,
        action_id: str = ...,
        tool_invocation_id: str = ...,
        correlated_invocations_id: str = ...,
        action_mnemonic: str = ...,
        target_id: str = ...,
        configuration_id: str = ...,
    ) -> None: ...
