"""Tells people what was decided on libraries in a few lines, and which of them make an artifact large."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from hermpkg_build.analysis.decisions import ABSENT, OWN, Decision
from hermpkg_build.analysis.policy_maker import Wishes
from hermpkg_build.core.distribution_names import normalised
from hermpkg_build.core.graph import ModuleGraph
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.spelling import did_you_mean
from hermpkg_build.core.texts import listed, size_text
from hermpkg_build.errors import CommandLineError
from hermpkg_build.printable import pasteable

TITLES = {Policy.INTERN: "packed", Policy.EXTERN: "left outside", Policy.MOCK: "replaced by a stub"}
AS_OPTION = "--extern {}"
AS_OPTION_OR_ARGUMENT = "--extern {0} (in Python extern={0!r})"
_SHOWN = 8
_LARGEST = 4
_WORTH_TELLING = 1_000_000
_LARGE = 10_000_000
"""From so many bytes on, the code of libraries is more than people expect of a model."""


def told_by_reason(decisions: Iterable[Decision]) -> Iterator[tuple[str, str]]:
    """Yield what became of libraries, and a line for each reason; the largest of them come first.

    What is not installed here is the last: mostly nobody needs it.
    """
    groups: dict[tuple[Policy, str], list[Decision]] = {}
    for each in sorted(decisions, key=lambda each: (each.row == ABSENT, -each.bytes, each.name)):
        groups.setdefault((each.policy, each.reason), []).append(each)
    for policy, title in TITLES.items():
        for (decided, reason), those in groups.items():
            if decided is policy:
                yield title, f"{listed([*map(_named, those)], _SHOWN)}: {reason}"


def note_on_size(
    decisions: Iterable[Decision],
    graph: ModuleGraph,
    tensor_bytes: int,
    why: Sequence[str],
    extern: str = AS_OPTION,
) -> Iterator[str]:
    """Yield a note where the code of libraries is large, and more than the tensors, with what leads to most.

    `why` are the words of a command that shows what leads to a module, which follows; `extern` is what leaves
    a library outside, whose name is filled in.
    """
    packed = (each for each in decisions if each.is_packed and each.row != OWN)
    libraries = sorted(packed, key=lambda each: -each.bytes)
    total = sum(each.bytes for each in libraries)
    if total < max(_LARGE, tensor_bytes):
        return
    own = {node.distribution for node in graph} - {each.name for each in libraries}
    behind = [(_bytes_behind(graph, each.name), each) for each in libraries]
    wanted = {each.name for each in libraries if own & _importers(graph, each.name)}
    size, first = max(behind, key=lambda pair: (pair[1].name not in wanted, pair[0]))
    names = listed([f"{each.name} {size_text(each.bytes)}" for each in libraries], _LARGEST)
    chain = pasteable(*why, first.modules[0])
    yield (
        f"{size_text(total)} are code of libraries: {names}; {chain} shows what leads to {first.name}, and"
        f" {extern.format(first.name)} leaves {size_text(size)} of them outside, to be installed where the"
        " file lands if they are used there"
    )


def _bytes_behind(graph: ModuleGraph, distribution: str) -> int:
    """The bytes of source that only imports of one distribution lead to, its own included."""
    starts = [*graph.roots, *(name for name in graph.nodes if not graph.importers_of(name))]
    without = {node.name for node in graph if node.distribution == distribution}
    seen = graph.reachable(starts, without=without)
    return sum(node.digest.size for node in graph if node.digest is not None and node.name not in seen)


def _importers(graph: ModuleGraph, distribution: str) -> set[str]:
    """The distributions whose modules import some of a distribution, "" for one's own code."""
    return {
        importer.distribution
        for node in graph
        if node.distribution == distribution
        for edge in graph.importers_of(node.name)
        if (importer := graph.nodes.get(edge.source)) is not None
    }


def check_names(reached: Sequence[Decision], wishes: Wishes) -> None:
    """Raise CommandLineError where a name of `wishes` is that of nothing that is reached."""
    known = {name for decision in reached for name in (decision.name, *decision.modules)}
    plain = {normalised(name) for name in known}
    for wish in wishes.named:
        if normalised(wish) not in plain:
            meant = did_you_mean(wish, known)
            raise CommandLineError(
                f"the model needs nothing that is called {wish!r}",
                facts=[("it needs", ", ".join(sorted(known)))],
                next_step=f"did you mean {meant!r}?" if meant else "leave it out",
            )


def named_policies(intern: Iterable[str], extern: Iterable[str]) -> Mapping[str, Policy]:
    """What is asked for by name; raise ValueError where a name is in both."""
    named = {**dict.fromkeys(intern, Policy.INTERN)}
    for name in extern:
        if named.setdefault(name, Policy.EXTERN) is not Policy.EXTERN:
            raise ValueError(f"{name!r} cannot be both in intern and in extern")
    return named


def _named(decision: Decision) -> str:
    size = f" ({size_text(decision.bytes)})" if decision.bytes >= _WORTH_TELLING else ""
    return f"{decision.name} {decision.version}".rstrip() + size
