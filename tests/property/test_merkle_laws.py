"""Laws of Merkle trees: reading one back gives its files, and its digest is a function of them alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("google.protobuf")

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.reapi.encoding import encoded
from hermpkg_build.remote.reapi.merkle import InputRoot, files_of_tree, input_root
from hermpkg_build.remote.transport import Blob

NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=5
).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
FILES = st.dictionaries(PATHS, st.binary(max_size=3), max_size=12).filter(
    lambda files: not any(other.startswith(f"{path}/") for path in files for other in files)
)


def root_of(files: dict[str, bytes]) -> InputRoot:
    return input_root({path: Blob.of(data) for path, data in files.items()})


def tree_of(root: InputRoot) -> bytes:
    """The Tree that stands for a folder: its Directory messages, each once."""
    contents = {blob.digest: blob.data or b"" for blob in root.blobs}
    tree = messages.Tree(root=messages.Directory.FromString(contents[root.digest]))
    waiting, known = list(tree.root.directories), set()
    for node in waiting:
        digest = Digest(node.digest.hash, node.digest.size_bytes)
        if digest not in known:
            known.add(digest)
            tree.children.append(messages.Directory.FromString(contents[digest]))
            waiting.extend(tree.children[-1].directories)
    return encoded(tree)


@given(FILES)
def test_a_tree_has_the_files_that_it_was_made_of(files: dict[str, bytes]) -> None:
    found = files_of_tree(tree_of(root_of(files)))

    assert found == {path: Digest.of(data) for path, data in files.items()}


@given(FILES, st.randoms())
def test_the_digest_does_not_depend_on_the_order(files: dict[str, bytes], random: object) -> None:
    shuffled = list(files.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert root_of(dict(shuffled)).digest == root_of(files).digest


@given(FILES, FILES)
def test_other_files_have_another_digest(files: dict[str, bytes], others: dict[str, bytes]) -> None:
    assert (root_of(files).digest == root_of(others).digest) == (files == others)


@given(FILES)
def test_every_content_is_among_the_blobs_once(files: dict[str, bytes]) -> None:
    digests = [blob.digest for blob in root_of(files).blobs]

    assert len(digests) == len(set(digests))
    assert {Digest.of(data) for data in files.values()} <= set(digests)
