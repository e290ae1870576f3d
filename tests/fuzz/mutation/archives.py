"""Makes mutants of archives in what they consist of: ZIP headers, manifests, pickles, texts, names, bytes."""

from __future__ import annotations

import hashlib
import io
import json
import random
import warnings
import zipfile
from collections.abc import Callable
from functools import cache

from mutation.json_texts import other_json
from mutation.octets import other_bytes
from mutation.pickles import other_pickle
from mutation.words import LINES, NAMES

from hermpkg_build.archive.layout import EXTERN_MODULES, MANIFEST, VERSION_RECORD
from hermpkg_build.archive.writer import Record, stream_archive

Records = dict[str, bytes]

_HEADERS = {b"PK\x03\x04": 30, b"PK\x01\x02": 46, b"PK\x05\x06": 22, b"PK\x06\x06": 56, b"PK\x06\x07": 20}
_NUMBERS = (0, 1, 2, 7, 8, 255, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)


def mutant(archive: bytes, choose: random.Random) -> bytes:
    """Return a mutant of `archive`."""
    ways: list[Callable[[bytes, random.Random], bytes]] = [
        other_bytes,
        _with_other_headers,
        _with_other_records,
    ]
    return choose.choices(ways, (2, 3, 5))[0](archive, choose)


def _with_other_headers(archive: bytes, choose: random.Random) -> bytes:
    data = bytearray(archive)
    for _ in range(choose.choice((1, 1, 2, 3))):
        signature, size = choose.choice(list(_HEADERS.items()))
        places = _places(bytes(data), signature)
        if not places:
            continue
        width = choose.choice((2, 4))
        place = choose.choice(places) + choose.randrange(4, size - width + 1, 2)
        before = int.from_bytes(data[place : place + width], "little")
        value = choose.choice((*_NUMBERS, before + 1, before - 1, before ^ 8, choose.getrandbits(32)))
        data[place : place + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
    return bytes(data)


def _places(data: bytes, signature: bytes) -> list[int]:
    places = []
    while (place := data.find(signature, places[-1] + 1 if places else 0)) >= 0:
        places.append(place)
    return places


@cache
def _records_of(archive: bytes) -> tuple[str, Records]:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        root = file.namelist()[0].partition("/")[0]
        return root, {name[len(root) + 1 :]: file.read(name) for name in file.namelist()}


def _with_other_records(archive: bytes, choose: random.Random) -> bytes:
    root, unchanged = _records_of(archive)
    records = dict(unchanged)
    for _ in range(choose.choice((1, 1, 1, 2, 3))):
        _change_a_record(records, choose)
    if choose.random() < 0.5:
        _agree(records)
    packed_by_us = choose.random() < 0.7
    if packed_by_us:
        stream = io.BytesIO()
        try:
            contents = [Record(name=name, content=data) for name, data in records.items()]
            stream_archive(stream, root=root, records=contents)
            return stream.getvalue()
        except Exception:
            pass
    return _zipped(records, root, choose)


def _zipped(records: Records, root: str, choose: random.Random) -> bytes:
    stream = io.BytesIO()
    method = choose.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    names = list(records)
    if choose.random() < 0.2:
        choose.shuffle(names)
    if choose.random() < 0.2:
        names.append(choose.choice(names))
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", method) as file:
        warnings.simplefilter("ignore")
        for name in names:
            prefix = root if choose.random() < 0.99 else choose.choice(("other", "", f"{root}/x"))
            try:
                file.writestr(zipfile.ZipInfo(f"{prefix}/{name}"), records[name], method)
            except (UnicodeEncodeError, ValueError):
                continue
    return stream.getvalue()


def _change_a_record(records: Records, choose: random.Random) -> None:
    name = choose.choice(list(records)) if records else "x"
    data = records.get(name, b"")
    match choose.randrange(10):
        case 0:
            records.pop(name, None)
        case 1:
            records[choose.choice(NAMES)] = records.pop(name, b"")
        case 2:
            records[choose.choice(NAMES)] = data
        case 3:
            records[name] = choose.choice((b"", data + b"\0", data[:-1], data * 2, choose.randbytes(40)))
        case 4 | 5 | 6 if MANIFEST in records:
            records[MANIFEST] = other_json(records[MANIFEST], choose)
        case 7:
            text = choose.choice((VERSION_RECORD, EXTERN_MODULES, ".data/python_version", "byteorder"))
            lines = records.get(text, b"").split(b"\n")
            lines.insert(choose.randrange(len(lines) + 1), choose.choice(LINES))
            records[text] = b"\n".join(lines[choose.randrange(2) :])
        case _:
            for pickle in [name for name in records if name.endswith(".pkl")]:
                records[pickle] = other_pickle(records[pickle], choose)


def _agree(records: Records) -> None:
    """Give the manifest the digests of the records, as anybody can."""
    try:
        manifest = json.loads(records[MANIFEST])
        listed = manifest["records"]
        for name, data in records.items():
            if name != MANIFEST:
                kind = "module" if name.endswith(".py") else "resource"
                listed.setdefault(name, {"kind": kind})["digest"] = (
                    f"{hashlib.sha256(data).hexdigest()}/{len(data)}"
                )
        for name in set(listed) - set(records):
            del listed[name]
    except (KeyError, TypeError, ValueError, RecursionError, AttributeError):
        return
    text = json.dumps(manifest, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    records[MANIFEST] = text.encode("utf-8", "surrogatepass")
