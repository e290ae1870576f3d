"""Merkle trees: one folder has one digest, and what a server says of a folder is read with care."""

from __future__ import annotations

import itertools
import random

import pytest

pytest.importorskip("google.protobuf")

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.reapi.encoding import encoded, message_blob, message_digest
from hermpkg_build.remote.reapi.merkle import InputRoot, files_of_tree, input_root
from hermpkg_build.remote.transport import Blob

FILES = {
    "a/b/c.txt": Blob.of(b"c"),
    "a/b.txt": Blob.of(b"b"),
    "a.txt": Blob.of(b"a"),
    "ä/z": Blob.of(b"c"),
    "z/only/folders/below": Blob.of(b""),
}


def tree_of(root: InputRoot) -> messages.Tree:
    """The Tree that a server would make of a folder with the same files."""
    contents = {blob.digest: blob.data for blob in root.blobs}
    tree = messages.Tree(root=messages.Directory.FromString(contents[root.digest] or b""))
    waiting = list(tree.root.directories)
    for node in waiting:
        data = contents[Digest(node.digest.hash, node.digest.size_bytes)]
        child = messages.Directory.FromString(data or b"")
        tree.children.append(child)
        waiting.extend(child.directories)
    return tree


def test_files_come_back_by_their_paths() -> None:
    tree = tree_of(input_root(FILES))

    assert files_of_tree(encoded(tree)) == {path: blob.digest for path, blob in FILES.items()}


def test_the_order_of_the_files_does_not_matter() -> None:
    shuffled = list(FILES.items())
    random.Random(1).shuffle(shuffled)

    first, second = input_root(FILES), input_root(dict(shuffled))

    assert first.digest == second.digest
    assert {blob.digest for blob in first.blobs} == {blob.digest for blob in second.blobs}


def test_entries_of_a_folder_are_sorted_by_name() -> None:
    names = ("b", "a", "B", "\U0001f600", "\uffff", "f-b/x", "f/x", "f.b/x")
    root = input_root({name: Blob.of(b"") for name in names})

    data = next(blob.data for blob in root.blobs if blob.digest == root.digest)
    folder = messages.Directory.FromString(data or b"")

    # The order of the bytes of UTF-8, which is not that of UTF-16.
    assert [file.name for file in folder.files] == ["B", "a", "b", "\uffff", "\U0001f600"]
    assert [node.name for node in folder.directories] == ["f", "f-b", "f.b"]


@pytest.mark.parametrize(
    ("before", "after"),
    list(itertools.combinations([{"a": b"1"}, {"a": b"2"}, {"b": b"1"}, {"a/a": b"1"}], 2)),
)
def test_other_files_give_another_digest(before: dict[str, bytes], after: dict[str, bytes]) -> None:
    digests = [
        input_root({path: Blob.of(data) for path, data in files.items()}).digest for files in (before, after)
    ]

    assert digests[0] != digests[1]


def test_a_large_file_is_there_by_its_digest_alone() -> None:
    large = Blob(digest=Digest("0" * 64, 1 << 40), path="/nowhere/large.bin")

    root = input_root({"weights/large.bin": large})

    assert large in root.blobs


@pytest.mark.parametrize("path", ["", "/a", "a//b", "./a", "a/../b", "a/", "a\0b", "\udcff"])
def test_a_path_that_no_message_can_hold_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"not a file name|surrogates"):
        input_root({path: Blob.of(b"")})


def test_a_path_is_a_file_or_a_folder() -> None:
    with pytest.raises(ValueError, match="a/b is a file and a folder"):
        input_root({"a/b": Blob.of(b""), "a/b/c": Blob.of(b"")})


def test_a_tree_without_one_of_its_folders_is_none() -> None:
    tree = tree_of(input_root(FILES))
    del tree.children[0]

    with pytest.raises(ValueError, match="is missing"):
        files_of_tree(encoded(tree))


@pytest.mark.parametrize("name", ["..", "", "a/b", "/etc"])
def test_a_tree_does_not_lead_out_of_its_folder(name: str) -> None:
    file = messages.FileNode(name=name, digest=message_digest(Digest.of(b"")))
    tree = messages.Tree(root=messages.Directory(files=[file]))

    with pytest.raises(ValueError, match="not a file name"):
        files_of_tree(encoded(tree))


@pytest.mark.parametrize("data", [b"\xff\xff", b"no message at all"])
def test_what_is_no_tree_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a Tree"):
        files_of_tree(data)


def test_a_few_folders_that_hold_each_other_many_times_are_no_burden() -> None:
    """Forty folders, each twice in the next, are a million millions of paths."""
    folders = [messages.Directory()]
    for _ in range(40):
        digest = message_digest(message_blob(folders[-1]).digest)
        twice = [messages.DirectoryNode(name=name, digest=digest) for name in ("a", "b")]
        folders.append(messages.Directory(directories=twice))

    with pytest.raises(ValueError, match="too many folders"):
        files_of_tree(encoded(messages.Tree(root=folders[-1], children=folders[:-1])))


def test_a_digest_that_is_no_sha256_is_refused() -> None:
    file = messages.FileNode(name="a", digest=messages.Digest(hash="abc", size_bytes=1))

    with pytest.raises(ValueError, match="not a digest"):
        files_of_tree(encoded(messages.Tree(root=messages.Directory(files=[file]))))
