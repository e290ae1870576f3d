"""An exporter whose rules are made while the imports of what it saved are followed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hermpkg_build.analysis.left_out import libraries_left_out
from hermpkg_build.archive.records import Record
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.exporter.export_analysis import ExportAnalysis, ExportWalk, follow_export
from hermpkg_build.exporter.package_exporter import PackageExporter


class PackingExporter(PackageExporter):
    """A PackageExporter for a program that makes the rules, not for one that is written with them.

    `told` are texts for shared libraries that the package may lack, once it is closed.
    """

    told: Sequence[str] = ()

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

    def abandon(self) -> None:
        """Let go of all data; after `close` there is none."""
        self._release()

    def _lay_out(self, analysis: ExportAnalysis) -> tuple[Record, ...]:
        advice = "give an example whose call loads those that the code needs"
        self.told = tuple(libraries_left_out(analysis.files, self._saved.records, advice))
        return super()._lay_out(analysis)

    def _tell(self, left_out: Sequence[str]) -> None:
        """Warn of nothing: the report has what the package lacks."""
