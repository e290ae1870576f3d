"""The way to an object in a pickle, as one would write it in Python: ``model.layer1[0].conv1.weight``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hermpkg_build.dataclass import dataclass
from hermpkg_build.pickles.path_steps import MODULE_TABLES, attribute_step, quoted
from hermpkg_build.pickles.reading.nodes import Node, NodeKind

_PARAMETERS = frozenset({"_rebuild_parameter", "_rebuild_parameter_with_state"})
_LONGEST_KEY = 60
_LARGEST_INTEGER = 512


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """A linked list of steps from the root, the last one first.

    `dotted` is a step's part of a state dict's key, None where there is no such key.
    Deep graphs have many paths with long beginnings in common, so each step is stored once.
    """

    text: str
    dotted: str | None
    parent: Path | None = None
    role: str = ""
    """How the object here is to be read: ``attributes``, ``slots``, a torch module's ``table``, or plain."""

    def __str__(self) -> str:
        return "".join(step.text for step in self._steps())

    def state_key(self) -> str | None:
        """The object's key in a torch module's ``state_dict``, ``layer1.weight``; None without one."""
        parts: list[str] = []
        for step in self._steps():
            if step.dotted is None:
                return None
            if step.dotted:
                parts.append(step.dotted)
        return ".".join(parts)

    def _steps(self) -> list[Path]:
        steps: list[Path] = []
        step: Path | None = self
        while step is not None:
            steps.append(step)
            step = step.parent
        return steps[::-1]

    def to(self, text: str, *, dotted: str | None = None, role: str = "") -> Path:
        """One step further."""
        return Path(text, dotted, self, role)


def root_path(record: str) -> Path:
    """The path of the object that the record is a pickle of: its file name without suffix."""
    name = record.rpartition("/")[2].partition(".")[0]
    return Path(name if name.isidentifier() else "object", "")


def children(node: Node, path: Path) -> Iterator[tuple[Path, Node]]:
    """The objects that `node` is made of, each with the way to it, in the order of the pickle."""
    if node.kind is NodeKind.CALL:
        yield from call_parts(node, path)
    for place, part in enumerate(node.items):
        yield item_path(node, path, place), part
    for key, value in node.pairs:
        if key.kind is not NodeKind.ATOM:
            yield path.to(f"<key {key_text(key)}>"), key
        yield value_path(path, key), value
    for state in node.states:
        yield state_path(state, path), state
    if node.kind is NodeKind.PERSISTENT:
        yield path.to(".persistent_id"), node.parts[0]


def call_parts(node: Node, path: Path) -> Iterator[tuple[Path, Node]]:
    """The function that makes an object, and its arguments."""
    function, *arguments = node.parts
    made = node.opcode != "REDUCE"
    yield path.to(".__class__" if made else ".__reduce__()[0]"), function
    role = "parameter" if is_global(function, "torch._utils", _PARAMETERS) else "arguments"
    text = ".__getnewargs__()" if made else ".__reduce__()[1]"
    for place, part in enumerate(arguments):
        shown = text if place == 0 else ".__getnewargs_ex__()[1]"
        if role == "parameter" and place == 0:
            yield path.to("", dotted="", role=role), part
        else:
            yield path.to(shown, role=role), part


def item_path(node: Node, path: Path, place: int) -> Path:
    """The way to the element number `place` of a sequence."""
    if path.role == "parameter":
        return path.to("", dotted="") if place == 0 else path.to(f".__reduce__()[1][{place}]")
    if path.role == "slots" and node.kind is NodeKind.TUPLE:
        return path.to("", dotted="", role="attributes")
    if node.kind in (NodeKind.SET, NodeKind.FROZENSET):
        return path.to(f"<element {place}>")
    return path.to(f"[{place}]")


def value_path(path: Path, key: Node) -> Path:
    """The way to the value that a mapping has for `key`."""
    name = key.value if key.kind is NodeKind.ATOM else None
    if not isinstance(name, str):
        return path.to(f"[{key_text(key)}]")
    if path.role == "attributes" and name in MODULE_TABLES:
        return path.to("", dotted="", role="table")
    in_table = path.role == "table"
    step = attribute_step(name, in_table=in_table) if in_table or path.role == "attributes" else ""
    return path.to(step or f"[{key_text(key)}]", dotted=name if in_table else None)


def state_path(state: Node, path: Path) -> Path:
    """The way to the state that BUILD gives an object: a dict, or a pair of two, holds attributes."""
    if state.kind is NodeKind.DICT:
        return path.to("", dotted="", role="attributes")
    if state.kind is NodeKind.TUPLE and len(state.items) == 2 and _are_attributes(state.items):
        return path.to("", dotted="", role="slots")
    return path.to(".__getstate__()")


def _are_attributes(items: Sequence[Node]) -> bool:
    return all(item.kind is NodeKind.DICT or item.value is None for item in items)


def is_global(node: Node, module: str, names: frozenset[str]) -> bool:
    """Whether `node` is one of the `names` of `module`."""
    if node.kind is not NodeKind.GLOBAL or not isinstance(node.value, tuple):
        return False
    return node.value[0] == module and node.value[1] in names


def key_text(node: Node) -> str:
    """A key, or any other object, in a few words."""
    text = _words(node)
    return text if len(text) <= _LONGEST_KEY else text[: _LONGEST_KEY - 3] + "..."


def _words(node: Node) -> str:
    if node.kind is NodeKind.ATOM:
        if isinstance(node.value, str):
            return quoted(node.value[:_LONGEST_KEY])
        if isinstance(node.value, (bytes, bytearray, memoryview)):
            return repr(bytes(node.value[:_LONGEST_KEY]))
        if isinstance(node.value, int) and node.value.bit_length() > _LARGEST_INTEGER:
            # Longer ones take quadratic time to write out, which Python refuses beyond some length.
            return f"an integer of {node.value.bit_length()} bits"
        return repr(node.value)
    if node.kind is NodeKind.GLOBAL and isinstance(node.value, tuple):
        return f"{node.value[0]}.{node.value[1]}"
    if node.kind is NodeKind.CALL and node.parts[0].kind is NodeKind.GLOBAL:
        return f"{_words(node.parts[0])} object"
    if node.kind is NodeKind.DICT:
        return f"dict of {len(node.pairs)}"
    if node.kind is NodeKind.PERSISTENT:
        shown = node.parts[0].kind in (NodeKind.ATOM, NodeKind.TUPLE)
        return f"persistent id {_words(node.parts[0])}" if shown else "persistent id"
    if node.kind is NodeKind.TUPLE and len(node.items) <= 4:
        inner = ", ".join(_words(item) if item.kind is NodeKind.ATOM else "..." for item in node.items)
        return f"({inner}{',' if len(node.items) == 1 else ''})"
    return f"{node.kind} of {len(node.items)}"
