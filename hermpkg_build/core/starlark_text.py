"""Writes values, calls and policies as the text of BUILD files, in the form that buildifier gives them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from hermpkg_build.core.policy import PolicyRule, patterns_text
from hermpkg_build.dataclass import dataclass, field

INDENT = 4
_WIDTH = 100
_FIRST = ("name", "size", "timeout", "testonly", "src", "srcs_version", "srcs", "out", "outs")
_LAST = ("exports", "runtime_deps", "deps")
_PHASES = (":", "//", "@")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class Written:
    """An expression that is given as its text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallText:
    """A call to be written: what it is given, in the order of a call.

    >>> print(CallText(function="model", named={"factory": "app.net:make", "name": "net"}))
    model(
        name = "net",
        factory = "app.net:make",
    )
    """

    function: str
    values: Sequence[object] = ()
    named: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        """As a statement of its own."""
        return expression(self)


def expression(value: object, indent: int = 0) -> str:
    """The text of a value, whose first line is in one that is indented by `indent` blanks.

    Strings, numbers, lists, dictionaries, None, `Written`, `CallText` and `PolicyRule` are known. Lists and
    dictionaries of several things have a line for each.

    >>> expression(["a.py"]), expression({"torch": ">=2"}), expression(None)
    ('["a.py"]', '{"torch": ">=2"}', 'None')
    """
    if isinstance(value, Written):
        return value.text
    if isinstance(value, str):
        return string(value)
    if isinstance(value, PolicyRule):
        return expression(_call_of(value), indent)
    if isinstance(value, CallText):
        return _call(value, indent)
    if isinstance(value, Mapping):
        inner = [(string(key), each) for key, each in value.items()]
        lines = [f"{key}: {expression(each, indent + _step(inner))}" for key, each in inner]
        return bracketed("{", lines, "}", indent, in_lines=len(lines) > 1)
    if isinstance(value, list | tuple):
        lines = [expression(each, indent + _step(value)) for each in value]
        return bracketed("[", lines, "]", indent, in_lines=len(lines) > 1)
    return repr(value)


def string(text: str) -> str:
    """A text in double quotes."""
    return '"' + "".join(_ESCAPES.get(character, character) for character in text) + '"'


def bracketed(opening: str, items: Iterable[str], closing: str, indent: int, *, in_lines: bool) -> str:
    """Items between brackets: all in one line, or each in lines of its own."""
    if not in_lines:
        return f"{opening}{', '.join(items)}{closing}"
    inner = " " * (indent + INDENT)
    return "".join([opening, "\n", *(f"{inner}{item},\n" for item in items), " " * indent, closing])


def goes_in_lines(items: Sequence[str], *, named: bool) -> bool:
    """Whether the arguments of a call, of which some are `named`, have a line each."""
    return len(items) > 1 and (named or any("\n" in item or item[:1] in ("[", "{") for item in items))


def keyword_order(name: str) -> tuple[int, str]:
    """Where an argument stands among the others of a target.

    >>> sorted(["deps", "factory", "name", "srcs", "args"], key=keyword_order)
    ['name', 'srcs', 'args', 'factory', 'deps']
    """
    if name in _FIRST:
        return _FIRST.index(name) - len(_FIRST), ""
    return (1 + _LAST.index(name), "") if name in _LAST else (0, name)


def label_order(text: str) -> tuple[int, list[str]]:
    """Where a label or a file stands in a list of them.

    >>> sorted(["//a:b", ":a", "b.py", "@x//y", "//a"], key=label_order)
    ['b.py', ':a', '//a', '//a:b', '@x//y']
    """
    phase = next((number for number, start in enumerate(_PHASES, 1) if text.startswith(start)), 0)
    return phase, text.replace(":", ".").split(".")


def policy_lines(rules: Iterable[PolicyRule]) -> str:
    """The attribute `policy` of a target, with a line for each rule and for each of its patterns.

    >>> from hermpkg_build.core.policy import Policy
    >>> own = PolicyRule(policy=Policy.INTERN, include=("app.**", "einops.**"))
    >>> print(policy_lines([own, PolicyRule(policy=Policy.DENY, include=("**",))]))
    policy = [
        intern([
            "app.**",
            "einops.**",
        ]),
        deny("**"),
    ],
    """
    items = [expression(rule, INDENT) for rule in rules]
    return f"policy = {bracketed('[', items, ']', 0, in_lines=True)},"


def short_policy(rules: Iterable[PolicyRule]) -> list[str]:
    """The attribute `policy` of a target in as few lines as fit, for messages."""
    return ["policy = [", *(line for rule in rules for line in f"    {_wrapped(rule)},".splitlines()), "],"]


def _wrapped(rule: PolicyRule) -> str:
    """A rule over as many lines as its patterns need."""
    text = str(rule)
    if len(text) <= _WIDTH or len(rule.include) == 1:
        return text
    quoted = ", ".join(string(pattern) for pattern in rule.include)
    patterns = textwrap.fill(quoted, _WIDTH, break_long_words=False, break_on_hyphens=False)
    more = f", exclude = {patterns_text(rule.exclude)}" if rule.exclude else ""
    more += ", allow_empty = True" if rule.allow_empty else ""
    more += ", optional = True" if rule.optional else ""
    return f"{rule.policy}([\n{textwrap.indent(patterns, ' ' * 8)},\n    ]{more})"


def _call_of(rule: PolicyRule) -> CallText:
    named: dict[str, object] = {name: True for name in ("allow_empty", "optional") if getattr(rule, name)}
    if rule.exclude:
        named["exclude"] = _patterns(rule.exclude)
    return CallText(function=str(rule.policy), values=[_patterns(rule.include)], named=named)


def _patterns(patterns: Sequence[str]) -> object:
    return patterns[0] if len(patterns) == 1 else patterns


def _call(call: CallText, indent: int) -> str:
    ordered = sorted(call.named.items(), key=lambda item: keyword_order(item[0]))
    step = INDENT if len(call.values) + len(ordered) > 1 else 0
    items = [expression(value, indent + step) for value in call.values]
    items += [f"{name} = {expression(value, indent + step)}" for name, value in ordered]
    in_lines = goes_in_lines(items, named=bool(ordered))
    return bracketed(f"{call.function}(", items, ")", indent, in_lines=in_lines)


def _step(items: Sequence[object]) -> int:
    return INDENT if len(items) > 1 else 0
