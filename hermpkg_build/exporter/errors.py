"""The errors of an export: every broken module with its reason, its import, and the fix."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from textwrap import indent

from hermpkg_build.core.graph import ModuleGraph
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import AnalysisError, Location


class PackagingErrorReason(enum.Enum):
    """Why a module is broken."""

    IS_EXTENSION_MODULE = "The module is compiled: only modules with Python source can be interned."
    NO_DUNDER_FILE = "The module has no file that its source could be read from."
    SOURCE_FILE_NOT_FOUND = "The module's source is not where it was loaded from."
    DEPENDENCY_RESOLUTION_FAILED = "The imports of the module cannot be read from its source."
    MODULE_NOT_FOUND = "No importer has the module."
    PROGRAM_IS_ANOTHER = "The module is the running program: another one will load the package."
    NO_ACTION = "The module matches no pattern: intern, extern, mock or deny it."
    DENIED = "The module was denied by a pattern."
    MOCKED_BUT_STILL_USED = "The module is mocked, but a pickle holds objects of it."

    def __repr__(self) -> str:
        return f"<{type(self).__name__}.{self.name}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenModule:
    """One module that cannot be packed.

    `context` are facts by name. `chain` leads from what was saved to the module, a text for each
    step with the place of its import; `path` has the names alone. `fix` says what to do.
    """

    module: str
    reason: PackagingErrorReason
    context: Sequence[tuple[str, str]] = ()
    location: Location | None = None
    chain: Sequence[str] = ()
    path: Sequence[str] = ()
    fix: str = ""

    def render(self) -> str:
        """The name, the facts and the fix as plain text."""
        facts = [*self.context]
        if self.location is not None:
            facts.append(("imported at", str(self.location)))
        if self.chain:
            facts.append(("chain", "\n".join(self.chain)))
        return AnalysisError(self.module, facts=facts, next_step=self.fix).render()


class PackagingError(AnalysisError):
    """A package cannot be made: `broken` are all modules at fault, `dependency_graph` has all modules found.

    Nothing was written. The exporter stays open, so that rules can be added and `close` called again.

    >>> from hermpkg_build import PackageExporter
    >>> exporter = PackageExporter("model.pt")
    >>> exporter.save_source_string("app", "import numpy")
    >>> try:
    ...     exporter.close()
    ... except PackagingError as error:
    ...     print(error.reasons)
    {'numpy': <PackagingErrorReason.NO_ACTION>}
    >>> exporter.extern("numpy")
    >>> exporter.close()
    """

    def __init__(
        self,
        summary: str,
        *,
        broken: Sequence[BrokenModule] = (),
        dependency_graph: ModuleGraph,
        details: str = "",
    ) -> None:
        super().__init__(summary)
        self.broken: tuple[BrokenModule, ...] = tuple(broken)
        self.dependency_graph = dependency_graph
        self.details = details

    @property
    def reasons(self) -> Mapping[str, PackagingErrorReason]:
        """Each broken module's reason, by name."""
        return {broken.module: broken.reason for broken in self.broken}

    def render(self) -> str:
        """The whole message: the summary, then the broken modules by reason."""
        groups: dict[PackagingErrorReason, list[BrokenModule]] = {}
        for broken in self.broken:
            groups.setdefault(broken.reason, []).append(broken)
        lines = [super().render()]
        for reason, modules in groups.items():
            lines += ["", f"* {reason.value}"]
            lines += [indent(broken.render(), "    ") for broken in modules]
        if self.details:
            lines += ["", self.details]
        return "\n".join(lines)


class EmptyMatchError(AnalysisError):
    """A rule that was given with ``allow_empty=False`` decided for no module."""
