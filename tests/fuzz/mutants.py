"""Makes mutants of archives in what they consist of: ZIP headers, manifests, pickles, texts, names, bytes."""

from __future__ import annotations

import hashlib
import io
import json
import pickletools
import random
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

from hermpkg_build.archive.layout import EXTERN_MODULES, MANIFEST, VERSION_RECORD
from hermpkg_build.archive.writer import Record, stream_archive

Records = dict[str, bytes]

_HEADERS = {b"PK\x03\x04": 30, b"PK\x01\x02": 46, b"PK\x05\x06": 22, b"PK\x06\x06": 56, b"PK\x06\x07": 20}
_NUMBERS = (0, 1, 2, 7, 8, 255, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)
_NAMES = (
    *(
        "../x.py",
        "a/../b",
        "/etc/x",
        "",
        ".",
        "a//b",
        "a\\b",
        "a\0b",
        "x" * 600,
        "y" * 5_000,
        "a/" * 300 + "x.py",
    ),
    *(
        "mod\x1b[31m.py",
        "line\nbreak.py",
        "\u202egnp.py",
        "fuzzed/util.py",
        "fuzzed/__init__.py",
        ".data/version",
    ),
    *(".data/0.storage", ".data/99.storage", "version", "byteorder", "top.txt", "größe/ä.py", MANIFEST),
)
_LINES = (
    *(
        b"",
        b" ",
        b"torch",
        b"torch.nn",
        b"a." * 400 + b"a",
        b"x" * 5_000,
        b"\x1b[31mred",
        b"\xff\xfe",
        b"\0",
        b"6",
    ),
    *(b"11", b"-1", b"9" * 5_000, b"\xed\xa0\x80", "\u202e".encode(), b"a\rb", b"..", b"fuzzed", b"__main__"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 10**400, "", "x", "a" * 3_000, "\ud800", "\x1b[31m", "\u202e", [], {}, [[]]),
    *(
        ["x"],
        {"x": 1},
        ">=1",
        "9" * 5_000,
        "sha256",
        f"{'0' * 64}/0",
        "extern",
        "intern",
        "module",
        "storage",
    ),
)
_OPCODES = (
    *(
        b"0",
        b"1",
        b"2",
        b"(",
        b"t",
        b")",
        b"]",
        b"}",
        b"R",
        b"b",
        b"Q",
        b"a",
        b"s",
        b"u",
        b"e",
        b"\x81",
        b"\x85",
    ),
    *(
        b"\x86",
        b"\x87",
        b"\x88",
        b"\x8f",
        b"\x90",
        b"\x91",
        b"\x92",
        b"\x93",
        b"\x94",
        b"N",
        b"K\x01",
        b"J\xff" * 2,
    ),
    *(
        b"h\x00",
        b"h\x05",
        b"j\xff\xff\xff\x7f",
        b"r\xff\xff\x00\x00",
        b"X\x01\x00\x00\x00a",
        b"\x8a\x01\xff",
        b".",
    ),
    *(
        b"cfuzzed.util\nscale\n",
        b"ctorch\nFloatStorage\n",
        b"cgone\nname\n",
        b"\x8b\xff\xff\xff\x7f",
        b"\x80\x05",
    ),
)


def mutant(archive: bytes, choose: random.Random) -> bytes:
    """Return a mutant of `archive`."""
    ways: list[Callable[[bytes, random.Random], bytes]] = [
        _with_other_bytes,
        _with_other_headers,
        _with_other_records,
    ]
    return choose.choices(ways, (2, 3, 5))[0](archive, choose)


def _with_other_bytes(archive: bytes, choose: random.Random) -> bytes:
    data = bytearray(archive)
    for _ in range(choose.choice((1, 1, 1, 2, 5))):
        place, length = choose.randrange(len(data)), choose.choice((1, 1, 2, 4, 64, 512))
        match choose.randrange(6):
            case 0:
                data[place] ^= 1 << choose.randrange(8)
            case 1:
                data[place : place + length] = choose.randbytes(length)
            case 2:
                del data[place : place + length]
            case 3:
                data[place:place] = choose.randbytes(length)
            case 4:
                other = choose.randrange(len(data))
                data[place:place] = data[other : other + length]
            case 5:
                del data[max(1, place) :]
    return bytes(data)


def _with_other_headers(archive: bytes, choose: random.Random) -> bytes:
    data = bytearray(archive)
    for _ in range(choose.choice((1, 1, 2, 3))):
        signature, size = choose.choice(list(_HEADERS.items()))
        places = [place for place in range(len(data)) if data.startswith(signature, place)]
        if not places:
            continue
        width = choose.choice((2, 4))
        place = choose.choice(places) + choose.randrange(4, size - width + 1, 2)
        before = int.from_bytes(data[place : place + width], "little")
        value = choose.choice((*_NUMBERS, before + 1, before - 1, before ^ 8, choose.getrandbits(32)))
        data[place : place + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
    return bytes(data)


def _with_other_records(archive: bytes, choose: random.Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        root = file.namelist()[0].partition("/")[0]
        records = {name[len(root) + 1 :]: file.read(name) for name in file.namelist()}
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
            records[choose.choice(_NAMES)] = records.pop(name, b"")
        case 2:
            records[choose.choice(_NAMES)] = data
        case 3:
            records[name] = choose.choice((b"", data + b"\0", data[:-1], data * 2, choose.randbytes(40)))
        case 4 | 5 | 6 if MANIFEST in records:
            records[MANIFEST] = _other_json(records[MANIFEST], choose)
        case 7:
            text = choose.choice((VERSION_RECORD, EXTERN_MODULES, ".data/python_version", "byteorder"))
            lines = records.get(text, b"").split(b"\n")
            lines.insert(choose.randrange(len(lines) + 1), choose.choice(_LINES))
            records[text] = b"\n".join(lines[choose.randrange(2) :])
        case _:
            for pickle in [name for name in records if name.endswith(".pkl")]:
                records[pickle] = _other_pickle(records[pickle], choose)


def _other_pickle(data: bytes, choose: random.Random) -> bytes:
    """Delete, double, move, change and insert opcodes."""
    try:
        places = [place for _, _, place in pickletools.genops(data) if place is not None]
    except ValueError:
        return data[: choose.randrange(len(data) + 1)]
    parts = [data[start:stop] for start, stop in zip(places, [*places[1:], len(data)], strict=True)]
    for _ in range(choose.choice((1, 1, 2, 4))):
        place = choose.randrange(len(parts))
        match choose.randrange(6):
            case 0:
                parts[place] = b""
            case 1:
                parts.insert(place, parts[place])
            case 2:
                other = choose.randrange(len(parts))
                parts[place], parts[other] = parts[other], parts[place]
            case 3 if len(parts[place]) > 1:
                part = bytearray(parts[place])
                part[choose.randrange(1, len(part))] = choose.choice(
                    (0, 1, 127, 128, 255, choose.randrange(256))
                )
                parts[place] = bytes(part)
            case 4:
                parts[place] = choose.choice(_OPCODES)
            case _:
                parts.insert(place, choose.choice(_OPCODES))
    return b"".join(parts)


def _other_json(data: bytes, choose: random.Random) -> bytes:
    """Change, take away, add and rename values, or write the same ones in another way."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return data
    if not isinstance(value, dict):
        return data
    for _ in range(choose.choice((0, 1, 1, 2))):
        _change_a_value(value, choose)
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    match choose.randrange(12):
        case 0:
            text = json.dumps(value)
        case 1:
            text = text[:-1] + ',"format":1,"format":1}'
        case 2:
            text = text.replace(":", ": ", 1)
        case 3:
            text = "[" * 100_000
        case 4:
            return text.encode("utf-16", "surrogatepass")
        case 5:
            return b"\xef\xbb\xbf" + text.encode("utf-8", "surrogatepass")
        case 6:
            text = text.replace('"', '"\\u0000', 1)
        case _:
            pass
    return text.encode("utf-8", "surrogatepass")


def _change_a_value(value: Any, choose: random.Random) -> None:
    here = value
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not keys:
            return
        key = choose.choice(keys)
        inner = here[key]
        if not (isinstance(inner, (dict, list)) and inner and choose.random() < 0.8):
            break
        here = inner
    match choose.randrange(4):
        case 0:
            del here[key]
        case 1 if isinstance(here, dict):
            here[choose.choice(("", "x", "\x1b", "\ud800", "a." * 300, *map(str, _NAMES)))] = here.pop(key)
        case 2 if isinstance(here, dict):
            here[choose.choice(("new", "format", "requires", "modules"))] = choose.choice(_VALUES)
        case _:
            here[key] = choose.choice(_VALUES)


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
