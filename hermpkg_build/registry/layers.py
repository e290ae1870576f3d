"""Takes an archive apart into layers, few of which change with it, and says how they make it again."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from hashlib import sha256

from hermpkg_build.archive.archive_file import ArchiveFile
from hermpkg_build.archive.records import Content, FileSlice, size_of
from hermpkg_build.archive.slices import slice_chunks
from hermpkg_build.core.digest import Bytes, Digest
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.signatures import signature_of
from hermpkg_build.disk.unchanged_files import changed_while_read, hash_file
from hermpkg_build.errors import ArchiveError
from hermpkg_build.registry.file_parts import OWN, FilePart, Kind, file_parts, grouped
from hermpkg_build.registry.manifest import FILE_PATH, MOST_LAYERS, Descriptor
from hermpkg_build.registry.recipe import MOST_BYTES, Recipe, Step
from hermpkg_build.remote.concurrently import all_of

RECIPE = f"{OWN}/recipe"
"""Where tools unpack the recipe to, by which it is known."""

_BLOCK = 512
_END_OF_TAR = bytes(2 * _BLOCK)
_KEPT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A blob to be stored, whose bytes are those of `parts`, one after the other."""

    descriptor: Descriptor
    parts: Sequence[Content]

    def chunks(self) -> Iterator[Bytes]:
        """Its bytes, in pieces. Raises ActionError where a file is gone or became shorter."""
        return _chunks(self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitArchive:
    """An archive in layers, of which the recipe is the last; `file` is its digest."""

    file: Digest
    layers: Sequence[Layer]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A layer before its digest is known, and where in it each part of the file begins."""

    kind: Kind
    path: str
    form: str
    parts: Sequence[Content]
    starts: Sequence[tuple[FilePart, int]]


def split_archive(path: str) -> SplitArchive:
    """Take the archive at `path` apart.

    Any ZIP archive can be: what is in no layer is in the recipe. Raises ArchiveError where it is none, and
    ActionError where the file changes meanwhile.
    """
    file = ArchiveFile(path)
    try:
        before = signature_of(status) if (status := file.status()) else None
        view = file.view
        parts = file_parts(view)
        large, groups = grouped(parts)
        plans = [*(_alone(path, part) for part in large), *(_together(path, group) for group in groups)]
        whole, *digests = all_of(lambda: hash_file(path)[0], *(_digest_later(plan.parts) for plan in plans))
        recipe = Recipe(file=whole, steps=_steps(parts, plans, len(view)), between=_between(parts, view))
        if before != (signature_of(status) if (status := file.status()) else None) or whole.size != len(view):
            raise changed_while_read(path)
    except ArchiveError as error:
        raise error.in_file(path) from None
    finally:
        file.close()
    data = recipe.to_bytes()
    if len(data) > MOST_BYTES or len(plans) >= MOST_LAYERS:
        raise ArchiveError("the archive has too many records to be stored in layers", facts=[("file", path)])
    layers = [_layer(plan, digest) for plan, digest in zip(plans, digests, strict=True)]
    last = _Plan(kind="weight.config", path=RECIPE, form="raw", parts=[data], starts=[])
    return SplitArchive(file=whole, layers=[*layers, _layer(last, Digest.of(data))])


def _alone(path: str, part: FilePart) -> _Plan:
    content = FileSlice(path=path, offset=part.offset, size=part.size)
    return _Plan(kind=part.kind, path=part.path, form="raw", parts=[content], starts=[(part, 0)])


def _together(path: str, group: Sequence[FilePart]) -> _Plan:
    """A tar archive of small parts, without times, users and modes."""
    contents: list[Content] = []
    starts: list[tuple[FilePart, int]] = []
    position = 0
    for part in group:
        entry = tarfile.TarInfo(part.path)
        entry.size = part.size
        header = entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        starts.append((part, position + len(header)))
        contents += [header, FileSlice(path=path, offset=part.offset, size=part.size)]
        padding = bytes(-part.size % _BLOCK)
        contents += [padding] if padding else []
        position += len(header) + part.size + len(padding)
    contents.append(_END_OF_TAR)
    return _Plan(kind=group[0].kind, path="", form="tar", parts=contents, starts=starts)


def _layer(plan: _Plan, digest: Digest) -> Layer:
    media_type = f"application/vnd.cncf.model.{plan.kind}.v1.{plan.form}"
    # Tools that unpack take the names in a tar archive, but want each layer to have a name.
    place = plan.path or f"{OWN}/{plan.kind}/{digest.hash[:16]}.tar"
    descriptor = Descriptor(media_type=media_type, digest=digest, annotations={FILE_PATH: place})
    return Layer(descriptor=descriptor, parts=plan.parts)


def _steps(parts: Sequence[FilePart], plans: Sequence[_Plan], size: int) -> list[Step]:
    places = {
        part.offset: (number, start) for number, plan in enumerate(plans) for part, start in plan.starts
    }
    steps, position = [], 0
    for part in parts:
        number, start = places[part.offset]
        steps.append(Step(part.offset - position, number, start, part.size))
        position = part.offset + part.size
    return [*steps, Recipe.last(size - position)] if position < size else steps


def _between(parts: Sequence[FilePart], view: memoryview) -> bytes:
    pieces, position = [], 0
    for part in parts:
        pieces.append(view[position : part.offset])
        position = part.offset + part.size
    return b"".join([*pieces, view[position:]])


def _digest_later(parts: Sequence[Content]) -> Callable[[], Digest]:
    return partial(_digest_of, parts)


def _digest_of(parts: Sequence[Content]) -> Digest:
    hasher = sha256()
    for chunk in _chunks(parts):
        hasher.update(chunk)
    return Digest(hasher.hexdigest(), sum(map(size_of, parts)))


def _chunks(parts: Sequence[Content]) -> Iterator[Bytes]:
    """The bytes of contents; small ones together."""
    buffer = bytearray()
    for part in parts:
        for chunk in slice_chunks(part) if isinstance(part, FileSlice) else (part,):
            if len(buffer) + len(chunk) > _KEPT and buffer:
                yield bytes(buffer)
                buffer.clear()
            if len(chunk) >= _KEPT:
                yield chunk
            else:
                buffer += chunk
    if buffer:
        yield bytes(buffer)
