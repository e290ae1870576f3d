"""An archive that is written over a spare file has the bytes of one that is written anew."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build.archive.first_bytes import KnownFile
from hermpkg_build.archive.known_beginnings import write_after_tensors
from hermpkg_build.archive.layout import MANIFEST
from hermpkg_build.archive.replaced_records import PresentArchive
from hermpkg_build.archive.writer import FileSlice, Record, write_archive
from hermpkg_build.disk import midstates, spare_files
from hermpkg_build.disk.midstates import midstates_of, remembering_hash
from hermpkg_build.disk.signatures import signature_of
from hermpkg_build.disk.spare_files import Spare

pytestmark = pytest.mark.skipif(remembering_hash() is None, reason="no midstates here")

MIB = 1 << 20
NAMES = (".data/0.storage", ".data/1.storage", ".data/2.storage", "a.py", "b.py", "z.bin")
contents = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(st.sampled_from((0, 63, 300_000, MIB + 7)), st.sampled_from(b"ab")),
    min_size=1,
)


class Written:
    """Archives in a folder, where each is written over the one before the last, if that can be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "one.pt"
        self.spare = folder / "spare"
        self.other = folder / "other.pt"

    def records(self, root: str, found: Mapping[str, bytes]) -> list[Record]:
        records = []
        for name, data in found.items():
            stored = self.folder / f"{hashlib.sha256(data).hexdigest()}.stored"
            stored.write_bytes(data)
            records.append(
                Record(name=name, content=FileSlice(path=str(stored), size=len(data)), crc32=zlib.crc32(data))
            )
        told = {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}
        return [*records, Record(name=MANIFEST, content=json.dumps(told).encode())]

    def anew(self, root: str, records: list[Record]) -> KnownFile:
        hash_ = remembering_hash()
        digest = write_archive(str(self.path), root=root, records=records, hash_=hash_)
        return KnownFile(digest.hash, signature_of(self.path.stat()), midstates_of(hash_))

    def over(self, root: str, records: list[Record], known: KnownFile) -> KnownFile | None:
        def same(present: PresentArchive) -> list[str]:
            before, now = json.loads(present.read(MANIFEST)), json.loads(bytes(records[-1].content))  # type: ignore[arg-type]
            return [name for name in now if name.endswith(".storage") and before.get(name) == now[name]]

        with self.path.open("rb") as present:
            done = write_after_tensors(
                str(self.path),
                root=root,
                records=records,
                present=present.fileno(),
                known=known,
                same=same,
                spare=str(self.spare),
            )
        if done is None:
            return None
        digest, found = done
        assert digest.size == self.path.stat().st_size
        return KnownFile(digest.hash, signature_of(self.path.stat()), found)

    def keep(self, known: KnownFile) -> KnownFile:
        """Let a file be spare that begins as the present one does."""
        self.spare.write_bytes(self.path.read_bytes()[: known.size - 5] + b"other")
        return known._replace(spare=Spare(signature_of(self.spare.stat()), known.size - 5))


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    monkeypatch.setattr(spare_files, "_is_local", lambda device: True)
    monkeypatch.setattr(spare_files, "_is_alone", lambda descriptor: True)
    return Written(tmp_path)


BEFORE = {NAMES[0]: b"0" * 3 * MIB, NAMES[1]: b"1" * 2 * MIB, "a.py": b"a"}


@settings(max_examples=30)
@given(before=contents, after=contents, other_root=st.booleans())
def test_the_bytes_are_those_of_an_archive_that_is_written_anew(
    before: Mapping[str, tuple[int, int]],
    after: Mapping[str, tuple[int, int]],
    other_root: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    written = Written(tmp_path_factory.mktemp("written"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spare_files, "_is_local", lambda device: True)
        patch.setattr(spare_files, "_is_alone", lambda descriptor: True)
        first, second = (
            written.records("root", {name: bytes([kind]) * size for name, (size, kind) in found.items()})
            for found in (before, {**before, **after} if after else after)
        )
        root = "other" if other_root else "root"
        done = written.over(root, second, written.keep(written.anew("root", first)))
        found = written.path.read_bytes()
        assert written.anew(root, second).sha256 == hashlib.sha256(written.path.read_bytes()).hexdigest()
        if done is not None:
            assert found == written.path.read_bytes()
            assert done.sha256 == hashlib.sha256(found).hexdigest()
            assert not other_root


def test_only_what_follows_on_the_same_tensors_is_written(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = written.keep(written.anew("root", written.records("root", BEFORE)))
    hashed: list[int] = []
    take = midstates.RememberingHash._take
    monkeypatch.setattr(
        midstates.RememberingHash, "_take", lambda self, view: (hashed.append(len(view)), take(self, view))
    )
    inode = written.spare.stat().st_ino
    records = written.records("root", {**BEFORE, "a.py": b"b" * 9, "c.py": b"c"})
    done = written.over("root", records, known)
    assert done is not None
    assert written.path.stat().st_ino == inode
    assert sum(hashed) < MIB + 3000
    assert written.anew("root", records).sha256 == done.sha256


OTHER = {
    "no spare": lambda written: written.spare.unlink(),
    "a spare that changed": lambda written: written.spare.write_bytes(b"x"),
    "an archive that changed": lambda written: os.utime(written.path, ns=(1, 1)),
}


@pytest.mark.parametrize("kind", OTHER)
def test_what_is_not_as_it_was_is_left_alone(kind: str, written: Written) -> None:
    known = written.keep(written.anew("root", written.records("root", BEFORE)))
    before = written.path.read_bytes()
    OTHER[kind](written)
    assert written.over("root", written.records("root", {**BEFORE, "a.py": b"b"}), known) is None
    assert written.path.read_bytes() == before


def test_a_failure_leaves_the_archive_as_it_was(written: Written) -> None:
    known = written.keep(written.anew("root", written.records("root", BEFORE)))
    before = written.path.read_bytes()
    records = written.records("root", {**BEFORE, "z.bin": b"z" * MIB})
    Path(records[-2].content.path).unlink()  # type: ignore[union-attr]
    with pytest.raises(Exception, match=r"gone|missing|No such|read"):
        written.over("root", records, known)
    assert written.path.read_bytes() == before
    assert not written.spare.exists()
