"""Follows the imports of one module: what they lead to, whatever else a package holds."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from hermpkg_build.analysis.import_resolution import Meaning, Resolver, Verdict, package_of
from hermpkg_build.analysis.module_finder import ModuleSource
from hermpkg_build.analysis.problems import ProblemKind
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.graph import Edge, EdgeKind
from hermpkg_build.core.import_facts import (
    IMPORT_CONTEXTS,
    DynamicImport,
    Import,
    ImportContext,
    ImportForm,
    SourceUse,
    SyntaxProblem,
)
from hermpkg_build.core.module_names import parent_of, parents_of
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.errors import Location
from hermpkg_build.source.source_facts import SourceFacts

_OPTIONAL = [bool(context & (ImportContext.TRY | ImportContext.CONDITIONAL)) for context in IMPORT_CONTEXTS]
_DEFERRED = [
    optional or bool(context & ImportContext.FUNCTION)
    for context, optional in zip(IMPORT_CONTEXTS, _OPTIONAL, strict=True)
]
_TYPE_CHECKING = [bool(context & ImportContext.TYPE_CHECKING) for context in IMPORT_CONTEXTS]
WITH_SOURCE = (ModuleKind.SOURCE, ModuleKind.PACKAGE)
_PACKABLE = (*WITH_SOURCE, ModuleKind.NAMESPACE)


@dataclass(frozen=True, slots=True)
class Fault:
    """An import that fails: why, where, and the names that it asks for."""

    kind: ProblemKind
    edge: Edge
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What the imports of one module lead to.

    `targets` are the modules that it imports, in the order of its text, each once; `places` has the line,
    the column and whether it may fail for the first import of each, and `needed` those of which an import
    must not fail: there `later` has the place of the first such import where it is not the first of all.
    `events` are what happens between the targets: star imports and faults, each with the number of targets
    before it. `unmet`, `absent` and `type_only` are edges as `Closure` has them. Hundreds of thousands of
    these are held at once, so that edges are made of them only when they are asked for.
    """

    source: ModuleSource
    digest: Digest
    targets: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    places: array[int] = field(default_factory=lambda: array("I"))
    later: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    events: tuple[tuple[int, Fault | Edge], ...] = ()
    unmet: tuple[Edge, ...] = ()
    absent: tuple[Edge, ...] = ()
    type_only: tuple[Edge, ...] = ()
    dynamic: tuple[DynamicImport, ...] = ()
    uses: tuple[SourceUse, ...] = ()
    exports: tuple[str, ...] = ()
    syntax_problem: SyntaxProblem | None = None
    has_more: bool = field(init=False)
    """Whether there is anything to tell besides `targets`."""
    may_fail_at_first: bool = field(init=False)
    """Whether the first import of any target may fail."""

    def __post_init__(self) -> None:
        """Find out what is asked for each artifact anew."""
        told = self.unmet or self.absent or self.type_only or self.dynamic or self.uses
        object.__setattr__(self, "has_more", bool(told))
        object.__setattr__(self, "may_fail_at_first", any(self.places[2::3]))

    def first_edge(self, at: int) -> Edge:
        """Return the edge of the first import of the target with this number."""
        line, column, optional = self.places[3 * at : 3 * at + 3]
        return self._edge(self.targets[at], line, column, optional=bool(optional))

    def is_optional_at_first(self, at: int) -> bool:
        """Whether the first import of the target with this number may fail."""
        return bool(self.places[3 * at + 2])

    def edges(self) -> Iterator[Edge]:
        """Give an edge for each target: that of the first import that must not fail, else of the first."""
        for at, target in enumerate(self.targets):
            if target in self.later:
                yield self._edge(target, *self.later[target], optional=False)
            else:
                line, column, optional = self.places[3 * at : 3 * at + 3]
                yield self._edge(target, line, column, optional=bool(optional))

    def _edge(self, target: str, line: int, column: int, *, optional: bool) -> Edge:
        return Edge(
            source=self.source.name,
            target=target,
            kind=EdgeKind.IMPORT,
            location=Location(self.source.shown, line, column),
            optional=optional,
        )


class Follower:
    """Follows the imports of modules, by the answers of one resolver.

    Unless `whole_packages`, the package of a packed module is a mere folder where no rule interns it, save
    where an import names it too. Modules of an origin that `may_lack` what their functions import run
    without it as long as these are not called.
    """

    def __init__(self, resolver: Resolver, *, whole_packages: bool, may_lack: Collection[Origin]) -> None:
        self.resolver = resolver
        self.verdict: Callable[[str], Verdict] = resolver.verdict
        self._whole_packages = whole_packages
        self._may_lack = frozenset(may_lack)
        self._parents: dict[str, str] = {}

    def follow(self, source: ModuleSource, found: SourceFacts) -> Followed:
        """Follow the imports of an interned module."""
        facts = found.facts
        reading = _Reading(self, source, may_lack=source.origin in self._may_lack)
        for imported in facts.imports:
            self._follow_import(reading, imported)
        return Followed(
            source=source,
            digest=found.digest,
            targets=(targets := tuple(reading.places)),
            needed=tuple(reading.needed) if len(reading.needed) < len(targets) else targets,
            places=array("I", [number for place in reading.places.values() for number in place]),
            later=reading.later,
            events=tuple(reading.events),
            unmet=tuple(reading.unmet.values()),
            absent=tuple(reading.absent.values()),
            type_only=tuple(reading.type_only.values()),
            dynamic=facts.dynamic,
            uses=facts.uses,
            exports=facts.exports or (),
            syntax_problem=facts.syntax_problem,
        )

    def exported(self, star: Edge, exports: tuple[str, ...]) -> list[str]:
        """List the submodules that a star import imports: those that ``__all__`` names."""
        names = self.resolver.submodules_named(star.target, exports)
        return [name for name in names if name != star.source and not self.verdict(name).is_unpacked_folder]

    def parent(self, name: str) -> str:
        """Return the package that a module needs, "" for none.

        Packed code runs its parents' code first; what is not packed comes with parents of its own.
        """
        found = self._parents.get(name)
        if found is None:
            above = parent_of(name)
            found = self._parents[name] = above if above and self._needs_parent(name, above) else ""
        return found

    def _needs_parent(self, name: str, above: str) -> bool:
        verdict, parent = self.verdict(name), self.verdict(above)
        if parent.is_unpacked_folder:
            return False
        if Policy.INTERN in (verdict.policy, parent.policy):
            if parent.source is None:
                return False
            both = verdict.policy is parent.policy and parent.source.kind in _PACKABLE
            return self._whole_packages or both
        return parent.policy in (Policy.EXTERN, Policy.MOCK)

    def _follow_import(self, reading: _Reading, imported: Import) -> None:
        context = imported.context
        source, optional = reading.source, _OPTIONAL[context]
        if _TYPE_CHECKING[context]:
            written = "." * imported.level + imported.module
            reading.note(reading.type_only, written, imported, optional=True)
            return
        meaning = self.resolver.meaning(imported, reading.package)
        if reading.may_be_absent[context] and self._is_absent(reading, meaning):
            reading.note(reading.unmet if optional else reading.absent, meaning.named, imported)
            if meaning.fault is None:
                return
        elif meaning.fault is not None and not optional:
            failing = _edge(source, imported, meaning.named)
            reading.happens(Fault(meaning.fault, failing, imported.names))
        elif imported.names or meaning.fault is not None:
            for name in self.resolver.not_found(imported, meaning):
                reading.note(reading.unmet, name, imported)
        for name in meaning.modules if self._whole_packages else self._named_by(imported, meaning):
            reading.mention(name, imported, optional=optional)
        if imported.names == ("*",) and imported.form is ImportForm.FROM and meaning.fault is None:
            reading.happens(_edge(source, imported, meaning.named))

    def _is_absent(self, reading: _Reading, meaning: Meaning) -> bool:
        """Whether there is no module of this name, and code runs till it asks for it, or without."""
        named = meaning.named
        if meaning.fault not in (None, ProblemKind.NOT_FOUND) or not self.resolver.is_absent(named):
            return False
        return reading.may_lack or self.verdict(named).policy is Policy.MOCK

    def _named_by(self, imported: Import, meaning: Meaning) -> tuple[str, ...]:
        """The modules that an import binds to names: submodules, with their package where it is named."""
        if imported.form in (ImportForm.IMPORT, ImportForm.DUNDER_IMPORT) and not imported.names:
            above = reversed([*parents_of(meaning.named)])
            return (*(name for name in above if self.verdict(name).is_decided), *meaning.modules)
        submodules = meaning.modules[1:]
        return submodules if submodules and len(submodules) == len(imported.names) else meaning.modules


class _Reading:
    """What was found in one source so far."""

    def __init__(self, follower: Follower, source: ModuleSource, *, may_lack: bool) -> None:
        self.source = source
        self.may_lack = may_lack
        self.may_be_absent: Sequence[bool] = _DEFERRED if may_lack else _OPTIONAL
        """By the context of an import: whether code runs till it asks for what is not there, or without."""
        self.package = package_of(source)
        self.places: dict[str, tuple[int, int, bool]] = {}
        self.needed: dict[str, None] = {}
        self.later: dict[str, tuple[int, int]] = {}
        self.events: list[tuple[int, Fault | Edge]] = []
        self.unmet: dict[str, Edge] = {}
        self.absent: dict[str, Edge] = {}
        self.type_only: dict[str, Edge] = {}
        self._verdict = follower.verdict

    def mention(self, name: str, imported: Import, *, optional: bool) -> None:
        """Note that an import leads to a module. A folder that is not packed is none."""
        if name in self.needed or name == self.source.name:
            return
        known = name in self.places
        if (known and optional) or self._verdict(name).is_unpacked_folder:
            return
        if not known:
            self.places[name] = (imported.line, imported.column, optional)
        else:
            self.later[name] = (imported.line, imported.column)
        if not optional:
            self.needed[name] = None

    def happens(self, event: Fault | Edge) -> None:
        """Note what comes after the modules that were mentioned by now."""
        self.events.append((len(self.places), event))

    def note(self, among: dict[str, Edge], name: str, imported: Import, *, optional: bool = False) -> None:
        """Note the first edge to `name` among some."""
        if name not in among:
            among[name] = _edge(self.source, imported, name, optional=optional)


def source_of(verdict: Verdict) -> ModuleSource | None:
    """Return the source that is to be read and packed; None where there is none."""
    source = verdict.source
    if source is None or source.archive or source.kind not in WITH_SOURCE:
        return None
    return source


def edges_by_target(edges: Iterable[Edge]) -> dict[str, Edge]:
    """Return the first edge to each target, or the first that must not fail where there is one."""
    found: dict[str, Edge] = {}
    for edge in edges:
        known = found.get(edge.target)
        if known is None or (known.optional and not edge.optional):
            found[edge.target] = edge
    return found


def _edge(source: ModuleSource, imported: Import, name: str, *, optional: bool = False) -> Edge:
    return Edge(
        source=source.name,
        target=name,
        kind=EdgeKind.IMPORT,
        location=Location(source.shown, imported.line, imported.column),
        optional=optional or _OPTIONAL[imported.context],
    )
