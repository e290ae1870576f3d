"""Makes the report of a package out of the policy that was made and the file that was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hermpkg_build.analysis.decisions import (
    ABSENT,
    ASKED,
    FRAMEWORK,
    OWN,
    OWN_TOOLS,
    Decision,
    allowed_versions,
    must_match,
    rules_of,
)
from hermpkg_build.analysis.distributions import Distributions
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.graph import ModuleGraph
from hermpkg_build.core.manifest import Manifest, RecordKind
from hermpkg_build.core.module_names import is_within, module_of_record, top_of
from hermpkg_build.core.module_roles import Origin, Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.dataclass import replace
from hermpkg_build.disk.unchanged_files import hash_file
from hermpkg_build.exporter.broken_modules import call_text
from hermpkg_build.generate.comparison import Comparison
from hermpkg_build.generate.decided import AS_OPTION_OR_ARGUMENT, note_on_size
from hermpkg_build.generate.main_module import MAIN, MainModule
from hermpkg_build.generate.policy_maker import MadePolicy
from hermpkg_build.generate.policy_text import build_text
from hermpkg_build.generate.report import PackReport, Verified
from hermpkg_build.inspection.contents import manifest_of

_PLACE = "a fresh process in which nothing that it holds can be imported"


def required_versions(made: MadePolicy, given: Mapping[str, str]) -> dict[str, str]:
    """The versions of extern distributions that the package asks for, those `given` before all others."""
    found = versions_needed(
        made.walk.closure.graph, made.decisions, made.walk.modules.installed.distributions
    )
    return {**found, **given}


def versions_needed(
    graph: ModuleGraph, decisions: Mapping[str, Decision], distributions: Distributions
) -> dict[str, str]:
    """The versions of the extern distributions without which what the modules of `graph` do fails."""
    needed = _distributions_outside(graph, optional=False)
    found = {
        decision.name: versions
        for decision in decisions.values()
        if decision.name in needed
        and decision.name not in OWN_TOOLS
        and not decision.is_optional
        and (versions := allowed_versions(decision.name, decision.version))
    }
    if FRAMEWORK in needed and FRAMEWORK not in found:
        installed = distributions.named(FRAMEWORK)
        found[FRAMEWORK] = allowed_versions(FRAMEWORK, installed.version) if installed else ""
    return {name: text for name, text in found.items() if text}


def make_report(
    artifact: str,
    path: str,
    made: MadePolicy,
    outcome: Comparison,
    asked: Sequence[PolicyRule],
    main: MainModule | None,
    *,
    has_example: bool,
) -> PackReport:
    """Describe the package in the file `artifact`, which is going to be at `path`.

    `main` is the module that was made of ``__main__``, `asked` are the rules that the caller gave.
    """
    digest, _ = hash_file(artifact)
    graph = made.walk.closure.graph
    with ArchiveReader(artifact) as archive:
        manifest = manifest_of(archive)
    assert manifest is not None
    rules = [*asked, *must_match(rules_of(made.decisions.values()))]
    everything = {**made.decisions, **({main.name: _decision_on(main)} if main is not None else {})}
    sizes = _bytes_by_decision(manifest, everything)
    decisions = tuple(replace(each, bytes=sizes.get(name, 0)) for name, each in sorted(everything.items()))
    if not any(rule.is_for_the_rest for rule in asked):
        rules.append(PolicyRule(policy=Policy.DENY, include=("**",)))
    may_lack = {each.name for each in decisions if each.is_optional}
    optional = (_distributions_outside(graph, optional=True) | may_lack) - manifest.requires.keys()
    tensor_bytes = sum(
        record.digest.size for record in manifest.records.values() if record.kind is RecordKind.STORAGE
    )
    return PackReport(
        path=path,
        bytes=digest.size,
        sha256=digest.hash,
        tensor_bytes=tensor_bytes,
        decisions=decisions,
        install=dict(sorted(manifest.requires.items())),
        optional=tuple(sorted(optional)),
        left_out=tuple(sorted({*_left_out(made)})),
        verified=Verified(
            how=f"{outcome.words}, in {_PLACE}" if has_example else f"loaded in {_PLACE}",
            parts=outcome.parts,
            difference=outcome.difference,
        ),
        build_policy=build_text(rules, manifest.requires.items()),
        notes=(
            *(
                f"{name} is code of yours that stays outside: it must be importable where the file lands"
                for name, each in everything.items()
                if each.policy is Policy.EXTERN and each.row == ASKED and not each.version
            ),
            *(f"the bytes of the file differ by process: {place}" for place in outcome.unsteady),
            *note_on_size(decisions, graph, tensor_bytes, ["hermpkg", "why", path], AS_OPTION_OR_ARGUMENT),
        ),
        exporter_calls="\n".join(call_text(replace(rule, allow_empty=True)) for rule in rules),
    )


def _decision_on(main: MainModule) -> Decision:
    return Decision(
        name=main.name,
        version="",
        modules=(main.name,),
        policy=Policy.INTERN,
        row=OWN,
        reason=f"your code in {MAIN}: {', '.join(sorted(main.wanted))}, and what that refers to",
    )


def _distributions_outside(graph: ModuleGraph, *, optional: bool) -> set[str]:
    """The distributions of extern modules, those that only imports lead to that may fail, or all others."""
    may_fail = graph.optional_modules()
    outside = [node for node in graph.with_policy(Policy.EXTERN) if node.origin is not Origin.STDLIB]
    needed = {node.distribution for node in outside if node.name not in may_fail} - {""}
    return ({node.distribution for node in outside} - needed - {""}) if optional else needed


def _bytes_by_decision(manifest: Manifest, decisions: Mapping[str, Decision]) -> dict[str, int]:
    """What the package holds of each: its modules, and the data files in its folders."""
    places = [
        (place, d.name) for d in decisions.values() for place in d.modules if d.policy is not Policy.EXTERN
    ]
    places.sort(key=lambda place: -len(place[0]))
    sizes: dict[str, int] = {}
    for record, facts in manifest.records.items():
        if facts.kind in (RecordKind.MODULE, RecordKind.MOCK, RecordKind.RESOURCE):
            module = module_of_record(record)
            name = module[0] if module is not None else record.replace("/", ".")
            owner = next((owner for place, owner in places if is_within(name, place)), None)
            if owner is not None:
                sizes[owner] = sizes.get(owner, 0) + facts.digest.size
    return sizes


def _left_out(made: MadePolicy) -> Iterator[str]:
    """The modules that are imported and not installed here, from the top."""
    find = made.walk.modules.find
    for edge in (*made.walk.closure.unmet, *made.walk.closure.absent):
        top = top_of(edge.target)
        if find(top) is None:
            yield top
    for decision in made.decisions.values():
        if decision.row == ABSENT:
            yield decision.name
