"""What `hermpkg scan` reads: files of every kind, and what is said of them.

A law beyond those of all readers: what an unpickler looks up and calls while it reads a mutant is told.
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import random
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy
from laws import Reader, broken_by, controls_in
from mutation.any_form import other_of_its_form
from mutation.octets import other_bytes
from mutation.pickles import other_pickle
from target import Attempt, Target

from hermpkg_build.inspection.findings_text import lines, summary
from hermpkg_build.scanning.artifact import scan_data
from hermpkg_build.scanning.findings import Level
from hermpkg_build.scanning.looked_up_names import name_of_today
from hermpkg_build.scanning.pickle_calls import COMPUTED, Deed, contents_of_pickle
from hermpkg_build.scanning.sarif import sarif_log

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from tests.unit.scanning.joblib_files import joblib_file

_CALLS = (
    b"\x80\x02}X\x01\x00\x00\x00a](cos\nsystem\nq\x00X\x01\x00\x00\x00xq\x01\x85R"
    b"h\x00h\x01\x85Rcpkg.a\nA\n)\x81}bes."
)
_SOURCE = b"""import os as o, sys
from subprocess import *
from . import b
x = getattr(o, "sys" + "tem")
def f(y=[open(z, "w") for z in sys.path]):
    sys.modules["a"] = __import__(y).__dict__[x]
class A(o.PathLike):
    b.o.system(lambda: eval("1"))
"""
_MOST_LINES = 250


def _zip(method: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in (
            (".data/extern_modules", b"os\n"),
            ("pkg/a.py", _SOURCE),
            ("pkg/b.py", b"import os as o\n"),
            ("model.pkl", _CALLS),
        ):
            archive.writestr(f"net/{name}", data)
    return stream.getvalue()


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo("pickle")
        info.size = len(_CALLS)
        archive.addfile(info, io.BytesIO(_CALLS))
    return stream.getvalue()


def seeds(_: Path) -> Mapping[str, bytes]:
    """Return a file of each kind."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"
    return {
        "calls.pkl": _CALLS,
        "old.pkl": b"(lp0\n(iposix\nsystem\np1\na(cos\nsystem\nS'x'\no0g1\nV\\u006f\nI01\n.",
        "nested.pkl": pickle.dumps({"a": _CALLS, "b": gzip.compress(_CALLS)}, 4),
        "source.py": _SOURCE,
        "stored.pt": _zip(zipfile.ZIP_STORED),
        "deflated.pt": _zip(zipfile.ZIP_DEFLATED),
        "model.tar": _tar(),
        "model.pkl.gz": gzip.compress(_CALLS),
        "arrays.joblib": joblib_file([numpy.arange(9.0), numpy.array([{"a": 1}], dtype=object), 1]),
        "array.npy": b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + _CALLS,
    }


def mutant(data: bytes, choose: random.Random) -> bytes:
    """Return a file that may be anything."""
    if data[:1] in (b"\x80", b"(") and choose.random() < 0.9:
        return other_pickle(data, choose)
    return other_bytes(data, choose) if b"\0" in data else other_of_its_form(data, choose)


def broken_laws(data: bytes, attempt: Attempt) -> Iterator[str]:
    """Tell which laws scanning `data` breaks."""
    yield from broken_by(Reader(sound=b"", read=lambda data: scan_data(data, attempt.seed.name)), data)
    found = scan_data(data, attempt.seed.name)
    json.dumps(sarif_log([found]))
    shown = [summary(found), *lines(found, {}, least=Level.NOTE, everything=False)]
    if len(shown) > _MOST_LINES:
        yield f"says {len(shown)} lines"
    if bad := controls_in(str(found.worst)):
        yield f"printed {bad}"
    if attempt.seed.name.endswith(".pkl"):
        yield from _untold(data)


def _untold(data: bytes) -> Iterator[str]:
    watched = _Watched(io.BytesIO(data))
    with suppress(Exception):
        watched.load()
    contents = contents_of_pickle(data)
    if untold := watched.asked - contents.globals - {("builtins", "getattr")}:
        yield f"an unpickler looks up what is not told: {sorted(untold)}"
    told = {(use.module, use.name) for use in contents.uses if use.deed is Deed.CALLS}
    if (untold := watched.called - told) and (COMPUTED, COMPUTED) not in told:
        yield f"an unpickler calls what is not told: {sorted(untold)}"


class _Watched(pickle._Unpickler):  # type: ignore[misc,name-defined]  # the one in Python, which can be watched
    """Records what is looked up and called; nothing real is."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.asked: set[tuple[str, str]] = set()
        self.called: set[tuple[str, str]] = set()

    def find_class(self, module: str, name: str) -> Any:
        name_of = name_of_today(module, name) if self.proto < 3 else (module, name)
        self.asked.add(name_of)
        called = self.called

        class Stand:
            def __new__(cls, *_: object, **__: object) -> Any:
                called.add(name_of)
                return super().__new__(cls)

            def __init__(self, *_: object, **__: object) -> None: ...

            def __setstate__(self, _: object) -> None: ...

        return Stand


TARGET = Target(seeds=seeds, mutant=mutant, broken_laws=broken_laws)
