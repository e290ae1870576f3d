"""Edits of BUILD files: rules, labels and patterns put in and taken out, attributes and targets added."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.core.starlark_text import CallText, expression, keyword_order, label_order, string
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.errors import HermpkgError, Location
from hermpkg_build.generate.build_files.build_text import Bracketed, BuildText, Item
from hermpkg_build.loading.rules import DEFS_LABEL, FUNCTIONS, RULES

_SORTED = ("srcs", "deps", "resources", "tags", "visibility")
"""The attributes whose lists buildifier sorts."""


class NotEditableError(HermpkgError):
    """A part of a BUILD file is made by a macro, or computed: a person must change it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlace:
    """A call that stands by itself in a BUILD file: of a rule, with the target's `name`, or of a function."""

    function: str
    name: str = ""

    def find(self, file: BuildText) -> ast.Call:
        """The call in a file. Raises NotEditableError where there is none."""
        functions = {self.function, *_aliases(file, self.function)}
        for call in _statements(file):
            is_named = not self.name or name_of(call) == self.name
            if isinstance(call.func, ast.Name) and call.func.id in functions and is_named:
                return call
        near = next((call for call in _statements(file) if self.name and name_of(call) == self.name), None)
        raise NotEditableError(
            f"a macro or an expression declares the target {self.name!r}"
            if self.name
            else f"the file does not call {self.function}()",
            location=file.location(near) if near is not None else Location(file.path),
        )

    def argument(self, file: BuildText, name: str) -> ast.expr | None:
        """What the call is given for an argument, by its name or its place."""
        call, function = self.find(file), FUNCTIONS[self.function]
        names = [*function.attributes][: function.positional]
        given = [*zip(names, call.args, strict=False), *((each.arg, each.value) for each in call.keywords)]
        return next((value for known, value in given if known == name), None)


def add_values(file: BuildText, place: CallPlace, attribute: str, values: Sequence[str]) -> BuildText:
    """Put strings into the list `attribute`, which is made where it is not given.

    They take their places in a list that is sorted, else its end; what is there already is left alone. A
    `glob` is followed by a list of its own. Raises NotEditableError where the list is computed.
    """
    value = place.argument(file, attribute)
    if value is None:
        return add_argument(file, place, attribute, sorted({*values}, key=label_order))
    part = next((part for part in reversed([*_lists(value)])), None)
    known = {text for each in _lists(value) for text in _strings(each)}
    new = [text for text in dict.fromkeys(values) if text not in known]
    if part is None and _is_glob(value) and new:
        _, end = file.span(value)
        more = expression(sorted(new, key=label_order), file.indentation(end - 1))
        return file.spliced(end, end, f" + {more}")
    if part is None and new:
        raise _computed(file, attribute, value)
    return _with_strings(file, part, new, in_order=attribute in _SORTED) if part and new else file


def remove_values(file: BuildText, place: CallPlace, attribute: str, values: Collection[str]) -> BuildText:
    """Take strings out of the list `attribute`. Raises NotEditableError where one is not written in it."""
    for text in values:
        value = place.argument(file, attribute)
        part = next((part for part in _lists(value) if text in _strings(part)), None)
        if part is None:
            raise _computed(file, attribute, value or place.find(file))
        file = _without(file, part, [_strings(part).index(text)])
    return file


def replace_value(file: BuildText, place: CallPlace, attribute: str, old: str, new: str) -> BuildText:
    """Write the string `new` where `attribute` says `old`. Raises NotEditableError where it does not."""
    value = place.argument(file, attribute)
    for node in ast.walk(value) if value is not None else ():
        if isinstance(node, ast.Constant) and node.value == old:
            return file.with_node(node, string(new))
    raise _computed(file, attribute, value or place.find(file))


def add_entry(file: BuildText, place: CallPlace, attribute: str, key: str, value: object) -> BuildText:
    """Put a key into the dictionary `attribute`, or give it another value. Raises NotEditableError."""
    node = place.argument(file, attribute)
    if node is None:
        return add_argument(file, place, attribute, {key: value})
    if not isinstance(node, ast.Dict):
        raise _computed(file, attribute, node)
    for known, old in zip(node.keys, node.values, strict=True):
        if isinstance(known, ast.Constant) and known.value == key:
            return file.with_node(old, expression(value))
    items, rest = _items(file, node)
    return file.with_items(node, [*items, _new(f"{string(key)}: {expression(value)}"), *rest])


def insert_rule(file: BuildText, place: CallPlace, index: int, rule: PolicyRule) -> BuildText:
    """Put a rule before the one with the number `index` of the policy, or at its end.

    Raises NotEditableError where the policy is computed.
    """
    policy = place.argument(file, "policy")
    if policy is None:
        return add_argument(file, place, "policy", [rule])
    if not isinstance(policy, ast.List):
        raise _computed(file, "policy", policy)
    items, rest = _items(file, policy)
    items.insert(index, _new(expression(rule)))
    return file.with_items(policy, [*items, *rest])


def remove_rules(file: BuildText, place: CallPlace, indices: Collection[int]) -> BuildText:
    """Take rules out of the policy. Comments above and behind them stay. Raises NotEditableError."""
    policy = place.argument(file, "policy")
    if not isinstance(policy, ast.List):
        raise _computed(file, "policy", policy or place.find(file))
    return _without(file, policy, indices)


def change_patterns(
    file: BuildText,
    place: CallPlace,
    index: int,
    *,
    add: Sequence[str] = (),
    remove: Collection[str] = (),
) -> BuildText:
    """Add patterns to those that the rule with the number `index` of the policy is for, and remove some.

    Raises NotEditableError where they are not written out.
    """
    policy = place.argument(file, "policy")
    rule = policy.elts[index] if isinstance(policy, ast.List) and index < len(policy.elts) else None
    node = _patterns_of(rule)
    if isinstance(node, ast.Constant):
        texts = list(dict.fromkeys([text for text in [str(node.value)] if text not in remove] + [*add]))
        return file.with_node(node, expression(texts[0] if len(texts) == 1 else texts))
    if not isinstance(node, ast.List):
        raise _computed(file, "policy", rule or policy or place.find(file))
    gone = [number for number, text in enumerate(_strings(node)) if text in remove]
    if gone:
        file = _without(file, node, gone)
        return change_patterns(file, place, index, add=add) if add else file
    known = _strings(node)
    return _with_strings(file, node, [text for text in add if text not in known], in_order=True)


def is_written(file: BuildText, place: CallPlace, index: int) -> bool:
    """Whether the patterns of a rule of the policy are written out."""
    policy = place.argument(file, "policy")
    rules = policy.elts if isinstance(policy, ast.List) else []
    return index < len(rules) and _patterns_of(rules[index]) is not None


def add_argument(file: BuildText, place: CallPlace, name: str, value: object) -> BuildText:
    """Give a call one more argument by its name, in its place among the others."""
    call = place.find(file)
    items, rest = _items(file, call)
    names = [None] * len(call.args) + [keyword.arg for keyword in call.keywords]
    order = keyword_order(name)
    index = next((i for i, other in enumerate(names) if other and keyword_order(other) > order), len(items))
    items.insert(index, _new(f"{name} = {expression(value)}"))
    return file.with_items(call, [*items, *rest])


def remove_argument(file: BuildText, place: CallPlace, name: str) -> BuildText:
    """Take an argument of a call away, if it is given."""
    call = place.find(file)
    names = [None] * len(call.args) + [keyword.arg for keyword in call.keywords]
    return _without(file, call, [names.index(name)]) if name in names else file


def add_statement(file: BuildText, call: CallText) -> BuildText:
    """Put a call at the end of a file, and load what it needs."""
    text = file.text.rstrip("\n")
    after = BuildText(file.path, f"{text}\n\n{call}\n" if text else f"{call}\n")
    return add_loads(after, [*_loadable(call)])


def remove_statement(file: BuildText, place: CallPlace) -> BuildText:
    """Take a call out of a file with the blank line behind it; comments above it stay."""
    begin, end = file.span(place.find(file))
    rest = file.text[end:].lstrip("\n")
    return BuildText(
        file.path, f"{file.text[:begin]}{rest}" if rest else file.text[:begin].rstrip("\n") + "\n"
    )


def add_loads(file: BuildText, symbols: Collection[str]) -> BuildText:
    """Have a file load symbols of the rules, by the load statement that there is, or a new one."""
    known = {alias for call in _loads(file) for alias in _strings_of(call)}
    new = sorted({*symbols} - known)
    if not new:
        return file
    loads = _loads(file)
    if not loads:
        return _with_first_load(file, expression(CallText(function="load", values=[DEFS_LABEL, *new])))
    first, *items = _items(file, loads[0])[0]
    in_order = [item.text for item in items] == sorted(item.text for item in items)
    for symbol in new:
        _insert(items, string(symbol), key=str, in_order=in_order)
    return file.with_items(loads[0], [first, *items])


def new_file(path: str, calls: Sequence[CallText]) -> BuildText:
    """A BUILD file of some calls, with the load statement that they need."""
    file = BuildText(path, "\n".join(f"{call}\n" for call in calls))
    return add_loads(file, [symbol for call in calls for symbol in _loadable(call)])


def name_of(call: ast.Call) -> str:
    """The name that a call gives a target; "" where it is computed."""
    values = (each.value for each in call.keywords if each.arg == "name")
    return next((str(value.value) for value in values if isinstance(value, ast.Constant)), "")


def _loadable(call: object) -> Iterator[str]:
    """The rules and policies that a call to be written uses."""
    if isinstance(call, PolicyRule):
        yield str(call.policy)
    elif isinstance(call, CallText):
        if call.function in RULES:
            yield call.function
        for value in (*call.values, *call.named.values()):
            for each in value if isinstance(value, list | tuple) else [value]:
                yield from _loadable(each)


def _with_first_load(file: BuildText, load: str) -> BuildText:
    """Put a load statement before all others, behind the comments that begin the file."""
    lines = file.text.split("\n")
    count = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    if count and lines[count : count + 1] != [""]:
        count = 0  # The comment is one of the first statement.
    head = "".join(f"{line}\n" for line in lines[:count]) + ("\n" if count else "")
    rest = "\n".join(lines[count:]).lstrip("\n")
    return BuildText(file.path, f"{head}{load}\n\n{rest}")


def _statements(file: BuildText) -> Iterator[ast.Call]:
    for statement in file.tree.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            yield statement.value


def _loads(file: BuildText) -> list[ast.Call]:
    """The load statements of the rules."""
    loads = (call for call in _statements(file) if isinstance(call.func, ast.Name) and call.func.id == "load")
    return [call for call in loads if call.args and _text_of(call.args[0]) == DEFS_LABEL]


def _aliases(file: BuildText, symbol: str) -> Iterator[str]:
    """The names that load statements give to a symbol of the rules."""
    for call in _loads(file):
        for keyword in call.keywords:
            if keyword.arg and _text_of(keyword.value) == symbol:
                yield keyword.arg


def _strings_of(call: ast.Call) -> Iterator[str]:
    yield from (_text_of(value) for value in call.args[1:])


def _lists(value: ast.expr | None) -> Iterator[ast.List]:
    """The lists that are written out in a value: itself, or what is added up to it."""
    if isinstance(value, ast.List):
        yield value
    elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        yield from _lists(value.left)
        yield from _lists(value.right)


def _strings(node: ast.List) -> list[str]:
    """The strings of a list, "" for what is none."""
    return [_text_of(value) for value in node.elts]


def _text_of(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_glob(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "glob"


def _patterns_of(rule: ast.expr | None) -> ast.List | ast.Constant | None:
    """What a rule of a policy says that it is for, where that is written out."""
    if not isinstance(rule, ast.Call):
        return None
    given = [*rule.args[:1], *(each.value for each in rule.keywords if each.arg == "include")]
    node = given[0] if given else None
    if isinstance(node, ast.Constant):
        return node
    return node if isinstance(node, ast.List) and all(_strings(node)) else None


def _items(file: BuildText, node: Bracketed) -> tuple[list[Item], list[Item]]:
    """The items between brackets, and the comments behind them."""
    found = file.brackets_of(node).items
    return [item for item in found if item.text], [item for item in found if not item.text]


def _new(text: str) -> Item:
    return Item(text=text)


def _with_strings(file: BuildText, node: ast.List, new: Sequence[str], *, in_order: bool) -> BuildText:
    items, rest = _items(file, node)
    known = [label_order(text) for text in _strings(node)]
    for text in new:
        _insert(items, string(text), key=_order_of_item, in_order=in_order and known == sorted(known))
    return file.with_items(node, [*items, *rest])


def _order_of_item(text: str) -> tuple[int, list[str]]:
    return label_order(text.strip("\"'"))


def _insert(items: list[Item], text: str, *, key: Callable[[str], Any], in_order: bool) -> None:
    """Put a text among items: in its place where they are in order, else at the end."""
    index = len(items)
    if in_order:
        index = next((i for i, item in enumerate(items) if key(item.text) > key(text)), index)
    items.insert(index, _new(text))


def _without(file: BuildText, node: Bracketed, indices: Collection[int]) -> BuildText:
    """Take items away. Comments above and behind them go to the next."""
    items, rest = _items(file, node)
    kept: list[Item] = []
    above: tuple[str, ...] = ()
    for number, item in enumerate(items):
        if number in indices:
            above = (*above, *item.above, *([item.behind] if item.behind else ()))
        else:
            kept.append(replace(item, above=(*above, *item.above)))
            above = ()
    comments = (*above, *(comment for item in rest for comment in item.above))
    return file.with_items(node, [*kept, *([Item(text="", above=comments)] if comments else ())])


def _computed(file: BuildText, attribute: str, node: ast.AST) -> NotEditableError:
    return NotEditableError(f"{attribute} is computed here", location=file.location(node))
