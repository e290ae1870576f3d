"""The module that takes the place of ``__main__``: what is asked for, what that refers to, and no more."""

import textwrap
import types

import pytest

from hermpkg_build.errors import ActionError
from hermpkg_build.generate.main_module import MainModule


def ran(*cells, file="script.py"):
    """A MainModule of texts that were run one after the other, as a script or as cells."""
    texts = [
        (file if len(cells) == 1 else f"<ipython-input-{i}>", textwrap.dedent(c)) for i, c in enumerate(cells)
    ]
    main = types.ModuleType("__main__")
    for name, text in texts:
        exec(compile(text, name, "exec"), vars(main))
    return main, texts


def module_with(wanted, *cells):
    main, texts = ran(*cells)
    made = MainModule(name="made", namespace=vars(main), texts=texts, wanted=set(wanted))
    return made.source()


def loaded(wanted, *cells):
    source = module_with(wanted, *cells)
    module = types.ModuleType("made")
    exec(compile(source, "made.py", "exec"), vars(module))
    return module


def test_a_definition_brings_what_it_refers_to_and_no_more():
    source = module_with(
        ["Net"],
        """
        import json
        import os as system
        WIDTH = 2 ** 3
        LOG = []
        unused = open(__import__("os").devnull)

        def helper(x):
            return json.dumps(x) + other()

        def other():
            return "!"

        def stranger():
            return system

        class Net:
            size = WIDTH
            def __call__(self, x):
                return helper(x)
        """,
    )
    assert "WIDTH = 8" in source
    assert "import json" in source
    for absent in ("LOG", "unused", "stranger", "system"):
        assert absent not in source


def test_it_runs_like_the_original():
    module = loaded(
        ["Net"],
        """
        from dataclasses import dataclass
        from collections import OrderedDict as Ordered

        def register(cls):
            TABLE[cls.__name__] = cls
            return cls

        TABLE = {}
        LIMITS = {"low": float("-inf"), "kinds": (int, Ordered)}

        @dataclass
        class Point:
            x: int = 3

        @register
        class Net(Point):
            def __call__(self):
                return [self.x, LIMITS["low"], (lambda y: y + STEP)(1), Ordered(a=1)]

        STEP = 5
        """,
    )
    assert module.Net()() == [3, float("-inf"), 6, {"a": 1}]


def test_the_last_cell_that_defines_a_name_counts():
    module = loaded(
        ["f"],
        "def f():\n    return helper()\n",
        "def helper():\n    return 1\n",
        "def helper():\n    return 2\n",
    )
    assert module.f() == 2


def test_a_definition_that_is_older_than_the_value_is_not_taken():
    module = loaded(["f"], "def f():\n    return 1\nold = f\ndef f():\n    return 2\nf = old\n")
    assert module.f() == 1


def test_definitions_in_blocks_are_found():
    module = loaded(
        ["Net"],
        """
        try:
            import no_such_module
        except ImportError:
            no_such_module = None

        if no_such_module is None:
            class Net:
                '''Text
            that must stay as it is.'''
                def __call__(self):
                    return no_such_module
        """,
    )
    assert module.Net()() is None
    assert module.Net.__doc__ == "Text\n            that must stay as it is."[:0] + module.Net.__doc__


def test_aliases_and_named_tuples_are_made_again():
    module = loaded(
        ["f"],
        """
        from collections import namedtuple
        from typing import Optional, TypeVar
        Pair = namedtuple("Pair", "a b")
        T = TypeVar("T")
        Numbers = list[int]
        double = lambda x: 2 * x

        def f(x: Optional[T] = None) -> Numbers:
            return Pair(1, double(2))
        """,
    )
    assert module.f() == (1, 4)


def test_annotations_as_texts_count():
    assert "class Other" in module_with(["f"], "class Other: pass\ndef f(x: 'Other'): pass\n")


def test_a_value_that_cannot_be_written_is_named_with_its_line():
    with pytest.raises(ActionError) as caught:
        module_with(["f"], "cache = object()\n\ndef f():\n    return cache\n")
    text = str(caught.value)
    assert text.startswith("script.py:1: f needs the value of cache, a object")
    assert "->" in text


def test_local_names_are_no_global_ones():
    module_with(["f"], "x = object()\ndef f():\n    x = 3\n    return [x for x in (1, 2)]\n")


def test_a_definition_whose_text_is_gone_is_told():
    main, _ = ran("class Net: pass\n")
    made = MainModule(name="made", namespace=vars(main), texts=[], wanted={"Net"})
    with pytest.raises(ActionError, match="the source of Net"):
        made.source()


@pytest.mark.parametrize(
    "edited",
    [
        "def f(x=1):\n    return x + 2\n",
        "def f(x=1):\n    return abs(x)\n",
        "def f(x=1):\n    y = x\n    return y\n",
    ],
)
def test_a_text_that_was_edited_since_it_ran_is_not_taken(edited):
    main, _ = ran("def f(x=1):\n    return x + 1\n")
    made = MainModule(name="made", namespace=vars(main), texts=[("script.py", edited)], wanted={"f"})
    with pytest.raises(ActionError, match="not what its source says now"):
        made.source()


def test_decorated_functions_and_properties_are_those_of_the_text():
    module = loaded(
        ["Net"],
        """
        import functools

        def twice(function):
            @functools.wraps(function)
            def call(*arguments):
                return 2 * function(*arguments)
            return call

        class Net:
            @property
            def one(self):
                return 1

            @staticmethod
            def two():
                return [y for y in (1, 2)][-1]

            @twice
            def three(self):
                super().__init__()
                return self.one + self.two()
        """,
    )
    assert module.Net().three() == 6


def test_features_from_the_future_stay():
    assert module_with(["f"], "from __future__ import annotations\ndef f(x: Nothing): pass\n").startswith(
        "from __future__ import annotations\n"
    )
