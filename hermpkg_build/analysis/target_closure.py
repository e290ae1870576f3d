"""The closure of a target's roots: what is wrong with it is raised, what may be missed is told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from hermpkg_build.analysis.closure import Closure, FactsProvider, Imports, Root, explore, walk_imports
from hermpkg_build.analysis.module_finder import ModuleFinder
from hermpkg_build.analysis.problems import Problem
from hermpkg_build.analysis.rule_problems import misspelt_names
from hermpkg_build.core.graph import Edge
from hermpkg_build.core.module_roles import Origin
from hermpkg_build.core.policy import PolicyRule


def close_over(
    roots: Sequence[Root],
    rules: Sequence[PolicyRule],
    finder: ModuleFinder,
    facts: FactsProvider,
    *,
    target: str,
    saved: Sequence[PolicyRule] = (),
    observed: Sequence[Edge] = (),
    without_imports: Collection[str] = (),
    strict_imports: bool = False,
    shared: Callable[[Sequence[PolicyRule]], Imports | None] = lambda _: None,
    warn: Callable[[str], None] = lambda _: None,
) -> Closure:
    """Follow imports from `roots` as `explore` does, for `target`, the label whose policy `rules` is.

    The rules `saved` come before all of these. With `strict_imports`, functions of installed libraries too
    must find what they import. `shared` gives imports by a policy that others have followed, if there are
    any; they must be those that `finder` and `facts` give. `warn` is told of what the artifact will lack,
    though the code can do without it or may not mean it.
    Raises UnsettledPolicyError with everything that is wrong.
    """
    policy = [*saved, *rules]

    def follow(
        asked: Sequence[PolicyRule], imports: Imports | None = None
    ) -> tuple[Closure, Sequence[Problem]]:
        if imports is not None:
            closure, problems = walk_imports(roots, imports, observed, without_imports=without_imports)
        else:
            closure, problems = explore(
                roots,
                asked,
                finder,
                facts,
                observed,
                without_imports=without_imports,
                may_lack=() if strict_imports else (Origin.ENVIRONMENT,),
            )
        return closure, problems or misspelt_names(asked, finder, closure.graph)

    closure, problems = follow(policy, shared(policy))
    told = (closure.unmet, closure.absent, closure.unparsed, closure.dynamic, closure.uses_files)
    if not (problems or any(told)):
        return closure
    from hermpkg_build.analysis.advice import build_file_voice
    from hermpkg_build.analysis.left_out import left_out

    voice = build_file_voice(target)
    for text in left_out(closure, policy, finder, voice, [problem.module for problem in problems]):
        warn(f"{target}: {text}")
    if problems:
        from hermpkg_build.analysis.policy_maker import FollowedImports
        from hermpkg_build.analysis.unsettled import unsettled

        def followed(asked: Sequence[PolicyRule]) -> FollowedImports:
            found, wrong = (closure, problems) if list(asked) == policy else follow(asked)
            return FollowedImports(
                graph=found.graph, problems=wrong, modules=finder, distributions=finder.distributions
            )

        raise unsettled(target, policy, followed(policy), followed, finder, first=len(saved))
    return closure
