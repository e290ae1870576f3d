"""The tensors of a pickle with their recipes, under the names that the `state_dict` of its object has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from typing import NamedTuple

from hermpkg_build.core.collection_pause import paused_collection
from hermpkg_build.dataclass import dataclass
from hermpkg_build.pickles.path_steps import quoted
from hermpkg_build.pickles.reading.naming_walk import NamingWalk, leading_to, start_of_walk
from hermpkg_build.pickles.reading.nodes import Node, NodeKind
from hermpkg_build.pickles.reading.paths import Path, is_global, key_text, root_path
from hermpkg_build.pickles.reading.recipes import NoRecipe, Recipe, recipe_of

_MOST_NAMES = 1 << 20
_MOST_VISITS = 1 << 17
_MOST_LETTERS = 64 << 20
_LONGEST_NAME = 64 << 10
_GRAPH_MODULES = frozenset({"reduce_package_graph_module", "reduce_graph_module"})
_ITEM = frozenset({"itemgetter"})
_MAPPINGS = frozenset({"OrderedDict"})
_SETS = frozenset({"set", "frozenset"})
_BUILTINS = ("builtins", "__builtin__")
"""Protocol 2, in which torch.save writes, has the names of Python 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorEntry:
    """A name, and how the tensor is put together that has it; one tensor can have several names.

    `in_state` says that a state dict of the pickle's object has it; in a pickle of anything but a module, all
    are. `place` tells tensors apart: entries of the same tensor have the same.
    """

    name: str
    recipe: Recipe
    place: int
    in_state: bool = True


class TooManyNamesError(ValueError):
    """The objects of a pickle give its tensors more names, or longer ones, than anything sensible does."""


def tensor_entries(root: Node, record: str) -> list[TensorEntry]:
    """List the tensors of the pickle `record` whose object is `root`, each under every name that it has.

    A torch module's have the keys of its `state_dict`, in that order; after them come those that are no part
    of that, by their paths (``model.cache["k"][0]``). Of a dict, the keys are names.
    Raises TooManyNamesError, and ValueError where two tensors have one name.
    """
    with paused_collection:
        found = _Found()
        attributes = _module_attributes(root)
        if attributes is not None:
            for name, node in _module_tensors(root):
                found.add(name, node, in_state=True)
        for name, other, node in _elsewhere(root, record, found):
            found.add(name, node, in_state=attributes is None, other_name=other)
    return list(found.entries.values())


class _Found:
    """The entries found, and the recipes of all nodes that were asked for."""

    def __init__(self) -> None:
        self.entries: dict[str, TensorEntry] = {}
        self.places: set[int] = set()
        self._letters = 0
        self._recipes: dict[int, Recipe | None] = {}

    def recipe(self, node: Node) -> Recipe | None:
        """Return the recipe of `node`, made once."""
        if node.kind is not NodeKind.CALL and node.kind is not NodeKind.PERSISTENT:
            return None
        if id(node) not in self._recipes:
            made = None if _graph_module_attributes(node) is not None else recipe_of(node)
            self._recipes[id(node)] = made
        return self._recipes[id(node)]

    def is_tensor(self, node: Node) -> bool:
        return self.recipe(node) is not None

    def add(self, name: str, node: Node, *, in_state: bool, other_name: str = "") -> None:
        recipe = self.recipe(node)
        if recipe is None:
            if node.kind is NodeKind.ATOM:
                return
            recipe = NoRecipe(reason=f"it is made by code: {key_text(node)}")
        known = self.entries.get(name)
        if known is not None:
            if known.place == id(node):
                return
            if not other_name or other_name in self.entries:
                raise ValueError(f"two tensors have the name {name[:200]!r}")
            name = other_name
        self._letters += len(name)
        if len(self.entries) >= _MOST_NAMES or self._letters > _MOST_LETTERS:
            raise TooManyNamesError(f"its tensors have more than {len(self.entries)} names")
        self.places.add(id(node))
        self.entries[name] = TensorEntry(name=name, recipe=recipe, place=id(node), in_state=in_state)


def _elsewhere(root: Node, record: str, found: _Found) -> Iterator[tuple[str, str, Node]]:
    """Give the tensors that are not found yet: the name of each, another name if that is taken, its node."""
    known = frozenset(found.places)
    starts = start_of_walk(root, record)
    # Of items with one key the last counts, as a dict has it; the rest of the dict has no key.
    unique = {path.dotted: (path, node) for path, node in starts}
    starts = []
    for path, node in unique.values():
        # Most state dicts are flat: their tensors need no walk.
        if path.parent is None and path.dotted and found.is_tensor(node):
            yield path.dotted, "", node
        else:
            starts.append((path, node))
    walk = NamingWalk(leading_to(starts, found.is_tensor), found.recipe)
    for path, node, _ in walk.run(starts):
        if id(node) not in known:
            text = str(path)
            yield path.state_key() or text, _by_key(text, path, record), node
    if walk.is_cut:
        raise TooManyNamesError("its objects lead to its tensors in too many ways")


def _by_key(text: str, path: Path, record: str) -> str:
    """Return the path ``model["net"].weight`` for ``net.weight``, where ``net`` is a key of the dict."""
    first = path
    while first.parent is not None:
        first = first.parent
    if not first.dotted:
        return text
    return f"{root_path(record)}[{quoted(first.text)}]{text[len(first.text) :]}"


def _module_attributes(node: Node) -> dict[str, Node] | None:
    """Return the attributes of a torch module, by what its pickle sets; None for any other object."""
    node = _chosen(node)
    graph_module = _graph_module_attributes(node)
    if graph_module is not None:
        return graph_module
    if node.kind is not NodeKind.CALL or not node.states:
        return None
    attributes: dict[str, Node] = {}
    for state in node.states:
        for part in (state, *(state.items if state.kind is NodeKind.TUPLE else ())):
            if part.kind is NodeKind.DICT:
                attributes.update(_named(part.pairs))
    return attributes if _has_tables(attributes) else None


def _has_tables(attributes: dict[str, Node]) -> bool:
    tables = (attributes.get("_parameters"), attributes.get("_modules"))
    return all(_mapping(table) is not None for table in tables)


def _chosen(node: Node) -> Node:
    """Return the first of several objects where ``itemgetter(0)`` is called to give it.

    That is how parametrized modules are written: the others are calls that change the class of the first.
    """
    if node.kind is NodeKind.CALL and len(node.parts) == 2 and node.parts[0].kind is NodeKind.CALL:
        getter = node.parts[0]
        which = getter.parts[1].items if len(getter.parts) == 2 else []
        among = node.parts[1].items
        is_getter = is_global(getter.parts[0], "operator", _ITEM) and len(which) == 1 and which[0].value == 0
        if is_getter and len(among) == 1 and among[0].items:
            return among[0].items[0]
    return node


def _graph_module_attributes(node: Node) -> dict[str, Node] | None:
    """Return those of a module of torch.fx, whose class is made of a text, and its attributes of a dict."""
    items = node.parts if node.kind is NodeKind.CALL else []
    if node.kind is NodeKind.PERSISTENT:
        items = node.parts[0].items
    for function, arguments in pairwise(items):
        is_maker = is_global(function, "torch.fx.graph_module", _GRAPH_MODULES)
        if is_maker and arguments.kind is NodeKind.TUPLE and arguments.items:
            attributes = _mapping(arguments.items[0])
            if attributes is not None and _has_tables(attributes):
                return attributes
    return None


def _named(pairs: Iterable[tuple[Node, Node]]) -> dict[str, Node]:
    """Return the items whose keys are texts; of several with one key the last, as a dict has it."""
    return {key.value: value for key, value in pairs if isinstance(key.value, str)}


def _mapping(node: Node | None) -> dict[str, Node] | None:
    """Return the items of a dict or an OrderedDict; None for any other object."""
    if node is None:
        return None
    if node.kind is NodeKind.DICT:
        return _named(node.pairs)
    if node.kind is NodeKind.CALL and is_global(node.parts[0], "collections", _MAPPINGS):
        listed = node.parts[1].items[:1] if len(node.parts) > 1 else []
        pairs = [
            (pair.items[0], pair.items[1]) for each in listed for pair in each.items if len(pair.items) == 2
        ]
        return _named(chain(pairs, node.pairs))
    return None


def _texts(node: Node | None) -> set[object]:
    """Return the elements of a set."""
    if node is None:
        return set()
    listed = node.items
    if node.kind is NodeKind.CALL and any(is_global(node.parts[0], name, _SETS) for name in _BUILTINS):
        listed = [item for argument in node.parts[1].items for item in argument.items]
    return {item.value for item in listed if isinstance(item.value, str)}


def _module_tensors(root: Node) -> Iterator[tuple[str, Node]]:
    """Give what the `state_dict` of a module has, in its order: its name and its node.

    Raises TooManyNamesError where modules lie in each other too deep, or a module in itself.
    """
    visits = 0
    stack: list[tuple[str, Node, int]] = [("", root, 0)]
    way: list[int] = []
    contents: dict[int, _Contents | None] = {}
    while stack:
        prefix, node, depth = stack.pop()
        del way[depth:]
        visits += 1
        if id(node) in way[-1000:] or len(prefix) > _LONGEST_NAME or visits > _MOST_VISITS + len(contents):
            raise TooManyNamesError("its modules hold themselves, or lie in each other too deep")
        way.append(id(node))
        if id(node) not in contents:
            contents[id(node)] = _contents(node)
        content = contents[id(node)]
        if content is None:
            yield prefix.removesuffix("."), node
            continue
        for name, value in content.tensors:
            yield prefix + name, value
        stack += [(f"{prefix}{name}.", module, depth + 1) for name, module in reversed(content.modules)]


class _Contents(NamedTuple):
    """What a module itself has of a state dict, and the modules in it."""

    tensors: list[tuple[str, Node]]
    modules: list[tuple[str, Node]]


def _contents(node: Node) -> _Contents | None:
    attributes = _module_attributes(node)
    if attributes is None:
        return None
    hidden = _texts(attributes.get("_non_persistent_buffers_set"))
    tensors = [*(_mapping(attributes["_parameters"]) or {}).items()]
    buffers = _mapping(attributes.get("_buffers")) or {}
    tensors += [(name, value) for name, value in buffers.items() if name not in hidden]
    modules = (_mapping(attributes["_modules"]) or {}).items()
    return _Contents(tensors, [(name, each) for name, each in modules if each.kind is not NodeKind.ATOM])
