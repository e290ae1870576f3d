"""The scanner in C finds what the analysis in Python finds, or leaves a source to it; one place chooses."""

from __future__ import annotations

import re
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hermpkg_build.core.import_facts import IMPORT_CONTEXTS, ImportForm
from hermpkg_build.source import scanner
from hermpkg_build.source.imports import analyse_in_python, analyse_source
from hermpkg_build.source.normal_form import normal_form
from hermpkg_build.version import __version__

REPOSITORY = Path(__file__).resolve().parents[3]
FORMS = (ImportForm.IMPORT, ImportForm.FROM)


@pytest.fixture
def at_work() -> types.ModuleType:
    choice = scanner.choose()
    if choice.extension is None:
        pytest.skip(f"sources are read {choice.told}: make installs hermpkg-speed where there is a compiler")
    return choice.extension


@pytest.fixture
def choose_anew() -> Iterator[Callable[[], scanner.Choice]]:
    scanner.choose.cache_clear()
    yield scanner.choose
    scanner.choose.cache_clear()


PLAIN = [
    "",
    "import a, b.c as d  # e",
    "from . import (a, # b\n\n  c as d,\n)",
    "from ..a.b import *",
    "import a, \\\n  b \\\n as c\nfrom d import e, \\\n  f as \\\n g \\\n\nimport h",
    "'''\nimport a\n'''\nimport b\n\t# c\nimport_c",
    "if TYPE_CHECKING:\n    import a\nelse:\n    import b",
    "if not t.TYPE_CHECKING : pass\nelif x:\n    import a\nelse:\n    import b",
    "if x := TYPE_CHECKING(y):\n    pass\nimport a",
    "try:\n import a\nexcept (A, b.Exception) as e:\n import c\nelse:\n import d\nfinally:\n import e",
    "try:\n  import a\nexcept KeyError: pass",
    "try:\n  import a\nexcept: pass",
    "with suppress(x): pass\nimport a",
    "class A:\n  async def f():\n\n    async for x in y:\n#\n      import a\n  else_ = 1\nimport b",
    "match x:\n  case [1, *y] if z:\n    import a\nmatch = case = 1",
    "while x:\n\tif y:\n\t\timport a\n\telse:\n\t\tpass\nelse:\n        import b",
    "x = {\n  'a': b if c\nelse d\n  # e\n}\nimport f",
    "x = 1 + \\\nimport_y\nimport z",
    "f'{a!r:>{b}} {{c}} {d[\"e\"]}' rF\"{'x'}\\n\" + f'{x != y:.2f}'\nimport a",
    "__all__ = ['a', \"b\", # c\n]\n__all__ += ('d',)\n__all__ += []",
    "__all__ = ()",
    "def f(): return 'é'  # ü\nimport a",
    "x = '''a\\'''\nimport b'''; y = '\\\\'\nimport c",
    'def f(x=lambda: {1: 2}): pass\nif 1if x else"y":\n  import a',
]


@pytest.mark.parametrize("source", PLAIN)
def test_plain_sources_are_read_alike(at_work: types.ModuleType, source: str) -> None:
    data = source.encode()
    found = scanner.scanned_facts(normal_form(data))
    assert found == analyse_in_python(data)


@pytest.mark.parametrize(
    "source",
    [
        "__file__",
        "from pkgutil import get_data as x",
        "import importlib.resources",
        "import a; import b",
        "if x: import a",
        "from a import TYPE_CHECKING as T",
        "if (TYPE_CHECKING):\n import a",
        "try:\n import a\nexcept* A: pass",
        "with suppress(A):\n import a",
        "  import a",
        "if x:\nimport a",
        "if x:\n    import a\n  import b",
        "x = 1\nelse:\n    import a",
        "x = (\nwhile\n)",
        "é = 1",
        "f'{x['y']}'",
        "f'{x:'>3}'",
        "'a\nimport b'",
        "'''",
        "(",
        ")",
        "\\\nimport a",
        "__all__ = ('a')",
        "__all__ += ['a']",
        "if x:\n    __all__ = ['a']",
        "(" * 300 + ")" * 300,
        "".join(f"{' ' * depth}if x:\n" for depth in range(150)) + " " * 150 + "import a",
    ],
)
def test_all_others_are_left_to_python(at_work: types.ModuleType, source: str) -> None:
    assert scanner.scanned_facts(normal_form(source.encode())) is None


def test_most_of_our_own_sources_are_plain(at_work: types.ModuleType) -> None:
    data = [path.read_bytes() for path in (REPOSITORY / "hermpkg_build").rglob("*.py")]
    found = [scanner.scanned_facts(normal_form(each)) for each in data]
    plain = [(facts, each) for facts, each in zip(found, data, strict=True) if facts is not None]
    assert len(plain) > len(data) * 0.8
    assert [facts for facts, _ in plain] == [analyse_in_python(each) for _, each in plain]


def test_facts_are_the_same_without_it(choose_anew, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [source.encode() for source in PLAIN]
    found = [analyse_source(source) for source in sources]
    monkeypatch.setenv("HERMPKG_SPEED", "never")
    scanner.choose.cache_clear()
    assert choose_anew().told == "in Python, since HERMPKG_SPEED is 'never'"
    assert [analyse_source(source) for source in sources] == found


@pytest.mark.parametrize(
    ("module", "told"),
    [
        (None, "in Python: hermpkg-speed cannot be loaded"),
        (types.ModuleType("hermpkg_speed"), f"of version None, not {__version__}"),
        (types.SimpleNamespace(VERSION="0.0.9"), f"of version 0.0.9, not {__version__}"),
        (types.SimpleNamespace(VERSION=__version__), "built from older sources of this version"),
    ],
)
def test_one_that_does_not_fit_is_not_used(module, told, choose_anew, monkeypatch) -> None:
    monkeypatch.delenv("HERMPKG_SPEED", raising=False)
    monkeypatch.setitem(sys.modules, "hermpkg_speed", module)
    choice = choose_anew()
    assert choice.extension is None
    assert choice.told.endswith(told) or "is not installed" in choice.told
    assert scanner.folder() == ""
    assert scanner.scanned_facts(b"\nimport a\n") is None


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        ("import a", (), FORMS, IMPORT_CONTEXTS),
        (b"\nimport a\n", ("a",), FORMS, IMPORT_CONTEXTS),
        (b"\nimport a\n", (b"a" * 64,), FORMS, IMPORT_CONTEXTS),
        (b"\nimport a\n", (b"a",) * 33, FORMS, IMPORT_CONTEXTS),
        (b"\nimport b\n", (b"a",), (), IMPORT_CONTEXTS),
        (b"\nimport b\n", (b"a",), FORMS, ()),
    ],
)
def test_wrong_arguments_are_errors(at_work: types.ModuleType, wrong: tuple) -> None:
    with pytest.raises((TypeError, ValueError, IndexError)):
        at_work.scan(*wrong)


def test_any_bytes_are_safe_to_read(at_work: types.ModuleType) -> None:
    whole = "\n".join(PLAIN).encode()
    for end in range(len(whole)):
        at_work.scan(whole[:end], (b"__file__",), FORMS, IMPORT_CONTEXTS)
        at_work.scan(whole[:end] + b"\0\xff" + whole[end:], (b"__file__",), FORMS, IMPORT_CONTEXTS)


def test_nothing_is_left_in_memory(at_work: types.ModuleType) -> None:
    sources = [
        normal_form(source.encode())
        for source in [*PLAIN, "import a\n__all__ = ['b']\n__file__", "from a import b,"]
    ]

    def read() -> int:
        for _ in range(50):
            for source in sources:
                scanner.scanned_facts(source)
        return sys.getallocatedblocks()

    read()
    assert read() - read() < 50


def test_a_lack_of_memory_is_an_error_at_any_place(at_work: types.ModuleType) -> None:
    testing = pytest.importorskip("_testcapi")
    before = sys.getallocatedblocks()
    source = normal_form(
        b"import a, b\nfrom c import d, e\nif x:\n  import f\n__all__ = ['g']\n__all__ += ['h']\n"
    )
    arguments = (source, (b"__file__",), FORMS, IMPORT_CONTEXTS)
    expected, failures = at_work.scan(*arguments), 0
    for place in range(1, 400):
        testing.set_nomemory(place, place + 1)
        try:
            found = at_work.scan(*arguments)
        except MemoryError:
            found = "none"
        finally:
            testing.remove_mem_hooks()
        if found == "none":
            failures += 1
        else:
            assert found == expected
    assert failures > 5
    assert sys.getallocatedblocks() - before < 50


_IN_ANOTHER = """
import _xxsubinterpreters as interpreters
other = interpreters.create()
interpreters.run_string(other, '''
import hermpkg_speed
assert hermpkg_speed.scan(bytes([10]), (), (1, 2), tuple(range(16))) == ([], None)
''')
interpreters.destroy(other)
import hermpkg_speed
found = hermpkg_speed.scan(b"\\nimport a\\n", (), (1, 2), tuple(range(16)))
assert found == ([("a", 0, (), 1, 0, 1, 1)], None)
print("done")
"""


def test_it_works_in_another_interpreter_of_a_process(at_work: types.ModuleType) -> None:
    pytest.importorskip("_xxsubinterpreters")
    completed = subprocess.run(
        [sys.executable, "-c", _IN_ANOTHER], capture_output=True, text=True, check=False
    )
    assert completed.stdout == "done\n", completed.stderr


@pytest.mark.parametrize(
    "piece",
    [
        "import a\n",
        "x = '''\\\\\n'''\n",
        "'" + "\\\\" * 20 + "'\n",
        "if x:\n  import a\nelif y:\n  pass\n",
        "try:\n  import a\nexcept A: pass\n",
        "f'{a}{{' '\\'' # '\n",
        "x = [\n'a' 'b',\n]\n",
        "__all__ = ['a']\n",
    ],
)
def test_work_grows_with_the_source_alone(at_work: types.ModuleType, piece: str) -> None:
    """With work that grows with its square, this would not end."""
    source = normal_form((piece * 200_000).encode())
    assert at_work.scan(source, (b"__file__",), FORMS, IMPORT_CONTEXTS) is not None


def test_the_types_say_what_there_is(at_work: types.ModuleType) -> None:
    stub = (REPOSITORY / "hermpkg_build/source/native/hermpkg_speed.pyi").read_text()
    named = set(re.findall(r"^(?:def |class )?(\w+)[:(]", stub, re.MULTILINE))
    assert named == {name for name in vars(at_work) if not name.startswith("__")}
