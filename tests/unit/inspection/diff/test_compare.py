"""Artifacts compared record by record: tensors by name, code line by line, facts, layout."""

from __future__ import annotations

import importlib.util
import json
import struct
import zipfile
from pathlib import Path

import pytest

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.inspection.diff import compare
from hermpkg_build.inspection.diff.compare import compare_archives
from hermpkg_build.inspection.diff.differences import (
    BytesDifference,
    Comparison,
    PickleDifference,
    PickleSide,
    RecordDifference,
    RecordSizes,
    TensorDifference,
    TextDifference,
)
from hermpkg_build.inspection.diff.report import comparison_lines
from hermpkg_build.pickles.reading.nodes import read_pickle

_spec = importlib.util.spec_from_file_location("made_by_hand", Path(__file__).parents[1] / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
by_hand = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(by_hand)


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def net(tensors: dict[str, bytes], storages: list[bytes]) -> dict[str, bytes]:
    records = {f".data/{key}.storage": data for key, data in enumerate(storages)}
    return {"model/model.pkl": by_hand.module(tensors), **records}


def only(values):
    (value,) = values
    return value


def test_equal_archives(make_archive):
    comparison = compare_archives(make_archive({"a.txt": b"x"}), make_archive({"a.txt": b"x"}))
    assert comparison.equal
    assert list(comparison_lines(comparison)) == ["the same bytes"]


def test_a_tensor_by_name(make_archive):
    tensors = {"weight": by_hand.tensor(0, (2, 3)), "bias": by_hand.tensor(1, (2,))}
    a = make_archive(net(tensors, [floats(1, 2, 3, 4, 5, 6), floats(1, 1)]))
    b = make_archive(net(tensors, [floats(1, 2, 3, 4, 9, 6.5), floats(1, 1)]))
    record = only(compare_archives(a, b).records)
    assert (record.name, record.kind) == (".data/0.storage", "storage")
    assert only(record.details) == TensorDifference(
        name="weight",
        pickle="model/model.pkl",
        a="float32[2, 3]",
        b="float32[2, 3]",
        count=2,
        total=6,
        first=(1, 1),
        largest=4.0,
        unending=0,
    )
    text = "\n".join(comparison_lines(compare_archives(a, b)))
    assert "weight: float32[2, 3], 2 of 6 elements differ, by 4 at most" in text


def test_an_added_tensor_does_not_blame_the_others(make_archive):
    """Keys of storages move when one is added before them; their tensors are the same."""
    before = {"b": by_hand.tensor(0, (2,)), "c": by_hand.tensor(1, (2,))}
    after = {"a": by_hand.tensor(0, (1,)), "b": by_hand.tensor(1, (2,)), "c": by_hand.tensor(2, (2,))}
    a = make_archive(net(before, [floats(1, 2), floats(3, 4)]))
    b = make_archive(net(after, [floats(0), floats(1, 2), floats(3, 4)]))
    comparison = compare_archives(a, b)
    changed = {record.name: record for record in comparison.records}
    assert set(changed) == {"model/model.pkl"}
    detail = only(changed["model/model.pkl"].details)
    assert (detail.path, detail.what) == ("model.a", "a key was added")


def test_pickles_are_read_once_where_their_tensors_explain_all_storages(make_archive, monkeypatch):
    read = []
    monkeypatch.setattr(compare, "read_pickle", lambda data: read.append(data) or read_pickle(data))
    tensors = {"w": by_hand.tensor(0, (1,)), "v": by_hand.tensor(1, (1,))}
    a, b = (
        make_archive(net(tensors, [floats(1), floats(2)])),
        make_archive(net(tensors, [floats(1), floats(3)])),
    )
    assert [record.name for record in compare_archives(a, b).records] == [".data/1.storage"]
    assert len(read) == 2
    # A storage of no tensor: whether another pickle has one in it must be known.
    c = make_archive({**net(tensors, [floats(1), floats(3)]), ".data/2.storage": b"odd"})
    assert [record.name for record in compare_archives(b, c).records] == [".data/2.storage"]


def test_another_shape_or_type(make_archive):
    a = make_archive(net({"w": by_hand.tensor(0, (2, 2))}, [floats(1, 2, 3, 4)]))
    b = make_archive(net({"w": by_hand.tensor(0, (4,))}, [floats(1, 2, 3, 4)]))
    c = make_archive(net({"w": by_hand.tensor(0, (2,), kind="DoubleStorage")}, [struct.pack("<2d", 1, 2)]))
    detail = only(only(compare_archives(a, b).records).details)
    assert (detail.name, detail.a, detail.b, detail.count) == ("w", "float32[2, 2]", "float32[4]", None)
    details = {record.name: record.details for record in compare_archives(b, c).records}
    assert only(details["model/model.pkl"]).b == "float64[2]"


def test_views_of_one_storage_are_told_apart(make_archive):
    tensors = {"low": by_hand.tensor(0, (2,)), "high": by_hand.tensor(0, (2,), offset=2)}
    a = make_archive(net(tensors, [floats(1, 2, 3, 4)]))
    b = make_archive(net(tensors, [floats(1, 2, 3, 7)]))
    detail = only(only(compare_archives(a, b).records).details)
    assert (detail.name, detail.first, detail.largest) == ("high", (1,), 3.0)


def test_a_transposed_tensor(make_archive):
    tensors = {"t": by_hand.tensor(0, (2, 2), stride=(1, 2))}
    a = make_archive(net(tensors, [floats(1, 2, 3, 4)]))
    b = make_archive(net(tensors, [floats(1, 2, 8, 4)]))
    detail = only(only(compare_archives(a, b).records).details)
    assert (detail.name, detail.count, detail.first) == ("t", 1, (0, 1))


def test_what_lies_between_the_elements_of_a_view_is_told_of_the_storage(make_archive):
    tensors = {"t": by_hand.tensor(0, (2,), stride=(2,))}
    a = make_archive(net(tensors, [floats(1, 2, 3, 4)]))
    b = make_archive(net(tensors, [floats(1, 9, 3, 4)]))
    record = only(compare_archives(a, b).records)
    assert (record.name, record.change) == (".data/0.storage", "changed")
    assert only(record.details).offset == 6


def test_a_storage_that_no_tensor_shows_is_told_beside_other_differences(make_archive):
    """The bytes of a view's storage beyond the view, and those of a storage that has another number."""
    before, after = {"t": by_hand.tensor(0, (1,))}, {"t": by_hand.tensor(1, (1,))}
    a = make_archive({**net(before, [floats(1, 2)]), "r.txt": b"old"})
    b = make_archive({**net(after, [floats(5), floats(1, 3)]), "r.txt": b"new"})
    found = {record.name: record.details for record in compare_archives(a, b).records}
    assert only(found[".data/0.storage"]) == BytesDifference(offset=6, a=b"\x00@", b=b"@@")
    assert "r.txt" in found


def test_elements_are_compared_across_layouts(make_archive):
    values = {"t": by_hand.tensor(0, (2, 2))}, {"t": by_hand.tensor(0, (2, 2), stride=(1, 2))}
    a = make_archive(net(values[0], [floats(1, 2, 3, 4)]))
    same, other = (make_archive(net(values[1], [floats(1, 3, last, 4)])) for last in (2, 7))
    details = [
        detail
        for archive in (same, other)
        for record in compare_archives(a, archive).records
        for detail in record.details
        if isinstance(detail, TensorDifference)
    ]
    assert [(each.count, each.first, each.largest) for each in details] == [
        (None, None, None),
        (1, (0, 1), 5.0),
    ]
    assert {each.note for each in details} == {"another layout in its storage"}


def test_sharing_of_storages_is_part_of_the_value(make_archive):
    shared = {"a": by_hand.tensor(0, (1,)), "b": by_hand.tensor(0, (1,))}
    apart = {"a": by_hand.tensor(0, (1,)), "b": by_hand.tensor(1, (1,))}
    a = make_archive(net(shared, [floats(1)]))
    b = make_archive(net(apart, [floats(1), floats(1)]))
    by_name = {record.name: record for record in compare_archives(a, b).records}
    detail = only(by_name["model/model.pkl"].details)
    assert (detail.path, detail.what) == ("model.b", "storages are shared in another way")


def test_a_storage_that_is_missing(make_archive):
    tensors = {"w": by_hand.tensor(0, (1,))}
    a, b = make_archive(net(tensors, [floats(1)])), make_archive(net(tensors, []))
    text = "\n".join(comparison_lines(compare_archives(a, b)))
    assert ".data/0.storage" in text


def test_code_line_by_line(make_archive):
    a = make_archive({"m/x.py": b"a = 1\nb = 2\nc = 3\n"})
    b = make_archive({"m/x.py": b"a = 1\nb = 20\nc = 3\n"})
    record = only(compare_archives(a, b).records)
    assert record.kind == "module"
    assert only(record.details).lines == ("@@ -1,3 +1,3 @@", " a = 1", "-b = 2", "+b = 20", " c = 3")


@pytest.mark.parametrize(
    ("a", "b", "line"),
    [
        (b"x\n", b"x\r\n", "+x\\r\\n"),
        (b"x\n", b"x", "+x  (no newline at the end)"),
        (b"x\n", b"\xef\xbb\xbfx\n", "+\ufeffx"),
        (b"x\n", b"x\x0c\n", "+x\x0c"),
        ("caf\u00e9\n".encode(), "cafe\u0301\n".encode(), "+cafe\\u0301"),
    ],
)
def test_ends_of_lines_are_visible(make_archive, a, b, line):
    comparison = compare_archives(make_archive({"t.txt": a}), make_archive({"t.txt": b}))
    assert line in only(only(comparison.records).details).lines


def test_very_different_long_texts_take_no_quadratic_time(make_archive):
    a = "".join(f"left {number}\n" for number in range(40_000)).encode()
    b = "".join(f"right {number}\n" for number in range(40_000)).encode()
    detail = only(only(compare_archives(make_archive({"t": a}), make_archive({"t": b})).records).details)
    assert len(detail.lines) == 200
    assert detail.left_out == 80_001 - 200


def test_bytes(make_archive):
    a, b = bytes(3_000_000) + b"\x01\x02", bytes(3_000_000) + b"\x01\x03"
    comparison = compare_archives(make_archive({"r.bin": a}), make_archive({"r.bin": b}))
    assert only(only(comparison.records).details) == BytesDifference(offset=3_000_001, a=b"\x02", b=b"\x03")


def test_added_and_removed_records(make_archive):
    comparison = compare_archives(make_archive({"a": b"1", "b": b"2"}), make_archive({"b": b"2", "c": b"3"}))
    found = {record.name: (record.change, record.bytes.a, record.bytes.b) for record in comparison.records}
    assert found == {"a": ("removed", 1, None), "c": ("added", None, 1)}


def test_extern_modules_and_python(make_archive):
    a = make_archive({".data/python_version": b"3.11.7"})
    b = make_archive({".data/python_version": b"3.12.1", ".data/extern_modules": b"numpy\ntorch\n"})
    facts = {fact.subject: (fact.a, fact.b) for fact in compare_archives(a, b).facts}
    assert facts == {"Python version": ("3.11.7", "3.12.1"), "extern module numpy": ("", "extern")}


def test_facts_written_in_another_way_are_a_difference(make_archive):
    a = make_archive({".data/extern_modules": b"numpy\ntorch\n"})
    b = make_archive({".data/extern_modules": b"torch\nnumpy\n"})
    comparison = compare_archives(a, b)
    assert not comparison.equal
    assert [record.name for record in comparison.records] == [".data/extern_modules"]


def test_the_same_records_in_another_file(make_archive, tmp_path):
    a = make_archive({"a.txt": b"x" * 100, "b.txt": b"y" * 100})
    packed = tmp_path / "packed.pt"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in reversed(a.names()):
            archive.writestr(f"net/{name}", a.read(name))
    with ArchiveReader(packed) as b:
        comparison = compare_archives(a, b)
    assert not comparison.equal
    assert not comparison.records
    assert "the records are in another order" in comparison.layout
    assert any("compressed" in sentence for sentence in comparison.layout)


def test_times_alone_differ(make_archive, tmp_path):
    readers = []
    for year in (1990, 2000):
        path = tmp_path / f"{year}.pt"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(zipfile.ZipInfo("net/.data/version", (year, 1, 1, 0, 0, 0)), "6\n")
        readers.append(ArchiveReader(path))
    comparison = compare_archives(*readers)
    assert not comparison.equal
    assert "outside of every record" in only(comparison.layout)


def test_a_text_that_is_named_like_a_pickle(make_archive):
    comparison = compare_archives(make_archive({"m.pkl": b"one\n"}), make_archive({"m.pkl": b"two\n"}))
    assert "-one" in only(only(comparison.records).details).lines


def test_a_weight_that_is_no_number_any_more_is_told_beside_small_differences(make_archive):
    tensors = {"w": by_hand.tensor(0, (3,))}
    a = make_archive(net(tensors, [floats(1, 2, 3)]))
    b = make_archive(net(tensors, [floats(1, 2.5, float("nan"))]))
    text = "\n".join(comparison_lines(compare_archives(a, b)))
    assert "w: float32[3], 2 of 3 elements differ, by 0.5 at most, and 1 by no finite number" in text


def test_the_form_of_a_comparison():
    side = PickleSide(value="1", opcode="BININT1", offset=3)
    details = (
        PickleDifference(path="m.a", what="differs", a=side, b=None),
        TensorDifference(name="w", pickle="m.pkl", a="x", b="y", first=(0, 1), largest=1.5),
        TextDifference(lines=("-a",), left_out=2),
        BytesDifference(offset=4, a=b"\0\1", b=b""),
    )
    sizes = RecordSizes(a=1, b=None)
    record = RecordDifference(name="r", kind="pickle", change="changed", bytes=sizes, details=details)
    comparison = Comparison(a="a.pt", b="b.pt", equal=False, records=(record,))
    assert json.dumps(to_json(comparison)) == (
        '{"a": "a.pt", "b": "b.pt", "equal": false, "records": [{"name": "r", "kind": "pickle", '
        '"change": "changed", "bytes": {"a": 1, "b": null}, "details": [{"type": "object", "path": "m.a", '
        '"what": "differs", "a": {"value": "1", "opcode": "BININT1", "offset": 3}, "b": null, "hint": ""}, '
        '{"type": "tensor", "name": "w", "pickle": "m.pkl", "a": "x", "b": "y", "count": null, '
        '"total": null, "first": [0, 1], "largest": 1.5, "unending": null, "note": ""}, '
        '{"type": "text", "lines": ["-a"], "left_out": 2}, '
        '{"type": "bytes", "offset": 4, "a": "0001", "b": ""}], "left_out": 0}], '
        '"facts": [], "layout": []}'
    )


def test_json_can_be_written(make_archive):
    tensors = {"w": by_hand.tensor(0, (1,))}
    a = make_archive({**net(tensors, [floats(1)]), "t": b"1\n", "b": b"\0"})
    b = make_archive({**net(tensors, [floats(2)]), "t": b"2\n", "b": b"\1"})
    assert b'"largest":1.0' in dumps(to_json(compare_archives(a, b)))


def test_a_tensor_that_differs_and_has_a_number_that_the_other_archive_lacks(make_archive):
    both = {"first": by_hand.tensor(0, (1,)), "last": by_hand.tensor(1, (1,))}
    a = make_archive(net(both, [floats(1), floats(2)]))
    b = make_archive(net({"last": by_hand.tensor(0, (1,))}, [floats(3)]))
    for before, after in ((a, b), (b, a)):
        found = [
            detail
            for record in compare_archives(before, after).records
            for detail in record.details
            if isinstance(detail, TensorDifference)
        ]
        assert [(detail.name, detail.count) for detail in found] == [("last", 1)]


def test_another_environment_is_told_by_distribution(make_archive):
    def lock(version: str, hashes: str) -> bytes:
        text = f'[[tool.hermpkg.packages]]\nname = "own"\nversion = "{version}"\nhashes = [{hashes}]\n'
        return f'lock-version = "1.0"\n{text}'.encode()

    hashed = f'"sha256:{"1" * 64}"'
    a, b, c = (
        make_archive({".data/hermpkg/pylock.toml": data})
        for data in (lock("1", ""), lock("2", ""), lock("2", hashed))
    )
    (version,) = compare_archives(a, b).facts
    assert (version.subject, version.a, version.b) == ("environment own", "1 (no hash)", "2 (no hash)")
    (proof,) = compare_archives(b, c).facts
    assert (proof.a, proof.b.startswith("2 (")) == ("2 (no hash)", True)
