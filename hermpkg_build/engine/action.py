"""Actions: units of work whose named inputs give both their digest and the words for why they ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hermpkg_build.core.digest import Digest, fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One unit of work.

    `kind` is ``analyse``, ``make-model``, ``assemble`` or ``test``; `version` changes whenever the
    code that does the work could give another result for the same inputs; `subject` names what
    the work is for and takes no part in the digest. `inputs` maps a name a reader knows (a path, an
    attribute, a module) to a text that is equal exactly when the input is.
    """

    kind: str
    version: int | str
    subject: str = field(compare=False)
    inputs: Mapping[str, str]

    @property
    def key(self) -> Digest:
        """The action digest: what the action cache knows the result by."""
        return fingerprint([self.kind, self.version, dict(self.inputs)])

    def with_inputs(self, more: Mapping[str, str]) -> Action:
        """The same action with inputs that were discovered while it ran."""
        return Action(
            kind=self.kind,
            version=self.version,
            subject=self.subject,
            inputs={**self.inputs, **more},
        )


def reasons_to_run(before: Mapping[str, str] | None, now: Mapping[str, str]) -> tuple[str, ...]:
    """Why an action whose inputs were `before` must run with `now`: one clause for each difference.

    The walk is over the very inputs that make the digest, so a reason is missing only when the
    digests are equal.
    """
    if before is None:
        return ("not built before",)
    reasons = []
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if old is None:
            reasons.append(f"{name} added")
        elif new is None:
            reasons.append(f"{name} removed")
        elif _is_short(old) and _is_short(new):
            reasons.append(f"{name} changed from {old} to {new}")
        else:
            reasons.append(f"{name} changed")
    return tuple(reasons)


def _is_short(value: str) -> bool:
    """Whether a value says more to a reader than that it changed; digests do not."""
    return len(value) <= 40
