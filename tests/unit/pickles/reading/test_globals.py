"""The globals of a pickle are those that loading it would import, in every protocol."""

import collections
import datetime
import pickle
from fractions import Fraction

import pytest

from hermpkg_build.pickles.reading.nodes import contents_of_pickle

VALUE = [
    collections.OrderedDict(a=1),
    datetime.date(2024, 1, 2),
    datetime.timedelta(3),
    Fraction(1, 2),
    Fraction(3, 4),
    collections.OrderedDict.fromkeys,
    "datetime",
    "date",
]


class Recording(pickle.Unpickler):
    """Notes what it is asked to import."""

    def __init__(self, file):
        super().__init__(file)
        self.found = set()

    def find_class(self, module, name):
        self.found.add((module, name))
        return super().find_class(module, name)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_all_protocols(tmp_path, protocol):
    data = pickle.dumps(VALUE, protocol=protocol, fix_imports=False)
    file = tmp_path / "value.pkl"
    file.write_bytes(data)
    with open(file, "rb") as stream:
        unpickler = Recording(stream)
        unpickler.load()
    assert contents_of_pickle(data).globals == unpickler.found


@pytest.mark.parametrize("data", [b"", b"\x80", b"no pickle at all.", b"\x80\x04\x93.", b"\x80\x04h\x07."])
def test_what_is_no_pickle_has_no_globals(data):
    assert contents_of_pickle(data).globals == set()


def test_a_pickle_that_is_cut_off_has_those_before_the_cut():
    data = pickle.dumps([datetime.date(2024, 1, 2), Fraction(1, 2)], protocol=4)
    cut = data[: data.index(b"fractions")]
    assert contents_of_pickle(cut).globals == {("datetime", "date")}
