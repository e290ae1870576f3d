"""What loading a pickle would do is read from its bytes, whatever tricks it plays."""

from __future__ import annotations

import collections
import io
import os
import pickle
import pickletools
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.pickles.reading import opcode_stream
from hermpkg_build.scanning.artifact import scan_data
from hermpkg_build.scanning.harmless import is_harmless
from hermpkg_build.scanning.pickle_calls import Deed, PickleContents, contents_of_pickle
from tests.unit.scanning.joblib_files import joblib_file
from tests.unit.scanning.tricks import SIMPLE, TRICKS


def is_clean(contents: PickleContents) -> bool:
    return not contents.problem and all(is_harmless(use.module, use.name) for use in contents.uses)


@pytest.mark.parametrize("trick", TRICKS)
def test_no_trick_looks_clean(trick: str) -> None:
    contents = contents_of_pickle(TRICKS[trick])
    told = [use for use in contents.uses if not is_harmless(use.module, use.name) or use.deed is Deed.CHANGES]
    assert told


class _Call:
    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self._reduced = function, arguments

    def __reduce__(self) -> Any:
        return self._reduced


def test_a_call_is_told_by_the_way_to_it_in_the_object() -> None:
    data = pickle.dumps({"layers": [1, _Call(os.system, "ls")]})
    uses = contents_of_pickle(data, "model/model.pkl").uses
    (call,) = [use for use in uses if use.deed is Deed.CALLS]
    assert call.full_name == f"{os.name}.system"
    assert [(place.path, place.arguments) for place in call.places] == [('model["layers"][1]', '("ls",)')]


def test_what_is_thrown_away_has_no_way_but_is_told() -> None:
    uses = contents_of_pickle(TRICKS["thrown away"]).uses
    assert [(use.deed, use.full_name, use.places[0].path) for use in uses] == [
        (Deed.IMPORTS, "os.system", ""),
        (Deed.CALLS, "os.system", ""),
    ]


def test_uses_of_one_name_are_counted_and_a_few_are_placed() -> None:
    data = pickle.dumps([_Call(os.getcwd) for _ in range(50)])
    calls = [use for use in contents_of_pickle(data).uses if use.deed is Deed.CALLS]
    assert [(call.count, len(call.places)) for call in calls] == [(50, 8)]


def test_dotted_names_of_old_protocols_are_names() -> None:
    data = pickle.dumps([collections.OrderedDict.fromkeys, io.BytesIO.read], 3)
    uses = contents_of_pickle(data).uses
    assert {(use.deed, use.full_name) for use in uses} == {
        (Deed.IMPORTS, "collections.OrderedDict"),
        (Deed.IMPORTS, "collections.OrderedDict.fromkeys"),
        (Deed.IMPORTS, "_io.BytesIO"),
        (Deed.IMPORTS, "_io.BytesIO.read"),
    }


@pytest.mark.parametrize(
    "more",
    [
        b"h\x00.",
        b"cm\nf\n(h\x00tR.",
        b"]h\x00a.",
        b"h\x00(cm\nC\n\x8c\x01xK\x01tR.",
        b"h\x00(cm\nC\nh\x01tR.",
    ],
)
def test_getattr_that_is_more_than_a_name_is_told(more: bytes) -> None:
    lookup = b"\x80\x02cbuiltins\ngetattr\nq\x00(cm\nC\nX\x01\x00\x00\x00xtRq\x010"
    uses = contents_of_pickle(lookup + more).uses
    assert "builtins.getattr" in {use.full_name for use in uses}


def test_methods_of_objects_are_names_too() -> None:
    data = pickle.dumps([io.BytesIO().read, collections.OrderedDict().keys], 3)
    uses = contents_of_pickle(data).uses
    assert "builtins.getattr" not in {use.full_name for use in uses}
    assert (Deed.IMPORTS, "_io.BytesIO.read") in {(use.deed, use.full_name) for use in uses}


def test_state_is_told_by_the_class_that_takes_it() -> None:
    data = pickle.dumps(collections.OrderedDict(a=1), 2)
    value = collections.OrderedDict(a=1)
    value.extra = 1  # type: ignore[attr-defined]
    uses = {(use.deed, use.full_name) for use in contents_of_pickle(pickle.dumps(value)).uses}
    assert (Deed.STATE, "collections.OrderedDict") in uses
    assert is_clean(contents_of_pickle(data))


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_are_clean(protocol: int) -> None:
    value = {"a": [1, 2.5, None, True, 2**70], "b": ("x", b"y", "ß"), "s": {1, 2}, "f": frozenset([3])}
    assert is_clean(contents_of_pickle(pickle.dumps(value, protocol)))


def test_all_pickles_of_a_stream_are_read() -> None:
    contents = contents_of_pickle(pickle.dumps(1) + pickle.dumps({2}) + b"\0\0rest")
    assert (contents.pickles, contents.problem != "") == (2, True) or contents.end < contents.pickles + 99
    assert contents.end == len(pickle.dumps(1) + pickle.dumps({2}))


class _Watcher(pickle._Unpickler):  # type: ignore[misc,name-defined]  # the one in Python, which can be watched
    """Records the names that are looked up and the functions that are called; nothing real is called."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.asked: set[tuple[str, str]] = set()
        self.called: set[tuple[str, str]] = set()

    def find_class(self, module: str, name: str) -> Any:
        if self.proto < 3:
            import _compat_pickle

            if (module, name) in _compat_pickle.NAME_MAPPING:
                module, name = _compat_pickle.NAME_MAPPING[module, name]
            else:
                module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        self.asked.add((module, name))
        watcher = self

        class Stand(list[object]):
            def __new__(cls, *_: object, **__: object) -> Stand:  # noqa: PYI034
                watcher.called.add((module, name))
                return super().__new__(cls)

            def __init__(self, *_: object, **__: object) -> None:
                super().__init__()

            def __setitem__(self, *_: object) -> None: ...

            def add(self, _: object) -> None: ...

            def __setstate__(self, _: object) -> None: ...

            def __hash__(self) -> int:  # type: ignore[override]
                return 0

        return Stand

    def persistent_load(self, _: object) -> str:
        return "persistent"


_OPCODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
_PIECES = st.one_of(
    st.sampled_from(_OPCODES),
    st.sampled_from(
        [
            *(
                b"cos\nsystem\n",
                b"iposix\nfork\n",
                b"\x8c\x02os",
                b"\x8c\x06system",
                b"S'os'\n",
                b"X\1\0\0\0x",
            ),
            *(
                b"q\x00",
                b"h\x00",
                b"q\x01",
                b"h\x01",
                b"\x94",
                b"g0\n",
                b"p0\n",
                b"(",
                b")",
                b"t",
                b"R",
                b"o",
            ),
            *(b"\x81", b"\x92", b"\x93", b"b", b"}", b"]", b"a", b"e", b"u", b"s", b"0", b"1", b"2", b"K\1"),
            *(
                b"\x80\x02",
                b"\x80\x04",
                b"\x80\x00",
                b"c__builtin__\neval\n",
                b"\x8f",
                b"\x90",
                b"\x85",
                b".",
            ),
        ]
    ),
)


@given(st.lists(_PIECES, max_size=40))
def test_whatever_an_unpickler_looks_up_or_calls_is_told(pieces: list[bytes]) -> None:
    data = b"".join(pieces) + b"."
    watcher = _Watcher(data)
    with suppress(Exception):  # It may fail as it likes: what it did before counts.
        watcher.load()
    contents = contents_of_pickle(data)
    assert watcher.asked <= contents.globals
    told = {(use.module, use.name) for use in contents.uses if use.deed is Deed.CALLS}
    assert watcher.called <= told or ("<computed>", "<computed>") in told


@given(st.binary(max_size=300), st.integers(0, len(SIMPLE)))
def test_any_bytes_are_read_without_an_error(data: bytes, cut: int) -> None:
    contents_of_pickle(data)
    contents_of_pickle(SIMPLE[:cut] + data)


def test_a_view_is_read_as_its_bytes_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large bytes are parts of the view then; here all are large."""
    monkeypatch.setattr(opcode_stream, "_LARGE", 4)
    values = [{"a": b"\x80\x04N." + bytes(30), "b": bytearray(b"c" * 20)}, [b"", b"PK\x03\x04" + bytes(40)]]
    arrays = joblib_file([numpy.arange(300), numpy.array([_Call(os.getcwd)], dtype=object)])
    samples = [*TRICKS.values(), *(pickle.dumps(value, 5) for value in values), arrays]
    for data in [each[:end] for each in samples for end in (len(each), len(each) // 2, len(each) - 1)]:
        view, whole = contents_of_pickle(memoryview(data)), contents_of_pickle(data)
        assert (view.uses, view.pickles, view.end, view.problem) == (
            whole.uses,
            whole.pickles,
            whole.end,
            whole.problem,
        )
        assert [bytes(each.data) for each in view.nested] == [each.data for each in whole.nested]


def test_a_large_pickle_is_not_copied() -> None:
    large = 48 << 20
    data = memoryview(pickle.dumps({"weights": bytes(large), "more": b"\x80\x04N." + bytes(large)}, 4))
    for read in (lambda: contents_of_pickle(data), lambda: scan_data(data, "model.pkl")):
        tracemalloc.start()
        try:
            read()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < large // 2
