"""The messages of the Remote Execution API, version 2, as classes by their plain names.

Their classes come from a descriptor pool of their own: another library of the same process may have
its own edition of the same messages, and protobuf refuses two under one name in one pool.
`protocol/*.proto` is the source. ``python tests/remote/regenerate_messages.py`` compiles it into
`protocol/descriptors.binpb` and writes `messages.pyi`, which says what this module holds.
"""

import importlib.resources

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message  # noqa: F401 - the base of all, as the types say
from google.protobuf.message_factory import GetMessageClass

_files = FileDescriptorSet.FromString(
    importlib.resources.files(__package__).joinpath("protocol", "descriptors.binpb").read_bytes()
)
_pool = DescriptorPool()
for _file in _files.file:
    _pool.Add(_file)
for _file in _files.file:
    for _message in _file.message_type:
        _descriptor = _pool.FindMessageTypeByName(f"{_file.package}.{_message.name}")
        globals()[_message.name] = GetMessageClass(_descriptor)
