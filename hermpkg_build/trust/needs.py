"""What an artifact asks of whoever opens it: names of libraries, packed code and what it can do, externs."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping

from hermpkg_build.archive.layout import DATA, EXTERN_MODULES, MANIFEST
from hermpkg_build.archive.modules import PackedModules
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.module_names import top_of
from hermpkg_build.dataclass import replace
from hermpkg_build.scanning.capabilities import CodeFacts, CodeUse, capabilities_of, resolved
from hermpkg_build.scanning.file_kinds import FileKind, kind_of
from hermpkg_build.scanning.harmless import is_harmless
from hermpkg_build.scanning.known_names import OPERATORS, Capability
from hermpkg_build.scanning.pickle_calls import COMPUTED, Deed, contents_of_pickle
from hermpkg_build.scanning.surroundings import Surroundings, origins_of
from hermpkg_build.trust.need import Need, NeedKind

_TORCHSCRIPT = f"{DATA}ts_code/"
_OF_THE_FORMAT = (MANIFEST, EXTERN_MODULES)
_NATIVE_ENDINGS = (".so", ".pyd", ".dylib", ".dll")
_PICKLE = b"\x80"
_LANGUAGE = frozenset({"builtins", "__future__"})
_MOST_PLACES = 8


class Needs:
    """All needs of one archive, in the order of their kinds, each once.

    `pickles` are the records whose pickles were read for it, `around` is what the pickles find in it.
    """

    def __init__(self, needs: Iterable[Need], pickles: Collection[str], around: Surroundings) -> None:
        merged: dict[tuple[NeedKind, str, str], Need] = {}
        for need in needs:
            key = (need.kind, need.name, need.attribute)
            known = merged.get(key)
            if known is not None:
                places = (*known.places, *need.places)[:_MOST_PLACES]
                need = replace(need, places=places, count=known.count + need.count)
            merged[key] = need
        order = [*NeedKind]
        self.all: tuple[Need, ...] = tuple(
            sorted(merged.values(), key=lambda need: (order.index(need.kind), need.full_name))
        )
        self.pickles: frozenset[str] = frozenset(pickles)
        self.around = around

    def of(self, kind: NeedKind) -> list[Need]:
        """Those of one kind."""
        return [need for need in self.all if need.kind is kind]


def needs_of(archive: ArchiveReader, externs: Iterable[str]) -> Needs:
    """Read what `archive` asks for; `externs` are the names that it lists. Raises ArchiveError."""
    names = [name for name in archive.names() if not _holds_numbers(name)]
    packed = PackedModules(names)
    needs: list[Need] = [*_doubts(archive), *_extern_needs(externs)]
    if bombs := [name for name in names if archive.entry(name).is_inflated]:
        needs += [_doubt("a record unpacks to very many times its bytes", name) for name in bombs]
        return Needs(needs, (), Surroundings())  # Nobody accepts it, and reading it takes memory.
    facts = _code_facts(archive, packed)
    needs += _code_needs(archive, packed, facts)
    exports = {name: each.exports for name, each in facts.items()}
    around = Surroundings(packed=packed.sources, exports=exports)
    pickles: list[str] = []
    for name in names:
        kind = _kind_of(archive, name)
        if name.startswith(_TORCHSCRIPT):
            needs += _torchscript_needs(archive, name)
        elif kind is FileKind.NATIVE or name.endswith(_NATIVE_ENDINGS):
            needs.append(Need(kind=NeedKind.CAPABILITY, name=Capability.NATIVE.word, places=(name,)))
        elif kind is FileKind.PICKLE and name not in _OF_THE_FORMAT:
            found = [*pickle_needs(archive.read(name), name, around)]
            if archive.read(name)[:1] == _PICKLE or {need.kind for need in found} != {NeedKind.DOUBT}:
                # Else it only has the name of one. Whoever loads it has it judged then.
                needs += found
                pickles.append(name)
    return Needs(needs, pickles, around)


def pickle_needs(data: bytes, record: str, around: Surroundings) -> Iterator[Need]:
    """What loading the pickle `data` of `record` asks for besides what is harmless."""
    contents = contents_of_pickle(data, record)
    if contents.problem:
        yield _doubt(f"the pickle cannot be read to its end ({contents.problem})", record)
    for use in contents.uses:
        places = tuple(f"{record}: {place.path or f'offset {place.offset}'}" for place in use.places)
        if use.deed is Deed.ASKS:
            continue
        if use.deed is Deed.CHANGES:
            name = f"the pickle changes {use.full_name} itself"
            yield Need(kind=NeedKind.DOUBT, name=name, places=places)
        elif use.is_computed:
            yield Need(kind=NeedKind.GLOBAL, name=COMPUTED, places=places)
        else:
            for module, attribute in permissions_for(use.module, use.name, around):
                yield Need(
                    kind=NeedKind.GLOBAL, name=module, attribute=attribute, places=places, count=use.count
                )


def permissions_for(module: str, name: str, around: Surroundings) -> list[tuple[str, str]]:
    """The names that must be allowed for a pickle to use `name` of `module`; none for what is harmless.

    Packed code is judged by itself. But what a packed module has from elsewhere is what it is there.
    """
    if module not in around.packed:
        return [] if is_harmless(module, name) else [(module, name)]
    # By names such as `f.__globals__` one gets at everything.
    found = [(module, name)] if any(part.startswith("__") for part in name.split(".")) else []
    for full in origins_of(module, name, around):
        of, _, last = full.rpartition(".")
        if not of:
            found += [(module, name)] if full not in {top_of(each) for each in around.packed} else []
        elif not is_harmless(of, last):
            found.append((of, last))
    return found


def is_standard(module: str) -> bool:
    """Whether an extern module is one of the standard library, which every artifact may import."""
    return top_of(module) in sys.stdlib_module_names or module in _LANGUAGE


def _holds_numbers(name: str) -> bool:
    return name.startswith(DATA) and name.endswith(".storage")


def _kind_of(archive: ArchiveReader, name: str) -> FileKind:
    """What a record is by its first bytes, and by its name where these do not tell."""
    return kind_of(next(iter(archive.pieces(name)), memoryview(b"")), name)


def _doubts(archive: ArchiveReader) -> Iterator[Need]:
    for name in archive.duplicates:
        yield _doubt("a record is there more than once: readers choose different ones", name)
    for name in archive.strays:
        yield _doubt("a record lies outside of the artifact's folder", name)


def _doubt(what: str, place: str) -> Need:
    return Need(kind=NeedKind.DOUBT, name=what, places=(place,))


def _extern_needs(externs: Iterable[str]) -> Iterator[Need]:
    return (Need(kind=NeedKind.EXTERN, name=name) for name in externs if not is_standard(name))


def _code_facts(archive: ArchiveReader, packed: PackedModules) -> dict[str, CodeFacts]:
    tops = {top_of(name) for name in packed.sources}
    return {
        name: capabilities_of(archive.read(record), name, is_package=packed.is_package(name), packed=tops)
        for name, record in packed.sources.items()
    }


def _code_needs(
    archive: ArchiveReader, packed: PackedModules, facts: Mapping[str, CodeFacts]
) -> Iterator[Need]:
    exports = {name: each.exports for name, each in facts.items()}
    for name, each in facts.items():
        record = packed.sources[name]
        yield Need(kind=NeedKind.MODULE, name=name, places=(record,))
        if each.problem and _compiles(archive.read(record)):
            yield _doubt(f"the source cannot be read ({each.problem})", record)
        for use in each.uses:
            yield _use(use, record)
        for reference in each.references:
            for use in resolved(reference, exports):
                yield _use(use, record)


def _torchscript_needs(archive: ArchiveReader, name: str) -> Iterator[Need]:
    """TorchScript is compiled by torch, and can do what its operators can."""
    if not name.endswith(".py"):
        return
    yield Need(kind=NeedKind.MODULE, name="__torch__", places=(name,))
    for use in capabilities_of(archive.read(name), given=OPERATORS).uses:
        if top_of(use.name) in OPERATORS:
            yield _use(use, name)


def _compiles(source: bytes) -> bool:
    """Whether Python takes a source, which runs nothing of it; what it does not take cannot be imported."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, "<source>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    except (RecursionError, MemoryError):
        return True  # With more memory, or a higher limit, it may.
    return True


def _use(use: CodeUse, record: str) -> Need:
    place = f"{record}:{use.line}:{use.column}: {use.name}"
    return Need(kind=NeedKind.CAPABILITY, name=use.capability.word, places=(place,))
