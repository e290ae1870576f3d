"""Describes artifacts for the lock, and compares them with what is locked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.lock import Lock, LockedTarget
from hermpkg_build.errors import ArchiveError
from hermpkg_build.inspection.contents import manifest_of
from hermpkg_build.inspection.verify.verdicts import Verdict
from hermpkg_build.version import __version__

TOOL = f"hermpkg {__version__}"
_MOST_SHOWN = 20


def locked_target(path: str, *, sha256: str, size: int) -> LockedTarget:
    """Return the lock's entry for the artifact at `path`. Raises ArchiveError where it has no manifest."""
    with ArchiveReader(path) as reader:
        manifest = manifest_of(reader)
    if manifest is None:
        raise ArchiveError("the artifact has no manifest", facts=[("file", path)])
    return LockedTarget(
        sha256=sha256,
        bytes=size,
        python_version=manifest.python_version,
        externs={name: manifest.distributions.get(name, "") for name in manifest.extern_modules() if name},
        records={name: record.digest.hash for name, record in manifest.records.items()},
        computed_on={name: model.computed_on for name, model in manifest.models.items() if model.computed_on},
    )


def hold_to_lock(label: str, path: str, sha256: str, size: int, lock: Lock) -> Verdict:
    """Judge whether the artifact at `path` agrees with the entry of `label` in the lock."""
    lines = tuple(_differences(lock, label, locked_target(path, sha256=sha256, size=size)))
    return Verdict(
        subject=label,
        check="locked",
        summary="not as locked" if lines else "as locked",
        lines=(*lines, "to accept this, run hermpkg lock") if lines else (),
        facts={"differences": list(lines)},
    )


def _differences(lock: Lock, label: str, now: LockedTarget) -> Iterator[str]:
    before = lock.targets.get(label)
    if before is None:
        yield f"{label} is not in the lock"
        return
    if before == now:
        return
    if before.python_version != now.python_version:
        yield f"Python: {before.python_version} became {now.python_version} (python_version can pin it)"
    for record, where in now.computed_on.items():
        if before.computed_on.get(record, where) != where:
            yield f"{record}: locked as computed on {before.computed_on[record]}, and built on {where}"
            yield "  computed numbers are the same only on one architecture, with one C library"
    yield from _changes("extern distribution", before.externs, now.externs, show=True)
    yield from _changes("record", before.records, now.records, show=False)
    if lock.tool != TOOL:
        yield f"built by: {lock.tool} became {TOOL}"
    same_contents = (before.externs, before.records) == (now.externs, now.records)
    if same_contents and before.python_version == now.python_version and lock.tool == TOOL:
        yield "the manifest: policies, labels, requirements or versions of packed distributions"
    yield f"sha256: {before.sha256} became {now.sha256}"


def _changes(what: str, before: Mapping[str, str], now: Mapping[str, str], *, show: bool) -> Iterator[str]:
    """Return a line for each name whose value has changed, with the values if `show`."""
    names = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    for name in names[:_MOST_SHOWN]:
        old, new = before.get(name), now.get(name)
        if old is None:
            yield f"{what} {name}: added" + (f", {new}" if show and new else "")
        elif new is None:
            yield f"{what} {name}: gone" + (f", was {old}" if show and old else "")
        else:
            yield f"{what} {name}: " + (f"{old or 'no version'} became {new}" if show else "changed")
    if len(names) > _MOST_SHOWN:
        yield f"and {len(names) - _MOST_SHOWN} more {what}s"
