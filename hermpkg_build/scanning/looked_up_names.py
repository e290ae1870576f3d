"""The names that objects in a pickle stand for, also dotted ones, which old protocols write as calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from hermpkg_build.pickles.reading.nodes import Node, NodeKind, Reading

_GETTERS = frozenset({("builtins", "getattr"), ("__builtin__", "getattr")})
_RECONSTRUCTORS = frozenset(
    {("copyreg", "_reconstructor"), ("copy_reg", "_reconstructor"), ("copyreg", "__newobj__")}
)
_MOST_DOTS = 32


def static_name(node: Node, protocol: int) -> tuple[str, str] | None:
    """The module and qualified name that `node` stands for; None where only loading shows it.

    ``getattr(<class>, "method")`` with a constant is no more than a name: ``("pkg", "Class.method")``. So is
    that of an instance of the class.
    """
    attributes: list[str] = []
    while _gets_attribute(node):
        if len(attributes) == _MOST_DOTS:
            return None
        node, attribute = node.parts[1].items
        attributes.append(str(attribute.value))
        if not _gets_attribute(node):
            node = maker_of(node)
    if node.kind is not NodeKind.GLOBAL or not isinstance(node.value, tuple):
        return None
    module, name = node.value
    if protocol < 3:
        module, name = name_of_today(module, name)
    return module, ".".join([name, *reversed(attributes)])


def is_lookup(node: Node) -> bool:
    """Whether `node` is a call of `getattr` that only stands for a name."""
    return _gets_attribute(node) and static_name(node, 0) is not None


def maker_of(node: Node) -> Node:
    """The class or function that made an object, where a name says so, else the object."""
    if node.kind is not NodeKind.CALL:
        return node
    function, *arguments = node.parts
    if function.kind is NodeKind.GLOBAL and function.value in _RECONSTRUCTORS and arguments:
        of = arguments[0].items
        return of[0] if of else function
    return function


def _gets_attribute(node: Node) -> bool:
    if node.kind is not NodeKind.CALL or node.opcode != "REDUCE" or node.parts[0].value not in _GETTERS:
        return False
    of = node.parts[1].items
    return len(of) == 2 and of[1].kind is NodeKind.ATOM and isinstance(of[1].value, str)


def mere_getters(reading: Reading) -> frozenset[int]:
    """The ids of the nodes that are `getattr` and serve for nothing but names."""
    lookups = [step.node for step in reading.steps if is_lookup(step.node)]
    if not lookups:
        return frozenset()
    own = {id(node) for node in lookups}
    getters = {id(node.parts[0]) for node in lookups} - {id(node) for node in reading.objects}
    for node in _all_nodes(reading):
        parts = node.parts[1:] if id(node) in own else node.parts
        for child in (*parts, *node.items, *node.states):
            getters.discard(id(child))
        for pair in node.pairs:
            getters.difference_update(map(id, pair))
    return frozenset(getters)


def _all_nodes(reading: Reading) -> Iterator[Node]:
    stack = [*reading.objects, *(step.node for step in reading.steps)]
    seen = {id(node) for node in stack}
    while stack:
        node = stack.pop()
        yield node
        pairs = [each for pair in node.pairs for each in pair]
        for child in (*node.parts, *node.items, *node.states, *pairs):
            if id(child) not in seen:
                seen.add(id(child))
                stack.append(child)


def name_of_today(module: str, name: str) -> tuple[str, str]:
    """The name that Python 3 looks up for one of Python 2, as it does below protocol 3.

    >>> name_of_today("__builtin__", "eval"), name_of_today("commands", "getoutput")
    (('builtins', 'eval'), ('subprocess', 'getoutput'))
    """
    names, modules = _names_of_python_2()
    if (module, name) in names:
        return names[module, name]
    return modules.get(module, module), name


@cache
def _names_of_python_2() -> tuple[Mapping[tuple[str, str], tuple[str, str]], Mapping[str, str]]:
    import _compat_pickle  # the table of the standard library

    return dict(_compat_pickle.NAME_MAPPING), dict(_compat_pickle.IMPORT_MAPPING)
