"""Module policies: what becomes of a module in a package, decided by the first rule that matches."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field

from hermpkg_build.core.patterns import GlobGroup
from hermpkg_build.errors import Location


class Policy(str, enum.Enum):
    """What becomes of a module in a package."""

    INTERN = "intern"
    EXTERN = "extern"
    MOCK = "mock"
    DENY = "deny"

    __str__ = str.__str__


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule:
    """One line of a policy: a kind and the modules it is for. Equal whatever its `location`."""

    policy: Policy
    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    allow_empty: bool = False
    location: Location | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """As one would write it in a BUILD file."""
        arguments = [_starlark(self.include)]
        if self.exclude:
            arguments.append(f"exclude = {_starlark(self.exclude)}")
        if self.allow_empty:
            arguments.append("allow_empty = True")
        return f"{self.policy}({', '.join(arguments)})"


class PolicyTable:
    """An ordered list of rules, and the rule that decides for a module.

    The standard library and torch are extern unless a rule *names* them: a pattern whose first
    segment is only ``*`` or ``**`` speaks of third-party and own code, and does not reach a
    module that is `implicit_extern`. So ``deny("**")`` may stand at the end of every policy, and
    ``deny("subprocess")`` bites.
    Raises ValueError for a malformed pattern.
    """

    def __init__(self, rules: Sequence[PolicyRule]) -> None:
        self.rules = tuple(rules)
        self._groups = [GlobGroup(rule.include, exclude=rule.exclude) for rule in self.rules]
        self._naming = [
            GlobGroup([p for p in rule.include if p.split(".")[0].strip("*")], exclude=rule.exclude)
            for rule in self.rules
        ]
        self._memo: dict[tuple[str, bool], int | None] = {}

    def decide(self, module: str, *, implicit_extern: bool = False) -> int | None:
        """The index of the rule that decides for `module`, or None where none does."""
        key = (module, implicit_extern)
        if key not in self._memo:
            groups = self._naming if implicit_extern else self._groups
            self._memo[key] = next((i for i, group in enumerate(groups) if group.matches(module)), None)
        return self._memo[key]


def _starlark(patterns: tuple[str, ...]) -> str:
    quoted = [f'"{pattern}"' for pattern in patterns]
    return quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"
