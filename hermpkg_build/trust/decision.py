"""Holds what an artifact is and asks for against a policy, and gives every reason to refuse it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from hermpkg_build.core.module_names import top_of
from hermpkg_build.dataclass import dataclass
from hermpkg_build.trust.errors import Refusal, RefusalKind
from hermpkg_build.trust.need import Need, NeedKind
from hermpkg_build.trust.policy import ANY_VERSION, TrustPolicy, TrustRule

if TYPE_CHECKING:
    from hermpkg_build.trust.needs import Needs

Signed = Callable[[TrustRule], str]
"""Says why none of a rule's signers has signed the artifact; "" where one has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is decided over.

    `name` is that of the file, without its folder, `sha256` its digest, "" where no rule asks for it.
    """

    name: str
    sha256: str
    signed: Signed


def refusals_of(subject: Subject, policy: TrustPolicy, needs: Callable[[], Needs]) -> Iterator[Refusal]:
    """Give every reason that `policy` has against an artifact; `needs` are read where it asks for them."""
    rule = policy.rule_for(subject.name)
    origin = policy_name(policy, rule)
    if rule is None:
        shown = repr(subject.name) if subject.name else "an artifact that is opened from memory"
        yield Refusal(
            kind=RefusalKind.RULE, name=subject.name, reason=f"no rule is for {shown}", policy=origin
        )
        return
    if rule.sha256 and subject.sha256 not in rule.sha256:
        wanted = rule.sha256[0] if len(rule.sha256) == 1 else f"one of {len(rule.sha256)} others"
        reason = f"the file is {subject.sha256}, accepted is {wanted}"
        yield Refusal(kind=RefusalKind.DIGEST, name=subject.sha256, reason=reason, policy=origin)
    if rule.signers and (problem := subject.signed(rule)):
        yield Refusal(kind=RefusalKind.SIGNER, name=problem, reason=problem, policy=origin)
    if not rule.allow_all:
        yield from refusals_by(rule, origin, needs())


def refusals_by(rule: TrustRule, origin: str, needs: Needs) -> Iterator[Refusal]:
    """Give every reason that `rule`, which people know as `origin`, has against what an artifact asks for."""
    for need in needs.all:
        yield from _refused(need, rule, origin)


def policy_name(policy: TrustPolicy, rule: TrustRule | None) -> str:
    """Name the rule of a policy, else the policy, for people."""
    if rule is not None and rule.location is not None:
        return str(rule.location)
    return policy.origin or "the policy that was given"


def _refused(need: Need, rule: TrustRule, origin: str) -> Iterator[Refusal]:
    if need.kind is NeedKind.EXTERN:
        versions = rule.versions_of_extern(need.name)
        reason = "it is not allowed" if versions is None else wrong_version(need.name, versions)
        if reason:
            yield Refusal(
                kind=RefusalKind.EXTERN, name=need.name, reason=f"{need.name}: {reason}", policy=origin
            )
    elif not _ALLOWED[need.kind](rule, need):
        yield Refusal(
            kind=_KINDS[need.kind],
            name=need.full_name,
            reason=need.full_name,
            places=need.places,
            count=need.count,
            policy=origin,
        )


_ALLOWED: Mapping[NeedKind, Callable[[TrustRule, Need], bool]] = {
    NeedKind.GLOBAL: lambda rule, need: rule.allows_global(need.name, need.attribute),
    NeedKind.MODULE: lambda rule, need: rule.allows_module(need.name),
    NeedKind.CAPABILITY: lambda rule, need: rule.allows_capability(need.name),
    NeedKind.DOUBT: lambda _rule, _need: False,
}
_KINDS: Mapping[NeedKind, RefusalKind] = {
    NeedKind.GLOBAL: RefusalKind.GLOBAL,
    NeedKind.MODULE: RefusalKind.MODULE,
    NeedKind.CAPABILITY: RefusalKind.CAPABILITY,
    NeedKind.DOUBT: RefusalKind.DOUBT,
}


def wrong_version(module: str, versions: str) -> str:
    """Say why what provides the extern `module` here is none of the allowed `versions`; "" where it is."""
    if versions == ANY_VERSION:
        return ""
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion

    providers = providers_of(module)
    if not providers:
        return f"no distribution provides it here, and {versions} is wanted"
    allowed = SpecifierSet(versions)
    for name, version in providers.items():
        try:
            fits = allowed.contains(version, prereleases=True)
        except InvalidVersion:
            fits = False
        if not fits:
            return f"{name} {version} is installed here, and {versions} is wanted"
    return ""


@cache
def providers_of(module: str) -> Mapping[str, str]:
    """Return the versions of the distributions that provide `module`, by their names.

    Where several share its top-level name, as in namespace packages, those with files of the module count.
    """
    from importlib import metadata

    names = sorted({*_by_top().get(top_of(module), ())})
    if len(names) > 1:
        folder = module.replace(".", "/")
        own = [name for name in names if _has_files(name, folder)]
        names = own or names
    return {name: metadata.version(name) for name in names}


@cache
def _by_top() -> Mapping[str, list[str]]:
    from importlib import metadata

    return metadata.packages_distributions()


def _has_files(distribution: str, folder: str) -> bool:
    from importlib import metadata

    files = metadata.files(distribution) or ()
    return any(str(file).startswith((f"{folder}/", f"{folder}.")) for file in files)
