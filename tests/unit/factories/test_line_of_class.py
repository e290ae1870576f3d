"""The lines of classes go into no model unseen; who only passes them on is not taken for one who looks."""

from __future__ import annotations

import pytest

from hermpkg_build.factories.failures import FactoryError
from hermpkg_build.source.class_lines import CLASSES_KNOW_LINES
from tests.unit.factories.conftest import ModelWorkspace

LOOKS = {
    "attribute": "return A.__firstlineno__",
    "of_instance": "return A().__firstlineno__",
    "of_base": "return super(B, B).__firstlineno__",
    "by_name": "import operator; return operator.attrgetter('__firstlineno__')(A)",
    "by_type": "return type.__getattribute__(A, '__firstlineno__')",
    "as_it_is": "return vars(A)['__firstlineno__']",
    "in_a_list": "return [{'line': vars(A)['__firstlineno__'], 'x': x, 'y': [x]} for x in range(99)]",
    "number": "return vars(A)['__firstlineno__'] + 1",
    "shown": "return f'{vars(A)}'",
    "texts": "return [str(value) for value in A.__dict__.values() if isinstance(value, int)]",
    "native": "return b'x' * vars(A)['__firstlineno__']",
    "native_formatted": "return '%d' % vars(A)['__firstlineno__']",
    "native_range": "return list(range(vars(A)['__firstlineno__']))",
    "native_packed": "import struct; return struct.pack('i', vars(A)['__firstlineno__'])",
    "native_array": "import array; return array.array('i', [vars(A)['__firstlineno__']])",
    "hashed": "return hash(vars(A)['__firstlineno__'])",
    "key": "return [*{A.__dict__['__firstlineno__']: 1}]",
    "compared": "return [number for number in range(9999) if number == vars(A)['__firstlineno__']]",
    "sorted": "return sorted([vars(B)['__firstlineno__'], vars(A)['__firstlineno__'], 7])",
    "copied": "import copy; return copy.deepcopy({**vars(A)}['__firstlineno__'])",
    "pickled": "import pickle; return pickle.loads(pickle.dumps(vars(A)['__firstlineno__'], 2))",
    "pickled_by_python": "import pickle; return pickle._dumps(vars(A)['__firstlineno__'])",
    "bits": "return vars(A)['__firstlineno__'].bit_length()",
    "members": "import inspect; return [v for _, v in inspect.getmembers(A, lambda v: type(v) is int)]",
    "static": "import inspect; return int(inspect.getattr_static(A, '__firstlineno__'))",
    "source": "import inspect; return inspect.getsource(A)",
    "place": "import inspect; return inspect.getsourcelines(B)[1]",
    "metaclass": (
        "class Meta(type):\n"
        "        def __new__(mcs, name, bases, namespace):\n"
        "            made = super().__new__(mcs, name, bases, namespace)\n"
        "            made.shown = {name: repr(value) for name, value in namespace.items()}\n"
        "            return made\n"
        "    class C(metaclass=Meta): pass\n"
        "    return C.shown['__firstlineno__']"
    ),
    "prepared": (
        "class Space(dict):\n"
        "        def __setitem__(self, name, value):\n"
        "            super().__setitem__(name, value)\n"
        "            seen.append(str(value)) if name == '__firstlineno__' else None\n"
        "    seen = []\n"
        "    class Meta(type):\n"
        "        def __prepare__(name, bases): return Space()\n"
        "    class C(metaclass=Meta): pass\n"
        "    return seen"
    ),
    "in_the_body": "class C: line = __firstlineno__ + 1\n    return C.line",
    "in_its_locals": "class C: line = repr(locals())\n    return C.line.partition('firstlineno')[2]",
    "of_function": "def f():\n        class C: pass\n        return C\n    return f().__firstlineno__",
    "subclass_told": (
        "class C:\n        def __init_subclass__(cls): cls.line = cls.__firstlineno__\n"
        "    class D(C): pass\n    return D.line"
    ),
    "decorated": (
        "def mark(cls):\n        cls.line = cls.__firstlineno__\n        return cls\n"
        "    @mark\n    class C: pass\n    return C.line"
    ),
    "made_anew": "return type('C', (), dict(vars(A))).__firstlineno__",
    "slots": (
        "import dataclasses\n    @dataclasses.dataclass(slots=True)\n    class C: x: int = 1\n"
        "    return C.__firstlineno__"
    ),
    "constants": "return [*map(repr, make.__code__.co_consts)]",
    "bytes_of_code": "return make.__code__.co_code",
    "by_value": (
        "import types\n    def f():\n        class C: pass\n        return C\n"
        "    return types.FunctionType(f.__code__.replace(co_name='g'), {'__name__': 'g'})().__firstlineno__"
    ),
    "cached": (
        "import functools\n    @functools.lru_cache\n    def f(value): return value\n"
        "    return int(f(vars(A)['__firstlineno__']))"
    ),
}
"""What can be told of the line of a class, by code behind two classes A and B."""
RUNS = {
    "class_made": "return A().x",
    "names": "return [*vars(A)], dir(A)",
    "copied_class": "return type('C', (A,), dict(vars(A))).x",
    "data": "import dataclasses\n    @dataclasses.dataclass\n    class C: x: int = 1\n    return C().x",
    "data_in_slots": (
        "import dataclasses\n    @dataclasses.dataclass(slots=True, frozen=True)\n    class C: x: int = 1\n"
        "    return dataclasses.asdict(C())"
    ),
    "abstract": (
        "import abc\n    class C(abc.ABC):\n        @abc.abstractmethod\n        def f(self): pass\n"
        "    class D(C):\n        def f(self): return 5\n    return D().f()"
    ),
    "enumerated": (
        "import enum\n    class C(enum.Enum): X = 1; Y = enum.auto()\n"
        "    return [(each.name, each.value) for each in C]"
    ),
    "named": "import typing\n    class C(typing.NamedTuple):\n        x: int = 1\n    return tuple(C())",
    "typed": "import typing\n    class C(typing.TypedDict): x: int\n    return C(x=1)",
    "protocol": (
        "import typing\n    @typing.runtime_checkable\n    class C(typing.Protocol): x: int\n"
        "    return isinstance(A(), C)"
    ),
    "generic": (
        "from typing import Generic, TypeVar\n    T = TypeVar('T')\n"
        "    class C(Generic[T]): x = 4\n    return C[int]().x"
    ),
    "subclass_noted": (
        "class C:\n        def __init_subclass__(cls): cls.names = [n for n in vars(cls) if n[0] != '_']\n"
        "    class D(C): x = 7\n    return D.names"
    ),
    "metaclass_made": (
        "class Meta(type):\n        def __new__(mcs, name, bases, space):\n"
        "            space = {k: v for k, v in space.items() if k != '_cached'}\n"
        "            return super().__new__(mcs, name, bases, space)\n"
        "    class C(metaclass=Meta): x = 8\n    return C.x"
    ),
    "called": "import inspect; return str(inspect.signature(A.f))",
    "cached_property": (
        "import functools\n    class C:\n        @functools.cached_property\n        def x(self): return 9\n"
        "    return C().x"
    ),
}
"""What does nothing with the line."""
CLASSES = "class A:\n    x = 3\n    def f(self, y): return self.x\nclass B(A): pass\n"


def made(models: ModelWorkspace, above: str) -> tuple[dict[str, object], set[str]]:
    """What each of the bodies gives behind lines that are `above` the classes, and whose texts count."""
    bodies = {**LOOKS, **RUNS}
    for name, body in bodies.items():
        models.write(f"pkg/{name}.py", f"{above}{CLASSES}def make():\n    {body}\n")
    models.write(
        "net.py",
        f"from pkg import {', '.join(bodies)}\n"
        f"def make(): return {{m.__name__[4:]: m.make() for m in [{', '.join(bodies)}]}}\n",
    )
    model = models.make("net:make")
    start = str(models.root / "pkg") + "/"
    texts = {path.removeprefix(start)[:-3] for path in model.observed_files.read if path.startswith(start)}
    return models.load(model), texts


@pytest.mark.skipif(not CLASSES_KNOW_LINES, reason="classes do not know their lines")
def test_what_tells_the_line_of_a_class_has_its_module_count_by_its_text(models: ModelWorkspace) -> None:
    values, by_text = made(models, "")
    shifted, by_text_then = made(models, "# why\n\n# so\n")
    assert by_text == by_text_then == LOOKS.keys()
    assert {name: values[name] for name in RUNS} == {name: shifted[name] for name in RUNS}
    same = {name for name in LOOKS if values[name] == shifted[name]}
    assert same == {"source", "constants", "bytes_of_code"}, "which could have been others"
    assert values["attribute"] == values["as_it_is"] == values["copied"] == 1
    assert values["number"] == values["of_instance"] + 1 == 2


def test_a_module_with_classes_counts_by_its_code(models: ModelWorkspace) -> None:
    for name, body in RUNS.items():
        models.write(f"{name}.py", f"{CLASSES}def make():\n    {body}\n")
    models.write(
        "net.py", f"import {', '.join(RUNS)}\ndef make(): return [m.make() for m in [{', '.join(RUNS)}]]\n"
    )
    observed = models.make("net:make").observed_files
    assert [path for path in observed.read if path.startswith(str(models.root))] == []
    assert len(observed.code) == len(RUNS) + 1


REFUSED = {
    "json": "import json; return json.dumps({k: v for k, v in vars(A).items() if isinstance(v, int)})",
    "marshal": (
        "import marshal\n    def f():\n        class C: pass\n        return C\n"
        "    return marshal.loads(marshal.dumps(f.__code__)).co_argcount + 1"
    ),
    "told_otherwise": (
        "import json\n    try: return json.dumps(vars(A)['__firstlineno__'])\n"
        "    except TypeError as error: raise RuntimeError('no number') from error"
    ),
    "native": "import ctypes; return ctypes.c_int(vars(A)['__firstlineno__']).value",
    "of_another_type": (
        "line = vars(A)['__firstlineno__']\n"
        "    if type(line) is int: return line\n"
        "    raise RuntimeError(f'no way to take a {type(line).__name__}')"
    ),
}


@pytest.mark.skipif(not CLASSES_KNOW_LINES, reason="classes do not know their lines")
def test_what_refuses_the_line_of_a_class_gets_a_plain_number(models: ModelWorkspace) -> None:
    found = {}
    for name, body in REFUSED.items():
        path = models.write(f"of_{name}.py", f"{CLASSES}def make():\n    {body}\n")
        made = models.make(f"of_{name}:make")
        assert str(path) in made.observed_files.read
        found[name] = models.load(made)
    assert found == {
        "json": '{"__firstlineno__": 1, "x": 3}',
        "marshal": 1,
        "told_otherwise": "1",
        "native": 1,
        "of_another_type": 1,
    }


def test_a_factory_that_fails_otherwise_is_told_of_and_not_run_again(models: ModelWorkspace) -> None:
    runs = models.root / "runs"
    count = f"open({str(runs)!r}, 'a').write('x')"
    models.write("net.py", f"{CLASSES}def make():\n    {count}\n    return B().f(1, 2)\n")
    with pytest.raises(FactoryError, match=r"f\(\) takes 2 positional arguments but 3 were given"):
        models.make("net:make")
    assert runs.read_text() == "x"
