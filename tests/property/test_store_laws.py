"""Laws of the store: it gives back what it was given or nothing, whatever happens to its files."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.disk.signatures import signature_of
from hermpkg_build.disk.source_tree import SourceTree, listing_digest
from hermpkg_build.errors import ActionError
from hermpkg_build.store.action_cache import ActionCache, ActionResult
from hermpkg_build.store.content import ContentStore
from hermpkg_build.store.database import Database
from hermpkg_build.store.index import DigestIndex

patient = settings(deadline=None)
"""Every example writes files, and a disk takes its time."""

digests = st.binary(max_size=8).map(Digest.of)
texts = st.text(st.characters(exclude_categories=()), max_size=8).filter(
    # JSON reads two halves of a character that stand side by side as the character.
    lambda text: text == text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
damages = st.lists(
    st.tuples(st.sampled_from(["flip", "cut", "append", "zero"]), st.floats(0, 1), st.integers(1, 255)),
    min_size=1,
    max_size=4,
)


@contextmanager
def folder() -> Iterator[str]:
    path = tempfile.mkdtemp(prefix="store law ")
    try:
        yield path
    finally:
        shutil.rmtree(path)


def damage(path: Path, changes: list[tuple[str, float, int]]) -> None:
    """Change the bytes of a file in place."""
    data = bytearray(path.read_bytes())
    for kind, where, what in changes:
        place = int(where * max(len(data) - 1, 0))
        if kind == "flip" and data:
            data[place] ^= what
        elif kind == "cut":
            del data[place:]
        elif kind == "append":
            data += bytes([what])
        elif kind == "zero":
            data[place : place + 512] = bytes(len(data[place : place + 512]))
    os.chmod(path, 0o644)
    path.write_bytes(data)


@patient
@given(data=st.binary(max_size=3000), changes=damages, restore_mtime=st.booleans())
def test_content_is_right_or_absent(data: bytes, changes: list, restore_mtime: bool) -> None:
    with folder() as root:
        store = ContentStore(root)
        digest = store.put_bytes(data)
        path = Path(root, "cas", digest.hash[:2], digest.hash)
        before = path.stat()
        damage(path, changes)
        whole = path.read_bytes() == data
        if restore_mtime:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        else:
            assert store.path_of(digest) == (str(path) if whole else None)
        assert store.get_bytes(digest) == (data if whole else None)
        assert store.path_of(digest) == (str(path) if whole else None)
        assert store.put_bytes(data) == digest
        assert store.get_bytes(digest) == data
        assert store.path_of(digest) == str(path)
        assert path.read_bytes() == data


@patient
@given(outputs=st.dictionaries(texts, digests, max_size=3), facts=json_values, changes=damages)
def test_an_action_result_is_right_or_absent(outputs: dict, facts: object, changes: list) -> None:
    result = ActionResult(outputs=outputs, facts=facts)  # type: ignore[arg-type]
    key = fingerprint("key")
    with folder() as root:
        actions = ActionCache(root)
        actions.put(key, result)
        assert actions.get(key) == result
        damage(Path(root, "ac", key.hash[:2], key.hash), changes)
        assert actions.get(key) in (None, result)
        actions.put(key, result)
        assert actions.get(key) == result


@patient
@example(rows={b"": b""}, changes=[("flip", 0.5, 128)], reads_first=True).via(
    "an error message that is no text"
)
@given(
    rows=st.dictionaries(st.binary(max_size=20), st.binary(max_size=600), max_size=60),
    changes=damages,
    reads_first=st.booleans(),
)
def test_a_row_is_right_or_absent_and_the_database_heals(
    rows: dict, changes: list, reads_first: bool
) -> None:
    with folder() as root:
        database = Database(root, writable=True)
        database.put_many(rows)
        assert database.get_many(rows) == rows
        database.close()
        if rows:
            damage(Path(root, "index.sqlite3"), changes)
        if reads_first:
            found = database.get_many(rows)
            assert found.items() <= rows.items()
        database.put_many(rows)
        assert database.get_many(rows) == rows
        database.close()


names = st.sampled_from(["a.py", "b.py", "sub", "link"])
edits = st.lists(
    st.one_of(
        st.tuples(st.just("write"), names, st.sampled_from([b"x = 1", b"x = 2", b"long"])),
        st.tuples(st.just("write keeping the mtime"), names, st.sampled_from([b"x = 1", b"x = 2"])),
        st.tuples(st.just("remove"), names, st.none()),
        st.tuples(st.just("rename"), names, names),
        st.tuples(st.just("link"), names, names),
        st.tuples(st.just("make folder"), names, st.none()),
        st.tuples(st.just("touch"), names, st.none()),
    ),
    max_size=4,
)


@settings(patient, max_examples=60)
@given(history=st.lists(edits, min_size=2, max_size=5))
def test_a_tree_with_an_index_sees_what_one_without_sees(history: list) -> None:
    """For every edit: no digest and no signature survives a change of what it speaks for."""
    with folder() as root, folder() as cache:
        index = DigestIndex(Database(cache, writable=True))
        vouched: list[tuple[str, tuple, Digest]] = []
        for step in history:
            for edit in step:
                apply(Path(root), *edit)
            wait_for_tick(Path(cache, "tick"))
            # Everything happened before the last tick, so all signatures are settled; a tree that
            # is told so records them at once.
            indexed = SourceTree(index, started_ns=time.time_ns() + 10 * 10**9)
            plain = SourceTree()
            assert observe(indexed, root) == observe(plain, root)
            assert indexed.observed_files() == plain.observed_files()
            assert indexed.observed_directories() == plain.observed_directories()
            # A file that was asked for its entries is in both; its signature is that of the file.
            truth = {**plain.observed_directories(), **plain.observed_files()}
            for path, signature, digest in vouched:
                if os.path.exists(path) and signature_of(os.stat(path)) == signature:
                    assert look(path) == digest
            signatures = indexed.observed_signatures()
            vouched += [(path, signature, truth[path]) for path, signature in signatures.items()]


def observe(tree: SourceTree, root: str) -> dict[str, object]:
    """Look at everything in two levels."""
    seen: dict[str, object] = {}
    for directory in (root, f"{root}/sub", f"{root}/a.py", f"{root}/link"):
        seen[directory] = tree.entries(directory)
        for name in ("a.py", "b.py", "sub", "link"):
            path = f"{directory}/{name}"
            if tree.is_file(path):
                seen[path] = tree.digest(path)
    return seen


def look(path: str) -> Digest:
    tree = SourceTree()
    return listing_digest(tree.entries(path)) if os.path.isdir(path) else tree.digest(path)


def apply(root: Path, kind: str, name: str, argument: object) -> None:
    """One edit, left out where the file system refuses it."""
    path = root / name
    try:
        if kind.startswith("write"):
            before = path.stat() if path.exists() else None
            path.write_bytes(argument)  # type: ignore[arg-type]
            if "keeping" in kind and before:
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        elif kind == "remove":
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        elif kind == "rename":
            path.rename(root / str(argument))
        elif kind == "link":
            path.symlink_to(str(argument))
        elif kind == "make folder":
            path.mkdir()
        elif kind == "touch":
            os.utime(path)
    except OSError:
        pass


def wait_for_tick(probe: Path) -> None:
    """Until what is written next has other times than what was written last."""
    probe.write_bytes(b"")
    before = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == before:
        time.sleep(0.001)
        probe.write_bytes(b"")


@patient
@given(first=st.dictionaries(texts, st.booleans()), second=st.dictionaries(texts, st.booleans()))
def test_listings_have_one_digest_exactly_when_they_are_equal(first: dict, second: dict) -> None:
    def valid(entries: dict[str, bool]) -> dict[str, bool]:
        """With names that a file system can have."""
        kept = {os.fsdecode(name.encode("utf-8", "replace")): kind for name, kind in entries.items()}
        return {name: kind for name, kind in sorted(kept.items()) if name and not {"/", "\0"} & set(name)}

    one, two = valid(first), valid(second)
    assert (listing_digest(one) == listing_digest(two)) == (one == two)


def test_a_changing_file_is_an_error_rather_than_two_answers(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"1")
    tree = SourceTree()
    tree.digest(str(path))
    path.write_bytes(b"2")
    with pytest.raises(ActionError):
        tree.read(str(path))
