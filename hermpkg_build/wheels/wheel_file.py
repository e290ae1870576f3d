"""Adds files to a wheel that is made already; all else of it stays as it is, byte for byte."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import stat
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence

from hermpkg_build.wheels.builds import MODE, WheelError

_PIECE = 1 << 20


def wheel_names(path: str) -> list[str]:
    """List the names of the files in a wheel. Raises WheelError where it is none."""
    try:
        with zipfile.ZipFile(path) as wheel:
            return [info.filename for info in wheel.infolist() if not info.is_dir()]
    except zipfile.BadZipFile as error:
        raise WheelError("the wheel is not a ZIP", facts=[("file", path), ("reason", str(error))]) from None


def add_to_wheel(path: str, target: str, files: Mapping[str, str]) -> None:
    """Write the wheel `path` anew as `target`, with `files`: paths on the disk by names in the wheel.

    A file that it has by the name of one of them is replaced. Raises WheelError, OSError.
    """
    record = _record_of(path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        _copy_raw(old, new, without={record, *files})
        date = old.getinfo(record).date_time
        rows = [_written(new, name, files[name], date) for name in sorted(files)]
        listed = _listing(old.read(record).decode("utf-8"), record, rows)
        new.writestr(_entry(record, date, old.getinfo(record).external_attr), listed)


def _record_of(path: str) -> str:
    """Return the name of the file that lists all others."""
    found = [
        name for name in wheel_names(path) if name.endswith(".dist-info/RECORD") and name.count("/") == 1
    ]
    if len(found) != 1:
        raise WheelError("the wheel has no RECORD", facts=[("file", path)])
    return found[0]


def _copy_raw(old: zipfile.ZipFile, new: zipfile.ZipFile, *, without: set[str]) -> None:
    """Copy entries as they are, packed, with their headers and what follows them."""
    source, target = old.fp, new.fp
    assert source is not None
    assert target is not None
    infos = sorted(old.infolist(), key=lambda info: info.header_offset)
    ends = [*(info.header_offset for info in infos[1:]), old.start_dir]
    for info, end in zip(infos, ends, strict=True):
        if info.filename in without:
            continue
        source.seek(info.header_offset)
        left = end - info.header_offset
        info.header_offset = target.tell()
        while left > 0:
            data = source.read(min(left, _PIECE))
            if not data:
                raise zipfile.BadZipFile(f"{info.filename} ends early")
            target.write(data)
            left -= len(data)
        new.filelist.append(info)
        new.NameToInfo[info.filename] = info
    new.start_dir = target.tell()


def _entry(name: str, date: tuple[int, int, int, int, int, int], attributes: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date)
    info.compress_type, info.external_attr, info.create_system = zipfile.ZIP_DEFLATED, attributes, 3
    return info


def _written(
    wheel: zipfile.ZipFile, name: str, path: str, date: tuple[int, int, int, int, int, int]
) -> tuple[str, str, str]:
    """Add one file, and return its row of RECORD."""
    hasher, size = hashlib.sha256(), 0
    info = _entry(name, date, (stat.S_IFREG | MODE) << 16)
    info.file_size = os.path.getsize(path)  # It decides whether the entry can be larger than 4 GiB.
    with open(path, "rb") as source, wheel.open(info, "w") as target:
        while data := source.read(_PIECE):
            hasher.update(data)
            size += len(data)
            target.write(data)
    digest = urlsafe_b64encode(hasher.digest()).rstrip(b"=").decode("ascii")
    return name, f"sha256={digest}", str(size)


def _listing(text: str, record: str, rows: Sequence[tuple[str, str, str]]) -> str:
    """Return RECORD with `rows` before the row of itself, which is the last as a rule."""
    added = {name for name, _, _ in rows}
    kept = [row for row in csv.reader(io.StringIO(text)) if row and row[0] not in added]
    own = next((number for number, row in enumerate(kept) if row[0] == record), len(kept))
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([*kept[:own], *rows, *kept[own:]])
    return written.getvalue()
