"""Compile the .proto files of the remote protocol into the descriptors and the types that are committed.

Run it after a change of `hermpkg_build/remote/reapi/protocol/*.proto`; a test fails until then.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorSet

REMOTE = Path(__file__).resolve().parents[2] / "hermpkg_build/remote/reapi"
DESCRIPTORS = REMOTE / "protocol/descriptors.binpb"
TYPES = REMOTE / "messages.pyi"

_HEADER = '''\
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
'''

_SCALARS = {
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_DOUBLE: "float",
    FieldDescriptorProto.TYPE_FLOAT: "float",
    FieldDescriptorProto.TYPE_STRING: "str",
}
_WELL_KNOWN = {
    "Any": [
        "    def Pack(self, message: Message, /) -> None: ...",
        "    def Unpack(self, message: Message, /) -> bool: ...",
    ],
    "Duration": [
        "    def FromTimedelta(self, value: timedelta, /) -> None: ...",
        "    def ToTimedelta(self) -> timedelta: ...",
    ],
}
"""The methods that protobuf gives to its own well-known types, as far as they are called here."""


def main() -> None:
    """Write both files."""
    compiled = compile_protocol()
    DESCRIPTORS.write_bytes(compiled)
    TYPES.write_text(types_of(compiled))


def compile_protocol() -> bytes:
    """The serialised descriptors of all .proto files, each after those that it imports."""
    from grpc_tools import protoc

    folder = REMOTE / "protocol"
    with tempfile.TemporaryDirectory() as aside:
        out = Path(aside, "out")
        status = protoc.main(
            [
                "protoc",
                f"--proto_path={folder}",
                f"--proto_path={resources.files('grpc_tools') / '_proto'}",
                "--include_imports",
                f"--descriptor_set_out={out}",
                *sorted(path.name for path in folder.glob("*.proto")),
            ]
        )
        if status != 0:
            raise SystemExit(status)
        return out.read_bytes()


def types_of(descriptors: bytes) -> str:
    """What type checkers read, for the classes that `messages` makes of the descriptors."""
    classes = [
        "\n".join(_class_of(message, file.package)) + "\n"
        for file in FileDescriptorSet.FromString(descriptors).file
        for message in file.message_type
    ]
    return "\n".join([_HEADER, *classes])


def _class_of(message: DescriptorProto, package: str) -> Iterator[str]:
    entries = {nested.name: nested for nested in message.nested_type if nested.options.map_entry}
    if not (message.field or message.enum_type):
        yield f"class {message.name}(Message): ..."
        return
    yield f"class {message.name}(Message):"
    for nested in message.nested_type:
        if nested.name not in entries:
            yield from ("    " + line if line else "" for line in _class_of(nested, package))
            yield ""
    for enum in message.enum_type:
        yield from (f"    {value.name}: int" for value in enum.value)
    fields = [(field.name, *_types_of(field, package, entries)) for field in message.field]
    for field, (name, held, _) in zip(message.field, fields, strict=True):
        if field.type == field.TYPE_MESSAGE or field.label == field.LABEL_REPEATED:
            # Such a field is changed in place; protobuf refuses another in its stead.
            yield from ("    @property", f"    def {name}(self) -> {held}: ...")
        else:
            yield f"    {name}: {held}"
    yield from _WELL_KNOWN.get(message.name, [])
    if fields:
        yield "    def __init__("
        yield "        self,"
        yield "        *,"
        yield from (f"        {name}: {given} = ..." + "," for name, _, given in fields)
        yield "    ) -> None: ..."


def _types_of(
    field: FieldDescriptorProto, package: str, entries: dict[str, DescriptorProto]
) -> tuple[str, str]:
    """The type that a field has, and the type of what it can be given."""
    if field.type == FieldDescriptorProto.TYPE_MESSAGE:
        name = field.type_name.removeprefix(f".{package}.")
        if name.startswith("."):
            name = name.rpartition(".")[2]
        entry = entries.get(name.rpartition(".")[2])
        if entry:
            key, value = (_types_of(each, package, {})[0] for each in entry.field)
            return f"MutableMapping[{key}, {value}]", f"Mapping[{key}, {value}]"
    else:
        name = _SCALARS.get(field.type, "int")
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"Repeated[{name}]", f"Iterable[{name}]"
    return name, f"{name} | None" if field.type == FieldDescriptorProto.TYPE_MESSAGE else name


if __name__ == "__main__":
    main()
