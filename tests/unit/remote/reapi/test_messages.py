"""The messages of the remote protocol: their bytes, their private pool, and the files made from .proto."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("google.protobuf")

from hermpkg_build.remote.reapi import messages

_ROOT = Path(__file__).resolve().parents[4]


def _regenerate():
    spec = importlib.util.spec_from_file_location(
        "regenerate_messages", _ROOT / "tests/remote/regenerate_messages.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _declared(descriptors: bytes):
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    return [
        (file.package, message.SerializeToString(deterministic=True))
        for file in FileDescriptorSet.FromString(descriptors).file
        if file.package != "google.protobuf"
        for message in file.message_type
    ]


def test_the_committed_descriptors_are_those_of_the_proto_files(monkeypatch):
    # The compiler puts its own folder and finders where all look for modules.
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "meta_path", sys.meta_path.copy())
    pytest.importorskip("grpc_tools")
    regenerate = _regenerate()

    assert _declared(regenerate.DESCRIPTORS.read_bytes()) == _declared(regenerate.compile_protocol())


def test_the_committed_types_are_those_of_the_descriptors():
    regenerate = _regenerate()

    assert regenerate.TYPES.read_text() == regenerate.types_of(regenerate.DESCRIPTORS.read_bytes())


def test_a_digest_is_the_bytes_that_every_server_reads():
    digest = messages.Digest(hash="ab", size_bytes=300)

    assert digest.SerializeToString() == b"\x0a\x02ab\x10\xac\x02"
    assert messages.Digest.FromString(digest.SerializeToString()) == digest


def test_the_data_of_a_stream_is_field_10():
    assert messages.ReadResponse(data=b"abc").SerializeToString() == b"\x52\x03abc"
    assert messages.WriteRequest(data=b"abc").SerializeToString() == b"\x52\x03abc"


def test_fields_that_are_not_known_here_survive_a_round_trip():
    unknown = b"\xf2\x07\x03new"
    result = messages.ActionResult.FromString(
        messages.ActionResult(exit_code=3).SerializeToString() + unknown
    )

    assert result.exit_code == 3
    assert unknown in result.SerializeToString()


def test_a_finished_operation_holds_the_response_of_its_kind():
    operation = messages.Operation(name="op", done=True)
    operation.response.Pack(messages.ExecuteResponse(result=messages.ActionResult(exit_code=1)))
    received = messages.Operation.FromString(operation.SerializeToString())
    response = messages.ExecuteResponse()

    assert received.WhichOneof("result") == "response"
    assert received.response.type_url.endswith("/build.bazel.remote.execution.v2.ExecuteResponse")
    assert received.response.Unpack(response)
    assert response.result.exit_code == 1
    assert not received.response.Unpack(messages.Operation())


_TWO_COPIES = """
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorProto

def another_library():
    "Its own edition of a message, under the name that everyone uses, in the pool that everyone shares."
    file = FileDescriptorProto(name="other/remote_execution.proto", package="build.bazel.remote.execution.v2")
    message = file.message_type.add(name="Digest")
    for name, number, kind in ("hash", 1, 9), ("size_bytes", 2, 3), ("flavour", 3, 9):
        message.field.add(name=name, number=number, type=kind, label=1)
    descriptor_pool.Default().Add(file)
    found = descriptor_pool.Default().FindMessageTypeByName("build.bazel.remote.execution.v2.Digest")
    return message_factory.GetMessageClass(found)

def ours():
    from hermpkg_build.remote.reapi import messages
    return messages.Digest

first, second = (another_library(), ours()) if ORDER else (ours(), another_library())
other, own = (first, second) if ORDER else (second, first)
assert own is not other
data = own(hash="ab", size_bytes=2).SerializeToString()
assert other.FromString(data).hash == "ab"
assert other(flavour="x").flavour == "x" and not hasattr(own(), "flavour")
print("both")
"""


@pytest.mark.parametrize("theirs_first", [True, False])
def test_another_library_of_the_process_may_have_its_own_edition(theirs_first):
    done = subprocess.run(
        [sys.executable, "-c", f"ORDER = {theirs_first}\n{_TWO_COPIES}"],
        check=False,
        capture_output=True,
        text=True,
        cwd=_ROOT,
    )

    assert (done.stdout, done.returncode) == ("both\n", 0), done.stderr
