"""Stands for the objects of modules that were mocked when this artifact was built."""

# This file is packed as it is. It imports nothing, so that no artifact needs a module because of
# it, and runs on every Python that may load an artifact.


class MockedObject:
    """Stands for an object of a mocked module: it can be imported and passed on, and nothing else."""

    __slots__ = ("_mocked_name",)

    def __init__(self, name: str) -> None:
        """Stand for the object with the dotted name `name`."""
        object.__setattr__(self, "_mocked_name", name)

    def __repr__(self) -> str:
        return f"MockedObject({object.__getattribute__(self, '_mocked_name')})"

    # Annotations such as Optional[mocked] hash what they are given and compare it with None, with
    # classes and with typing's own forms. That is no use of it, and must not fail an import.
    def __hash__(self) -> int:
        return id(self)

    def __getattr__(self, name: str) -> object:
        # Tools ask objects for special attributes to learn what they are: nothing special, here.
        if _is_special(name):
            raise AttributeError(name)
        raise _use_of(self, f"its attribute {name!r} was asked for")

    def __setattr__(self, name: str, value: object) -> None:
        raise _use_of(self, f"its attribute {name!r} was set")

    def __delattr__(self, name: str) -> None:
        raise _use_of(self, f"its attribute {name!r} was deleted")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if other is None or isinstance(other, type) or type(other).__module__ in _ANNOTATING:
            return False
        raise _use_of(self, "it was compared")

    def __ne__(self, other: object) -> bool:
        return not self == other


def attribute(module: str, name: str, submodules: "tuple[str, ...]" = ()) -> MockedObject:
    """What the mocked module with the dotted name `module` has under `name`.

    Raises AttributeError for special names, so that a mocked module has no ``__all__`` and no
    ``__wrapped__``, and for `submodules`, so that Python imports those instead.
    """
    if _is_special(name) or name in submodules:
        raise AttributeError(f"module {module!r}, mocked when this package was built, has no {name!r}")
    return MockedObject(f"{module}.{name}")


_ANNOTATING = ("typing", "typing_extensions")

_BINARY = "add sub mul matmul truediv floordiv mod pow lshift rshift and xor or"

_USES = {
    "it was called": "call",
    "it was used as a base class": "mro_entries",
    "it was used as a type": "instancecheck subclasscheck",
    "it was subscripted": "getitem setitem delitem",
    "it was iterated over": "iter next reversed aiter anext",
    "its length was asked for": "len",
    "it was searched": "contains",
    "its truth was asked for": "bool",
    "it was compared": "lt le gt ge",
    "it was converted": "int float complex index bytes fspath round trunc floor ceil",
    "it was entered by a with statement": "enter exit aenter aexit",
    "it was awaited": "await",
    "it was copied or pickled": "copy deepcopy reduce reduce_ex",
    "it was used in an expression": " ".join(
        [
            "neg pos abs invert divmod rdivmod",
            *(f"{operator} r{operator} i{operator}" for operator in _BINARY.split()),
        ]
    ),
}


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _use_of(mocked: MockedObject, how: str) -> NotImplementedError:
    name = object.__getattribute__(mocked, "_mocked_name")
    return NotImplementedError(
        f"{name!r} was mocked out when this package was built, so it cannot be used: {how}"
    )


def _refusing(how: str) -> object:
    def refuse(self: MockedObject, *_arguments: object, **_named: object) -> object:
        raise _use_of(self, how)

    return refuse


for _how, _names in _USES.items():
    for _name in _names.split():
        setattr(MockedObject, f"__{_name}__", _refusing(_how))
