"""Makes and reads folders as the Remote Execution API has them: Merkle trees of Directory messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hermpkg_build.core.digest import Digest
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.reapi.encoding import core_digest, message_blob, message_digest
from hermpkg_build.remote.transport import Blob

_DEEPEST = 100
_MOST_FOLDERS = 10_000
_MOST_FILES = 1_000_000
"""The most that is read: many folders can hold the same one, so that few bytes stand for endless paths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRoot:
    """A folder: the digest of its Directory message, and all blobs that a server needs to lay it out."""

    digest: Digest
    blobs: tuple[Blob, ...]


@dataclass(slots=True)
class _Folder:
    """A folder on the way to its message."""

    files: dict[str, Blob] = field(default_factory=dict)
    folders: dict[str, _Folder] = field(default_factory=dict)


def input_root(files: Mapping[str, Blob], folders: Iterable[str] = ()) -> InputRoot:
    """The folder with these files and folders, by their paths in it, with "/" between the names.

    Equal files give equal digests, in whatever order they are named: a Directory lists its files and
    its folders by name. Raises ValueError for a path that is not relative and plain, for one that is
    a file and a folder, and for a name that is not UTF-8.
    """
    top = _Folder()
    for path, blob in files.items():
        *parents, name = _parts(path)
        _inside(top, parents).files[name] = blob
    for path in folders:
        _inside(top, _parts(path))
    blobs: dict[Digest, Blob] = {}
    digest = _add(top, "", blobs)
    return InputRoot(digest=digest, blobs=tuple(blobs.values()))


def files_of_tree(data: bytes) -> dict[str, Digest]:
    """The files in a folder that a server describes by a serialised Tree, by their paths in it.

    Symbolic links are left out. Raises ValueError for data that is not a Tree, lacks a folder that it
    names, or gives an entry a name that would lead out of the folder.
    """
    tree = _parsed(data)
    children = {message_blob(child).digest: child for child in tree.children}
    found: dict[str, Digest] = {}
    open_folders = [("", tree.root, 0)]
    for prefix, folder, depth in open_folders:
        if depth > _DEEPEST or len(open_folders) > _MOST_FOLDERS:
            raise ValueError("the folder is too deep or has too many folders")
        for file in folder.files:
            found[prefix + _plain(file.name)] = core_digest(file.digest)
        if len(found) > _MOST_FILES:
            raise ValueError("the folder has too many files")
        for node in folder.directories:
            child = children.get(core_digest(node.digest))
            if child is None:
                raise ValueError(f"the folder {prefix}{node.name} is missing")
            open_folders.append((f"{prefix}{_plain(node.name)}/", child, depth + 1))
    return found


def _inside(folder: _Folder, names: Iterable[str]) -> _Folder:
    """The folder at the path `names` below `folder`, made where it is missing."""
    for name in names:
        folder = folder.folders.setdefault(name, _Folder())
    return folder


def _add(folder: _Folder, path: str, blobs: dict[Digest, Blob]) -> Digest:
    """Put a folder, and all in it, among `blobs`; the digest of its message."""
    both = folder.files.keys() & folder.folders.keys()
    if both:
        raise ValueError(f"{path}{min(both)} is a file and a folder")
    blobs.update((blob.digest, blob) for blob in folder.files.values())
    message = messages.Directory(
        files=[
            messages.FileNode(name=name, digest=message_digest(blob.digest))
            for name, blob in sorted(folder.files.items())
        ],
        directories=[
            messages.DirectoryNode(name=name, digest=message_digest(_add(inner, f"{path}{name}/", blobs)))
            for name, inner in sorted(folder.folders.items())
        ],
    )
    blob = message_blob(message)
    blobs[blob.digest] = blob
    return blob.digest


def _parsed(data: bytes) -> messages.Tree:
    from google.protobuf.message import DecodeError

    try:
        return messages.Tree.FromString(data)
    except DecodeError as error:
        raise ValueError(f"not a Tree message: {error}") from None


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    for part in parts:
        _plain(part)
    return parts


def _plain(name: str) -> str:
    """`name`, if it can be the name of a file and of a message's entry. Raises ValueError otherwise."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"not a file name: {name!r}")
    name.encode()  # UnicodeEncodeError is a ValueError
    return name
