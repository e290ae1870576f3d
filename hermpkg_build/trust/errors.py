"""TrustError: an artifact is not accepted, with every reason; TrustPolicyError: a policy cannot be read."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ExitCode, HermpkgError, Location

_MOST_SHOWN = 12


class RefusalKind(str, enum.Enum):
    """The kinds of reasons, by the key of a policy that speaks of them."""

    RULE = "artifact"
    """No rule is for the artifact."""
    DIGEST = "sha256"
    SIGNER = "signers"
    GLOBAL = "globals"
    MODULE = "modules"
    CAPABILITY = "capabilities"
    EXTERN = "externs"
    DOUBT = "allow-all"
    """Nothing that reads the artifact can tell what it would do, or others would read it otherwise."""

    __str__ = str.__str__


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One reason against an artifact.

    `name` is what a policy would have to name to allow it; `reason` says it in words, without a full stop;
    `places` are where it is in the artifact, the first of `count`. `policy` is the file, or the rule in it,
    that refuses.
    """

    kind: RefusalKind
    name: str
    reason: str
    places: tuple[str, ...] = ()
    count: int = 0
    policy: str = ""

    @property
    def text(self) -> str:
        """The reason with its places."""
        rest = max(self.count, len(self.places)) - 3
        more = f", and {rest} more places" if rest > 0 else ""
        return self.reason + (f": {', '.join(self.places[:3])}{more}" if self.places else "")


class TrustError(HermpkgError):
    """The policy of the importer or of the process does not accept the artifact, for these `refusals`.

    >>> from hermpkg_build import PackageExporter, PackageImporter, TrustPolicy, TrustRule
    >>> with PackageExporter("model.pt") as exporter:
    ...     exporter.save_source_string("app.words", "import os; os.system('true')")
    >>> try:
    ...     PackageImporter("model.pt", trust=TrustPolicy(rules=[TrustRule(modules="app.**")]))
    ... except TrustError as error:
    ...     [(str(refusal.kind), refusal.name, refusal.places) for refusal in error.refusals]
    [('capabilities', 'processes', ('app/words.py:1:12: os.system',))]
    """

    exit_code = ExitCode.TESTS_FAILED

    def __init__(
        self,
        summary: str,
        *,
        refusals: Sequence[Refusal] = (),
        facts: Sequence[tuple[str, str]] = (),
        next_step: str = "",
        location: Location | None = None,
    ) -> None:
        super().__init__(summary, facts=[*facts, *_facts(refusals)], next_step=next_step, location=location)
        self.refusals: tuple[Refusal, ...] = tuple(refusals)


class TrustPolicyError(TrustError):
    """A policy cannot be read, or somebody else could have written it: nothing is accepted by it."""

    exit_code = ExitCode.COMMAND_LINE


def _facts(refusals: Sequence[Refusal]) -> list[tuple[str, str]]:
    """The reasons, those of one kind together, each kind cut where it would be a page."""
    facts: list[tuple[str, str]] = []
    for kind in RefusalKind:
        own = [refusal for refusal in refusals if refusal.kind is kind]
        facts += [(str(kind), refusal.text) for refusal in own[:_MOST_SHOWN]]
        if len(own) > _MOST_SHOWN:
            names = ", ".join(refusal.name for refusal in own[_MOST_SHOWN : 2 * _MOST_SHOWN])
            rest = len(own) - 2 * _MOST_SHOWN
            facts.append((str(kind), f"also {names}" + (f", and {rest} more" if rest > 0 else "")))
    return facts
