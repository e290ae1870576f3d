"""Makes the policy of a package that an exporter writes, from what its imports lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hermpkg_build.analysis.decisions import Decision, rules_of
from hermpkg_build.analysis.policy_maker import FollowedImports, Wishes, decide_imports
from hermpkg_build.dataclass import dataclass
from hermpkg_build.exporter.export_analysis import ExportWalk
from hermpkg_build.generate.decided import check_names
from hermpkg_build.generate.packing_exporter import PackingExporter


@dataclass(frozen=True, slots=True, kw_only=True)
class MadePolicy:
    """The decisions on all that a package reaches, by name, and the last walk over its imports."""

    decisions: Mapping[str, Decision]
    walk: ExportWalk


def make_policy(exporter: PackingExporter, wishes: Wishes) -> MadePolicy:
    """Give `exporter` the rules that what it has saved needs.

    Raises CommandLineError where a name of `wishes` is that of nothing the package reaches. What cannot be
    decided is left to the exporter, which says what is wrong when it is closed.
    """
    walks: list[ExportWalk] = []

    def follow(decisions: Sequence[Decision]) -> FollowedImports:
        exporter.set_rules([*wishes.rules, *rules_of(decisions)])
        walks[:] = [exporter.follow()]
        return FollowedImports(
            graph=walks[0].closure.graph,
            problems=walks[0].problems,
            modules=walks[0].modules,
            distributions=walks[0].modules.installed.distributions,
        )

    reached = decide_imports(follow, wishes)
    check_names(reached, wishes)
    exporter.set_rules([*wishes.rules, *rules_of(reached)])
    return MadePolicy(decisions={decision.name: decision for decision in reached}, walk=walks[0])
