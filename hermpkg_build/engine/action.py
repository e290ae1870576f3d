"""Actions: units of work with named inputs, which give both their digest and the words for why they ran."""

from __future__ import annotations

from collections.abc import Mapping

from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.digest import Digest
from hermpkg_build.dataclass import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One unit of work.

    `kind` is ``analyse``, ``make-model``, ``assemble`` or ``test``; `version` changes whenever the code
    that does the work could give another result for the same inputs; `subject` names what the work is for
    and takes no part in the digest. `inputs` maps names that people know (a path, an attribute, a module)
    to texts; two texts are equal exactly when the inputs are.
    """

    kind: str
    version: int | str
    subject: str = field(compare=False)
    inputs: Mapping[str, str]
    _encoded: list[tuple[Digest, bytes]] = field(default_factory=list, init=False, compare=False, repr=False)

    @property
    def key(self) -> Digest:
        """Return the action digest, by which the action cache knows the result."""
        return self._form()[0]

    def to_bytes(self) -> bytes:
        """Return the canonical JSON that the key is the digest of: kind, version and inputs."""
        return self._form()[1]

    def _form(self) -> tuple[Digest, bytes]:
        if not self._encoded:  # It covers every input, of which there can be thousands.
            data = dumps([self.kind, self.version, dict(self.inputs)])
            self._encoded.append((Digest.of(data), data))
        return self._encoded[0]

    def with_inputs(self, more: Mapping[str, str]) -> Action:
        """Return the same action with the files `more` among its inputs, by path.

        A file at the workspace's root may be called as an attribute is (``seed``): then it is ``./seed``.
        """
        files = {
            name if self.inputs.get(name, text) == text else f"./{name}": text for name, text in more.items()
        }
        return replace(self, inputs={**self.inputs, **files})


def reasons_to_run(before: Mapping[str, str] | None, now: Mapping[str, str]) -> tuple[str, ...]:
    """Say why an action whose inputs were `before` must run with `now`: one clause for each difference.

    The walk is over the very inputs that make the digest, so there is no reason exactly when the digests
    are equal.

    >>> reasons_to_run({"seed": "1", "a.py": "0" * 64}, {"seed": "2", "a.py": "1" * 64})
    ('a.py changed', 'seed changed from 1 to 2')
    >>> reasons_to_run(None, {"seed": "1"})
    ('not built before',)
    """
    if before is None:
        return ("not built before",)
    reasons = []
    changed = [name for name, text in now.items() if before.get(name) != text]
    for name in sorted([*changed, *(before.keys() - now.keys())]):
        old, new = before.get(name), now.get(name)
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
    """Whether a value is worth showing to people; digests are not."""
    return len(value) <= 40
