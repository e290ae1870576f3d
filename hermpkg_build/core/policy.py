"""Module policies: the first rule that matches a module decides what becomes of it in an artifact."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from hermpkg_build.core.globs import GlobGroup, covers
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.errors import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule:
    """One line of a policy: a kind and the modules it is for. Equal whatever its `location`.

    An `optional` extern rule leaves modules that code uses where they are, and does without where not.

    >>> print(PolicyRule(policy=Policy.MOCK, include=("wandb.**",), allow_empty=True))
    mock("wandb.**", allow_empty = True)
    """

    JSON_ARRAY: ClassVar = True

    policy: Policy
    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    allow_empty: bool = False
    optional: bool = False
    location: Location | None = field(default=None, compare=False)

    @property
    def is_for_the_rest(self) -> bool:
        """Whether one of the patterns has wildcards only, such as ``**``: it cannot be misspelled."""
        return any(not pattern.strip("*.") for pattern in self.include)

    def __str__(self) -> str:
        """As one would write it in a BUILD file."""
        arguments = [patterns_text(self.include)]
        if self.exclude:
            arguments.append(f"exclude = {patterns_text(self.exclude)}")
        if self.allow_empty:
            arguments.append("allow_empty = True")
        if self.optional:
            arguments.append("optional = True")
        return f"{self.policy}({', '.join(arguments)})"


class PolicyTable:
    """An ordered list of rules, and the rule that decides for a module.

    The standard library and torch are extern unless a rule *names* them: a pattern whose first
    segment is only ``*`` or ``**`` speaks of third-party and own code, and does not reach a
    module that is `implicit_extern`. So ``deny("**")`` may stand at the end of every policy, and
    ``deny("subprocess")`` bites.
    Raises ValueError for a malformed pattern.

    >>> own = PolicyRule(policy=Policy.INTERN, include=("app.**",))
    >>> others = PolicyRule(policy=Policy.DENY, include=("**",))
    >>> table = PolicyTable([own, others])
    >>> table.decide("app.main"), table.decide("requests"), table.decide("json", implicit_extern=True)
    (0, 1, None)
    """

    def __init__(self, rules: Sequence[PolicyRule]) -> None:
        self.rules: tuple[PolicyRule, ...] = tuple(rules)
        self._groups = [GlobGroup(rule.include, exclude=rule.exclude) for rule in self.rules]
        self._naming = [
            GlobGroup([p for p in rule.include if names_its_top(p)], exclude=rule.exclude)
            for rule in self.rules
        ]
        # Names without wildcards are looked up: in one expression, thousands would take their square.
        self._named = _rules_by_name(self.rules)
        self._first: dict[bool, re.Pattern[str]] = {}
        self._memo: dict[tuple[str, bool], int | None] = {}

    def decide(self, module: str, *, implicit_extern: bool = False) -> int | None:
        """The index of the rule that decides for `module`, or None where none does."""
        key = (module, implicit_extern)
        if key not in self._memo:
            if implicit_extern not in self._first:
                self._first[implicit_extern] = _first_match(self._naming if implicit_extern else self._groups)
            match = self._first[implicit_extern].fullmatch("." + module)
            found = [self._named[module]] if module in self._named else []
            if match is not None and match.lastindex is not None:
                found.append(match.lastindex - 1)
            self._memo[key] = min(found, default=None)
        return self._memo[key]

    def reaches(self, index: int, module: str, *, implicit_extern: bool = False) -> bool:
        """Whether the rule at `index` would decide for `module` were there no rule before it."""
        return (self._naming if implicit_extern else self._groups)[index].matches(module)

    def covered_by(self, index: int) -> int | None:
        """An earlier rule that takes every module the rule at `index` could ever match, if one does."""
        group = self._groups[index]
        return next((earlier for earlier in range(index) if covers(self._groups[earlier], group)), None)


def names_its_top(pattern: str) -> bool:
    """Whether a pattern says anything of the top-level name: not ``**``, ``*`` or ``*.x``."""
    return bool(pattern.split(".", 1)[0].strip("*"))


def _rules_by_name(rules: Sequence[PolicyRule]) -> dict[str, int]:
    """The first rule, by index, that includes a name as it is and does not exclude it."""
    found: dict[str, int] = {}
    for index, rule in enumerate(rules):
        excluded = GlobGroup(rule.exclude)
        for name in rule.include:
            if "*" not in name and name not in found and not excluded.matches(name):
                found[name] = index
    return found


def _first_match(groups: Sequence[GlobGroup]) -> re.Pattern[str]:
    """One expression for the wildcards of all groups: only the capturing group of the first match is set.

    Alternatives are tried in order, so that the cost of a long policy is paid in the regular
    expression engine and not once for each rule and module.
    """
    wild = [
        GlobGroup([pattern for pattern in group.include if "*" in pattern], exclude=group.exclude)
        for group in groups
    ]
    return re.compile("|".join(f"(?:{group.regex})()" for group in wild) or "(?!)")


def patterns_text(patterns: tuple[str, ...]) -> str:
    """Patterns as an argument in Starlark or Python: one alone, or several in a list."""
    quoted = [f'"{pattern}"' for pattern in patterns]
    return quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"
