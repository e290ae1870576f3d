"""What packed source can do is read from its text, under whatever names it does it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.scanning.capabilities import Capability, CodeUse, capabilities_of, resolved
from tests.unit.scanning.code_samples import ONLY_COMPUTES, STARTS_PROCESSES


def uses_of(source: str) -> list[CodeUse]:
    facts = capabilities_of(source.encode(), "pkg.mod")
    assert facts.problem == ""
    return list(facts.uses)


def told(source: str) -> set[Capability]:
    return {use.capability for use in uses_of(source)}


@pytest.mark.parametrize("source", STARTS_PROCESSES)
def test_a_process_that_is_started_is_told(source: str) -> None:
    assert Capability.PROCESSES in told(source)


@pytest.mark.parametrize(
    ("source", "capability"),
    [
        ("import socket\nsocket.create_connection(('h', 1))", Capability.NETWORK),
        ("from urllib.request import urlopen", Capability.NETWORK),
        ("import requests\nrequests.get('u')", Capability.NETWORK),
        ("import torch\ntorch.hub.load('a', 'b')", Capability.NETWORK),
        ("open('x', 'w')", Capability.WRITES),
        ("open('x', mode='ab')", Capability.WRITES),
        ("open('x', mode)", Capability.WRITES),
        ("f = open\nf('x', 'w')", Capability.WRITES),
        ("import io\nio.open('x', 'w')", Capability.WRITES),
        ("open('x')", Capability.READS),
        ("open('x', 'rb')", Capability.READS),
        ("from pathlib import Path\nPath('x').write_text('y')", Capability.WRITES),
        ("from pathlib import Path\nPath('x').open('w')", Capability.WRITES),
        ("import shutil\nshutil.rmtree('x')", Capability.WRITES),
        ("import os\nos.remove('x')", Capability.WRITES),
        ("import torch\ntorch.save(1, 'x')", Capability.WRITES),
        ("eval('1')", Capability.EVALUATES),
        ("exec('1')", Capability.EVALUATES),
        ("compile('1', '', 'eval')", Capability.EVALUATES),
        ("__builtins__['eval']('1')", Capability.EVALUATES),
        ("import builtins\nbuiltins.exec('1')", Capability.EVALUATES),
        ("import runpy\nrunpy.run_path('x')", Capability.EVALUATES),
        ("import types\ntypes.FunctionType(c, {})", Capability.EVALUATES),
        ("import marshal\nmarshal.loads(b'')", Capability.EVALUATES),
        ("import ctypes\nctypes.CDLL('x')", Capability.NATIVE),
        ("import torch\ntorch.ops.load_library('x')", Capability.NATIVE),
        ("from torch.utils.cpp_extension import load", Capability.NATIVE),
        ("import pickle\npickle.loads(b'')", Capability.UNPICKLES),
        ("from pickle import loads as l\nl(b'')", Capability.UNPICKLES),
        ("import torch\ntorch.load('x')", Capability.UNPICKLES),
        ("import torch\ntorch.load('x', weights_only=flag)", Capability.UNPICKLES),
        ("import torch\ntorch.load('x', weights_only=True)", Capability.READS),
        ("import numpy as np\nnp.load('x', allow_pickle=True)", Capability.UNPICKLES),
        ("import numpy as np\nnp.load('x')", Capability.READS),
        ("import joblib\njoblib.load('x')", Capability.UNPICKLES),
        ("import sys\nsys.path.insert(0, 'x')", Capability.IMPORTS),
        ("import sys\nsys.path += ['x']", Capability.IMPORTS),
        ("import sys\nsys.modules['os'] = None", Capability.IMPORTS),
        ("import sys\ndel sys.modules['os']", Capability.IMPORTS),
        ("import sys\nsys.meta_path.append(1)", Capability.IMPORTS),
        ("import builtins\nbuiltins.open = f", Capability.INTERNALS),
        ("().__class__.__base__.__subclasses__()", Capability.INTERNALS),
        ("f.__globals__['os']", Capability.INTERNALS),
        ("getattr(f, '__globals__')", Capability.INTERNALS),
        ("import sys\nsys._getframe().f_back", Capability.INTERNALS),
        ("import importlib\nimportlib.import_module(name)", Capability.COMPUTED_IMPORT),
        ("__import__(name)", Capability.COMPUTED_IMPORT),
        ("import os\ngetattr(os, name)", Capability.COMPUTED),
        ("import os\nhand(os)", Capability.COMPUTED),
        ("import torch\ngetattr(torch, name)", Capability.COMPUTED),
        ("import numpy as np\nnp.load('x', None, True)", Capability.UNPICKLES),
        ("import os\nx = [os]", Capability.COMPUTED),
        ("import os\nx = os.__dict__", Capability.COMPUTED),
        ("import os\nos.__getattribute__(name)", Capability.COMPUTED),
        ("import os\nisinstance(1, os.system('x'))", Capability.PROCESSES),
        ("import os\nclass A:\n    o = os", Capability.COMPUTED),
        ("import os\nself.o = os", Capability.COMPUTED),
        ("import os\nos.__dict__[name]", Capability.COMPUTED),
        ("modules = map(__import__, names)", Capability.COMPUTED),
        ("import functools, os\nfunctools.reduce(getattr, ['system'], os)", Capability.COMPUTED),
        ("import os\nos.environ['X']", Capability.ENVIRONMENT),
        ("import threading\nthreading.Thread()", Capability.THREADS),
        ("import signal\nsignal.signal(1, f)", Capability.THREADS),
    ],
)
def test_capabilities_are_told(source: str, capability: Capability) -> None:
    assert capability in told(source)


@pytest.mark.parametrize("source", ONLY_COMPUTES)
def test_what_only_computes_is_clean(source: str) -> None:
    assert told(source) == set()


def test_places_count_characters_from_one_and_name_the_function_around() -> None:
    source = "import os\nclass Model:\n    def forward(self):\n        'ß'; os.system('x')\n"
    (use,) = uses_of(source)
    assert (use.line, use.column, use.function, use.at_import) == (4, 14, "Model.forward", False)


@pytest.mark.parametrize(
    ("source", "at_import"),
    [
        ("import os\nos.system('x')", True),
        ("import os\nclass A:\n    os.system('x')", True),
        ("import os\ndef f(x=os.system('x')): ...", True),
        ("import os\ndef f():\n    os.system('x')", False),
        ("import os\ndef f():\n    os.system('x')\nf()", True),
        ("import os\ndef f():\n    os.system('x')\ndef g():\n    f()\ng()", True),
        ("import os\nclass A:\n    def __init__(self):\n        os.system('x')\nA()", True),
        ("import os\ndef f(g):\n    os.system('x')\n@f\ndef h(): ...", True),
        ("import os\nif __name__ == '__main__':\n    os.system('x')", False),
        ("import os\nf = lambda: os.system('x')", False),
    ],
)
def test_what_runs_on_import_is_told_apart(source: str, at_import: bool) -> None:
    assert [use.at_import for use in uses_of(source)] == [at_import]


def test_a_module_reached_through_another_packed_module_is_followed() -> None:
    compat = capabilities_of(b"import os as system_module", "pkg.compat")
    source = b"from pkg.compat import system_module as m\nm.system('x')\n"
    source += b"import pkg.compat as c\nc.system_module.fork()"
    facts = capabilities_of(source, "pkg.mod", packed={"pkg"})
    exports = {"pkg.compat": compat.exports, "pkg.mod": facts.exports}
    found = {use.name for reference in facts.references for use in resolved(reference, exports)}
    assert found == {"os.system", "os.fork"}


@pytest.mark.parametrize("source", [b"x = (", b"\xff", b"# coding: nonsense\n", b"a\0b", b"(" * 10_000])
def test_what_cannot_be_read_is_said_to_be(source: bytes) -> None:
    assert capabilities_of(source).problem


@given(st.text(alphabet="osystem.=()[]{}'\"\n :,lambdifgetr_", max_size=80))
def test_any_text_is_read_without_an_error(source: str) -> None:
    capabilities_of(source.encode())


def test_nothing_is_hidden_by_very_much_else() -> None:
    mild = "import os\n" + "os.environ\n" * 6000 + "os.system('x')\n"
    assert Capability.PROCESSES in told(mild)
    others = "".join(f"import m{number} as x\n" for number in range(200)) + "import os as x\nx.system('y')\n"
    assert Capability.PROCESSES in told(others)
    aliases = "import os\n" + "".join(f"x = y{number}\n" for number in range(200)) + "x = os\nx.system('y')\n"
    assert Capability.PROCESSES in told(aliases)


def test_names_that_stand_for_one_another_without_end_are_given_up() -> None:
    source = "import os\na0 = os\n" + "".join(f"a{n + 1} = a{n} or a{n}\n" for n in range(60)) + "a60.x\n"
    assert "stand for one another" in capabilities_of(source.encode()).problem
