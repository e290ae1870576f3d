"""What snapshots keep in columns is what a dictionary would hold."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build.disk.signatures import signature_of
from hermpkg_build.engine import observed_table
from hermpkg_build.engine.observed_table import ObservedTable
from hermpkg_build.engine.rests import Rests
from hermpkg_build.engine.snapshot_check import StoredSnapshot

SIGNED, UNSIGNED = st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**64 - 1)
paths = st.one_of(
    st.sampled_from(["/a", "/b", "/c"]), st.text(min_size=1), st.just("/\udc80"), st.just("/a\0b")
)
hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)
signatures = st.tuples(st.integers(0, 2**63 - 1), SIGNED, SIGNED, UNSIGNED, UNSIGNED)
entries = st.dictionaries(paths, st.tuples(hashes, st.none() | signatures), max_size=6)


@settings(max_examples=50)
@given(entries)
def test_a_table_holds_what_it_is_made_of(own: dict) -> None:
    table = ObservedTable.of(own)
    assert dict(table) == own
    assert [*table] == [*own]
    again = StoredSnapshot.from_bytes(bytearray(StoredSnapshot({"x": 1}, table, table, table).to_bytes()))
    assert again is not None
    assert [dict(each) for each in (again.outputs, again.files, again.directories)] == [own] * 3
    assert again.values["x"] == 1


@settings(max_examples=100)
@given(entries, entries, st.sets(paths))
def test_a_changed_table_is_a_changed_dictionary(own: dict, new: dict, without: set[str]) -> None:
    before = ObservedTable.of(own)
    changed = before.with_changes(new, without)
    expected = {**{path: entry for path, entry in own.items() if path not in without or path in new}, **new}
    assert dict(changed) == expected
    assert [*changed] == [*expected]
    assert dict(before) == own, "a table that others have stays as it is"


@settings(max_examples=30)
@given(entries, st.integers(0, 200), st.binary(min_size=1, max_size=3))
def test_a_cut_or_grown_snapshot_is_none(own: dict, cut: int, more: bytes) -> None:
    table = ObservedTable.of(own)
    data = StoredSnapshot({}, table, table, table).to_bytes()
    for damaged in (data[: max(0, len(data) - cut - 1)], data + more):
        with pytest.raises((ValueError, KeyError, TypeError)):
            StoredSnapshot.from_bytes(bytearray(damaged))


def test_a_signature_that_is_no_row_vouches_for_nothing() -> None:
    table = ObservedTable.of({"/a": ("0" * 64, (1, 2, 3, 1 << 100, 4))})
    assert table["/a"] == ("0" * 64, None)
    assert table.changed() == ["/a"]
    with pytest.raises(ValueError, match="SHA-256"):
        ObservedTable.of({"/a": ("00", None)})


@pytest.mark.parametrize("many", [1, 10_000])
def test_what_differs_is_told_by_one_process_or_several(
    many: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observed_table, "_MANY", many)
    files = [tmp_path / f"{number} ü" for number in range(9)]
    for file in files:
        file.write_text("x")
    seen = {str(file): ("0" * 64, signature_of(os.stat(file))) for file in files}
    table = ObservedTable.of({**seen, str(tmp_path): ("0" * 64, None)})
    files[3].write_text("xy")
    files[8].unlink()
    assert sorted(table.changed()) == [str(tmp_path), str(files[3]), str(files[8])]
    table[str(files[3])] = ("1" * 64, signature_of(os.stat(files[3])))
    assert sorted(table.changed()) == [str(tmp_path), str(files[8])]


labels = st.sampled_from("abcde")
files = st.sets(st.integers(0, 9))
resting = st.dictionaries(labels, files)


@settings(max_examples=100)
@given(resting, files)
def test_targets_are_found_by_their_files(own: dict[str, set[int]], asked: set[int]) -> None:
    rests = Rests.from_bytes(Rests.of(own, {"w": ["a"]}).to_bytes())
    assert rests.warnings == {"w": ["a"]}
    found, known = rests.on(asked)
    assert found == {label for label, mine in own.items() if mine & asked}
    assert known == asked & set().union(*own.values())


@settings(max_examples=100)
@given(
    resting,
    resting,
    st.sets(labels),
    st.none() | st.dictionaries(st.integers(0, 9), st.integers(0, 9)),
    files,
)
def test_changed_targets_are_a_changed_dictionary(
    own: dict[str, set[int]],
    new: dict[str, set[int]],
    without: set[str],
    renumbered: dict[int, int] | None,
    shared: set[int],
) -> None:
    changed = Rests.of(own, {}).with_changes(new, {}, without=without, renumbered=renumbered, shared=shared)
    numbers = renumbered if renumbered is not None else {number: number for number in range(10)}
    kept = {
        label: {numbers[file] for file in mine if file in numbers} - shared
        for label, mine in own.items()
        if label not in without
    }
    for file in range(10):
        assert changed.on({file})[0] == {label for label, mine in {**kept, **new}.items() if file in mine}
