"""An exporter whose rules are made while the imports of what it saved are followed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from hermpkg_build.analysis.left_out import libraries_left_out
from hermpkg_build.archive.records import Record
from hermpkg_build.core.graph import ModuleGraph
from hermpkg_build.core.module_roles import ModuleKind, Origin
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.dataclass import replace
from hermpkg_build.exporter.export_analysis import ExportAnalysis, ExportWalk, follow_export
from hermpkg_build.exporter.package_exporter import PackageExporter


class PackingExporter(PackageExporter):
    """A PackageExporter for a program that makes the rules, not for one that is written with them.

    `told` are texts for shared libraries that the package may lack, once it is closed. `needless` are
    distributions that it does without, wherever it is opened.
    """

    told: Sequence[str] = ()
    needless: Collection[str] = ()

    def follow(self) -> ExportWalk:
        """Follow the imports of what is saved, by the rules as they are now."""
        return follow_export(self._plan, self.importer, self._saved.records)

    def set_rules(self, rules: Iterable[PolicyRule]) -> None:
        """Put `rules` in place of all rules given before."""
        self._plan.rules.clear()
        for rule in rules:
            self._plan.add_rule(rule)

    def set_requires(self, requires: Mapping[str, str]) -> None:
        """Put `requires`, which are well-formed, in place of the versions given before."""
        self._requires = dict(requires)

    def set_needless(self, distributions: Collection[str]) -> None:
        """Let the package say of these distributions what it says of those that are not installed here."""
        self.needless = distributions

    def abandon(self) -> None:
        """Let go of all data; after `close` there is none."""
        self._release()

    def _lay_out(self, analysis: ExportAnalysis) -> tuple[Record, ...]:
        advice = "give an example whose call loads those that the code needs"
        self.told = tuple(libraries_left_out(analysis.files, self._saved.records, advice))
        graph = analysis.graph
        nodes = {
            name: replace(node, origin=Origin.MISSING, kind=ModuleKind.MISSING, distribution="")
            if node.distribution and node.distribution in self.needless
            else node
            for name, node in graph.nodes.items()
        }
        graph = ModuleGraph(nodes, graph.edges, graph.roots)
        return super()._lay_out(replace(analysis, graph=graph))

    def _tell(self, left_out: Sequence[str]) -> None:
        """Warn of nothing: the report has what the package lacks."""
