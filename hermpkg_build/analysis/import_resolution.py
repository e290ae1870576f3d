"""Resolves an import to modules, and a module to the policy that it gets."""

from __future__ import annotations

from itertools import islice
from typing import Protocol

from hermpkg_build.analysis.module_finder import ModuleSource
from hermpkg_build.analysis.problems import ProblemKind
from hermpkg_build.core.import_facts import Import, ImportForm
from hermpkg_build.core.module_names import is_module_name, parent_of, parents_of, top_of
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.core.policy import PolicyRule, PolicyTable
from hermpkg_build.dataclass import dataclass, replace


class ModuleLookup(Protocol):
    """Finds modules by name: in the environment, or in an artifact."""

    def find(self, name: str) -> ModuleSource | None:
        """The module `name`; None where there is none."""
        ...

    def registered(self, name: str) -> ModuleSource | None:
        """The module `name` where code puts it into ``sys.modules``, by its own name if that is known."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a module comes from (None where it cannot be found), and its policy.

    `rule` is the index of the rule that decides; `policy` is None where no rule does and the
    module is not extern by default. What `is_optional` is as good as absent wherever the artifact lands.
    """

    source: ModuleSource | None
    implicit_extern: bool
    rule: int | None
    policy: Policy | None
    is_optional: bool = False

    @property
    def is_missing(self) -> bool:
        """Whether the module would have to be read, but cannot be found."""
        return self.source is None and self.policy in (None, Policy.INTERN)

    @property
    def is_decided(self) -> bool:
        """Whether there is such a module, and something decides for it."""
        return self.source is not None and self.policy is not None

    @property
    def is_allowed(self) -> bool:
        """Whether there is such a module, and the package may have it or ask for it."""
        return self.is_decided and self.policy is not Policy.DENY

    @property
    def is_unpacked_folder(self) -> bool:
        """Whether it is a folder that no rule packs: it has no code that could be allowed or denied.

        One that no environment has is none either where a rule leaves it to the environment.
        """
        if self.source is None or not self.is_namespace:
            return False
        return self.policy in (None, Policy.DENY) or (
            self.policy in (Policy.EXTERN, Policy.MOCK)
            and self.source.origin in (Origin.WORKSPACE, Origin.GENERATED)
        )

    @property
    def is_namespace(self) -> bool:
        """Whether the module is a namespace package."""
        return self.source is not None and self.source.kind is ModuleKind.NAMESPACE


@dataclass(frozen=True, slots=True)
class Meaning:
    """The modules that an import asks for: the one it names first, then submodules it names.

    With a `fault`, `named` is the module at which the import fails, and `modules` at most the nearest
    package that there is, whose code runs before that.
    """

    named: str
    modules: tuple[str, ...] = ()
    fault: ProblemKind | None = None


class Resolver:
    """Gives modules their verdict and imports their meaning; remembers every answer."""

    def __init__(self, table: PolicyTable, finder: ModuleLookup) -> None:
        self.table = table
        self.finder = finder
        self._verdicts: dict[str, Verdict] = {}
        self._meanings: dict[tuple[str, str, int, tuple[str, ...], ImportForm], Meaning] = {}

    def verdict(self, name: str) -> Verdict:
        """The verdict of a module by its dotted name."""
        verdict = self._verdicts.get(name)
        if verdict is None:
            verdict = self._verdicts[name] = self._decide(name)
        return verdict

    def rule(self, verdict: Verdict) -> PolicyRule:
        """The rule that decided, which there must be."""
        assert verdict.rule is not None
        return self.table.rules[verdict.rule]

    def meaning(self, imported: Import, package: str) -> Meaning:
        """What an import means in a module of `package` ("" for a top-level module)."""
        level = imported.level
        key = (package if level else "", imported.module, level, imported.names, imported.form)
        meaning = self._meanings.get(key)
        if meaning is None:
            meaning = self._meanings[key] = self._resolve(imported, package)
        return meaning

    def _decide(self, name: str) -> Verdict:
        return self._judged(name, self.finder.find(name))

    def _judged(self, name: str, source: ModuleSource | None) -> Verdict:
        """The standard library and torch are extern unless a rule names them; own code is not."""
        implicit = source is not None and source.origin is Origin.STDLIB
        if source is None or source.origin is Origin.ENVIRONMENT:
            implicit = top_of(name) == "torch"
        rule = self.table.decide(name, implicit_extern=implicit)
        if rule is None:
            return Verdict(source, implicit, None, Policy.EXTERN if implicit else None)
        decided = self.table.rules[rule]
        return Verdict(source, implicit, rule, decided.policy, decided.optional)

    def _resolve(self, imported: Import, package: str) -> Meaning:
        named, fault = absolute_name(imported, package)
        if fault is not None:
            return Meaning(named, (), fault)
        verdict = self.verdict(named)
        if self.is_absent(named) and (made := self.finder.registered(named)) is not None:
            if made.name != named:
                if self._is_put_there_by_packed_code(named, made.name):
                    return self._by_alias(imported, named, made.name)
            elif verdict.is_missing:
                verdict = self._verdicts[named] = self._judged(named, made)
        if verdict.is_missing:
            there = (above for above in parents_of(named) if self._settled(above).source is not None)
            return Meaning(named, tuple(islice(there, 1)), ProblemKind.NOT_FOUND)
        if imported.form is ImportForm.IMPORT_MODULE:
            return Meaning(named, (named,))
        if verdict.is_unpacked_folder or (verdict.is_namespace and verdict.policy is Policy.INTERN):
            return self._from_namespace(named, imported.names)
        return Meaning(named, (named, *self.submodules_named(named, imported.names)))

    def _settled(self, name: str) -> Verdict:
        """The verdict of a module, also of one that is there only because code puts it there.

        An import of that module itself gives it this verdict too, whichever is resolved first.
        """
        verdict = self.verdict(name)
        if verdict.is_missing and self.is_absent(name):
            made = self.finder.registered(name)
            if made is not None and made.name == name:
                verdict = self._verdicts[name] = self._judged(name, made)
        return verdict

    def _is_put_there_by_packed_code(self, alias: str, real: str) -> bool:
        """Whether the artifact may hold the code that gives the module `real` another name."""
        packed = (None, Policy.INTERN)
        return self.verdict(real).policy in packed or any(
            self.verdict(above).source is not None and self.verdict(above).policy in packed
            for above in parents_of(alias)
        )

    def _by_alias(self, imported: Import, alias: str, real: str) -> Meaning:
        """The meaning of an import of `alias`: that of the module `real`, after the package of the alias."""
        meaning = self._resolve(imported._replace(module=real, level=0), "")
        there = (above for above in parents_of(alias) if self.verdict(above).source is not None)
        return replace(meaning, modules=tuple(dict.fromkeys([*islice(there, 1), *meaning.modules])))

    def _from_namespace(self, namespace: str, names: tuple[str, ...]) -> Meaning:
        """The meaning of an import from a folder, which has no code: all names must be modules."""
        children = [f"{namespace}.{name}" for name in names if name != "*" and not name.startswith("__")]
        lost = [child for child in children if self.verdict(child).is_missing]
        found = (namespace, *(child for child in children if child not in lost))
        return Meaning(lost[0], found, ProblemKind.NOT_FOUND) if lost else Meaning(namespace, found)

    def submodules_named(self, package: str, names: tuple[str, ...]) -> list[str]:
        """Those of `names` that importing them from `package` imports as modules of their own.

        Where the package itself is not packed, its submodules come with it, but for those that a
        rule gives another policy than the package has, and those of another distribution. A name
        that is a module only because the package's code says so while it runs is that code's business.
        """
        above = self.verdict(package)
        if above.source is not None and above.source.kind in (ModuleKind.SOURCE, ModuleKind.BYTECODE):
            return []
        wanted: list[str] = []
        for name in names:
            child = f"{package}.{name}"
            source = self.finder.find(child)
            if source is None or (source.is_made_by_code and above.policy is Policy.INTERN):
                continue
            policy = self.verdict(child).policy
            if (
                above.policy is Policy.INTERN
                or above.is_unpacked_folder
                or policy not in (None, above.policy)
                or (above.source is not None and source.distribution not in ("", above.source.distribution))
            ):
                wanted.append(child)
        return wanted

    def is_absent(self, name: str) -> bool:
        """Whether there is no module of this name, and no rule speaks of it in particular.

        What stands for all the rest is not to make a library out of nothing, which code would then use.
        """
        verdict = self.verdict(name)
        if verdict.policy in (Policy.DENY, Policy.MOCK) and verdict.rule is not None:
            return verdict.source is None and self.table.rules[verdict.rule].is_for_the_rest
        return verdict.is_missing

    def not_found(self, imported: Import, meaning: Meaning) -> tuple[str, ...]:
        """The modules that an import names or may name, and that there are not.

        A name that is no module of a package of the workspace may be a variable of it, or a module that no
        target lists.
        """
        if meaning.fault is ProblemKind.NOT_FOUND:
            return (meaning.named,)
        if meaning.fault is not None or not imported.names or imported.form is ImportForm.IMPORT_MODULE:
            return ()
        source = self.verdict(meaning.named).source
        if source is None or source.kind is not ModuleKind.PACKAGE or source.origin is not Origin.WORKSPACE:
            return ()
        children = (f"{meaning.named}.{name}" for name in imported.names if name != "*")
        found = meaning.modules
        return tuple(child for child in children if child not in found and self.finder.find(child) is None)


def package_of(source: ModuleSource) -> str:
    """The package that relative imports in a module count from ("" for a top-level module)."""
    return source.name if source.kind is ModuleKind.PACKAGE else parent_of(source.name)


def absolute_name(imported: Import, package: str) -> tuple[str, ProblemKind | None]:
    """Return the full name that an import names, or the name as far as it goes and why it goes no further."""
    name = imported.module
    if imported.level:
        anchor = package
        if imported.form is ImportForm.IMPORT_MODULE and imported.names:
            anchor = imported.names[0]
        parts = anchor.split(".") if anchor else []
        if imported.level > len(parts):
            return "." * imported.level + name, ProblemKind.BEYOND_TOP
        base = ".".join(parts[: len(parts) - imported.level + 1])
        name = f"{base}.{name}" if name else base
    return name, None if is_module_name(name) else ProblemKind.MALFORMED_NAME
