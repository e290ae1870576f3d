"""Model objects: the process that makes them, what it may import, and what it tells when it fails."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.core.conditions import FactoryConditions
from hermpkg_build.core.json_codec import from_json, to_json
from hermpkg_build.disk.processes import Children
from hermpkg_build.errors import ActionError, BuildInterruptedError, LocalEnvironmentError, Location
from hermpkg_build.factories.call import NEEDS
from hermpkg_build.factories.make import make_model_object
from hermpkg_build.factories.request import ModelObject, ModelRequest, ObservedImport
from hermpkg_build.pickles.pickled import GlobalReference
from hermpkg_build.store.content import ContentStore
from tests.unit.factories.conftest import ModelWorkspace


def facts(error: ActionError) -> dict[str, str]:
    return dict(error.facts)


def failure(models: ModelWorkspace, body: str, **options: Any) -> ActionError:
    """The error of a factory with this body."""
    models.write(
        "models/net.py", "def make():\n" + "\n".join(f"    {line}" for line in body.splitlines()) + "\n"
    )
    with pytest.raises(ActionError) as caught:
        models.make("models.net:make", **options)
    return caught.value


def test_a_model_without_torch(models: ModelWorkspace) -> None:
    models.write("models/parts/block.py", "class Block:\n    pass\n")
    models.write("models/__init__.py", "")
    models.write(
        "models/net.py",
        """
        from models.parts.block import Block

        class Net:
            def __init__(self, width, names):
                self.width, self.names, self.block = width, set(names), Block()

        def net(width, *, names):
            return Net(width, names)
        """,
    )
    made = models.make("models.net:net", arguments={"width": 3, "names": ["b", "a"]})
    assert made.globals == (
        GlobalReference("builtins", "set"),
        GlobalReference("models.net", "Net"),
        GlobalReference("models.parts.block", "Block"),
    )
    assert made.storages == ()
    assert made.observed_modules == (
        ObservedImport(module="models", importer="", path="", line=0),
        ObservedImport(module="models.net", importer="", path="", line=0),
        ObservedImport(module="models.parts.block", importer="models.net", path="models/net.py", line=2),
    )
    assert made.observed_files.code == tuple(
        str(models.root / path) for path in ("models/__init__.py", "models/net.py", "models/parts/block.py")
    )
    assert from_json(ModelObject, json.loads(json.dumps(to_json(made)))) == made


def test_modules_under_other_names_are_seen(models: ModelWorkspace) -> None:
    models.write("lib/deep.py", "")
    models.write(
        "net.py",
        """
        import sys
        import lib.deep

        sys.modules["lib." + "cp"] = sys.modules["old"] = lib.deep

        def make():
            return 3
        """,
    )
    made = models.make("net:make")
    assert {("lib.cp", "lib.deep"), ("old", "lib.deep")} == set(made.aliases)
    assert from_json(ModelObject, json.loads(json.dumps(to_json(made)))) == made


def test_the_request_survives_json(models: ModelWorkspace) -> None:
    models.write("net.py", "")
    request = models.request(
        "net:make", arguments={"a": [1, None]}, seed=3, conditions=FactoryConditions(hash_seed=7)
    )
    assert from_json(ModelRequest, json.loads(json.dumps(to_json(request)))) == request


def test_the_hash_seed_does_not_show(models: ModelWorkspace) -> None:
    models.write(
        "net.py",
        """
        class Net: pass

        def make():
            net = Net()
            net.words = {f"word {n}" for n in range(100)}
            net.nodes = {Net() for n in range(10)}
            net.late = sorted(net.nodes, key=id)[0]
            return net
        """,
    )
    assert (
        len(
            {
                models.make("net:make", conditions=FactoryConditions(hash_seed=seed)).pickle
                for seed in (0, 1, 2)
            }
        )
        == 1
    )


def test_the_seed_decides_what_is_drawn(models: ModelWorkspace) -> None:
    models.write(
        "net.py", "import random\ndrawn = random.random()\ndef make(): return [drawn, random.random()]\n"
    )
    first, again, other = (models.make("net:make", seed=seed).pickle for seed in (1, 1, 2))
    assert first == again != other


def test_numpy_is_seeded_when_it_is_imported(models: ModelWorkspace) -> None:
    pytest.importorskip("numpy")
    models.write("net.py", "import numpy\ndef make(): return numpy.random.rand(3).tolist()\n")
    assert models.make("net:make", seed=5).pickle == models.make("net:make", seed=5).pickle


def test_nothing_of_the_user_is_seen(models: ModelWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/some/libraries")
    models.write(
        "net.py",
        """
        import os, sys, time
        def make():
            mask = os.umask(0)
            return {"names": sorted(os.environ), "zone": time.tzname, "path": sys.path, "mask": mask,
                    "stdin": sys.stdin.read(), "hash": os.environ["PYTHONHASHSEED"], "argv": sys.argv,
                    "libraries": os.environ["LD_LIBRARY_PATH"], "cwd": os.listdir(),
                    "bytecode": sys.dont_write_bytecode,
                    "home": os.path.expanduser("~")}
        """,
    )
    seen = models.load(models.make("net:make"))
    assert not {"SECRET", "PYTHONPATH", "USER", "HOSTNAME"} & set(seen["names"])
    assert seen["zone"] == ("UTC", "UTC")
    assert str(models.root) not in seen["path"]
    assert seen["mask"] == 0o022
    assert seen["stdin"] == ""
    assert seen["hash"] == "0"
    assert seen["argv"] == ["net:make"]
    assert seen["libraries"] == "/some/libraries"
    assert seen["cwd"] == []
    assert seen["bytecode"] is True
    assert seen["home"].startswith(str(Path(models.content.root)))


def test_what_a_factory_does_besides_disturbs_nothing(models: ModelWorkspace) -> None:
    late = models.root / "late"
    models.write(
        "net.py",
        f"""
        import os, signal, sys, threading, time
        def make():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            print("words " * 1000)
            open("written", "w").write("x")
            os.chdir("/")
            os.umask(0o777)
            threading.Thread(target=lambda: (time.sleep(600), open({str(late)!r}, "w"))).start()
            if os.fork() == 0:
                return "the child of the child"
            sys.stdout.close()
            os.close(1)
            sys.path.clear()
            return "the model"
        """,
    )
    assert models.load(models.make("net:make")) == "the model"
    assert not late.exists()
    assert not (models.root / "written").exists()
    assert not list(models.root.rglob("__pycache__"))
    assert os.listdir(Path(models.content.root) / "tmp") == []


def test_much_output_is_no_trouble(models: ModelWorkspace) -> None:
    models.write("net.py", "def make():\n    for _ in range(100): print('x' * 1_000_000)\n    return 1\n")
    assert models.load(models.make("net:make")) == 1


def test_what_a_factory_puts_among_modules_disturbs_nothing(models: ModelWorkspace) -> None:
    models.write(
        "net.py",
        """
        import importlib.util, sys, types
        class Loud(types.ModuleType):
            def __getattr__(self, name):
                raise ImportError(f"asked for {name}")
        def make():
            sys.modules["loud"] = loud = Loud("loud")
            del loud.__spec__
            spec = importlib.util.find_spec("later")
            sys.modules["later"] = later = importlib.util.module_from_spec(spec)
            importlib.util.LazyLoader(spec.loader).exec_module(later)
            return 5
        """,
    )
    models.write("later.py", "raise RuntimeError('later ran')\n")
    made = models.make("net:make")
    assert models.load(made) == 5


def read_by_factory(made: ModelObject) -> list[str]:
    """The files that were read, but for those of the environment and its Python that any process reads."""
    return [path for path in made.observed_files.read if not path.startswith((sys.prefix, sys.base_prefix))]


def test_files_that_are_read_are_observed(models: ModelWorkspace) -> None:
    words = models.write("data/words.txt", "one")
    models.write(
        "models/net.py",
        """
        import os
        def make():
            here = os.path.dirname(__file__)
            open("/etc/hostname", "a") if False else None
            open(os.path.join(here, "..", "data", "words.txt")).read()
            open("scratch", "w").write("x")
            return open("scratch").read()
        """,
    )
    made = models.make("models.net:make")
    assert read_by_factory(made) == [str(words)]
    assert made.observed_files.code == (str(models.root / "models/net.py"),)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what native code opens")
def test_undeclared_files_that_native_code_reads_are_observed(models: ModelWorkspace) -> None:
    words = [models.write(f"data/{name}.txt", name) for name in ("one", "two", "three")]
    models.write(
        "models/net.py",
        """
        import ctypes, os, subprocess
        def make():
            data = os.path.join(os.path.dirname(os.path.dirname(__file__)), "data")
            os.close(ctypes.CDLL(None).open(os.fsencode(f"{data}/one.txt"), os.O_RDONLY))
            return subprocess.check_output(["cat", f"{data}/two.txt"])
        """,
    )
    made = models.make("models.net:make")
    assert read_by_factory(made) == [str(words[0]), str(words[1]), str(models.root / "models/net.py")]


@pytest.mark.parametrize(
    ("look", "located"),
    [
        ("os.path.exists(path)", ["part"]),
        ("pathlib.Path(path).is_file()", ["part"]),
        ("open(path).close()", ["part"]),
        ("os.stat(path)", ["part"]),
        ("inspect.getsource(function)", []),
        ("linecache.checkcache() or linecache.getlines(path)", []),
        ("warnings.showwarning(UserWarning('w'), UserWarning, path, 1)", []),
        ("path", []),
    ],
)
def test_sources_that_code_looks_for_on_disk_are_observed(
    models: ModelWorkspace, look: str, located: list[str]
) -> None:
    models.write("part.py", "def function(): pass\n")
    models.write(
        "net.py",
        f"""
        import inspect, linecache, os, pathlib, warnings
        from part import function
        def make():
            path = function.__code__.co_filename
            {look}
            return 1
        """,
    )
    assert list(models.make("net:make").located_sources) == located


def test_a_stale_pyc_has_no_say(models: ModelWorkspace) -> None:
    source = models.write("net.py", "def make(): return 'old'\n")
    import py_compile

    py_compile.compile(str(source), doraise=True)
    stat = source.stat()
    source.write_text("def make(): return 'new'\n")
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert models.load(models.make("net:make")) == "new"


def test_an_undeclared_module_is_refused_where_it_is_imported(models: ModelWorkspace) -> None:
    models.write("models/other.py", "")
    models.undeclared.add("models.other")
    error = failure(models, "import models.other\nreturn 1")
    assert error.location == Location("models/net.py", 2)
    assert error.snippet == "import models.other"
    assert "models.other is in the workspace, but the deps of the target do not reach it" in error.summary
    assert facts(error)["file"] == "models/other.py"
    assert "//models" in error.next_step
    assert "deps" in error.next_step


@pytest.mark.parametrize("package", [True, False])
def test_an_undeclared_sibling_in_a_package_is_refused(models: ModelWorkspace, package: bool) -> None:
    if package:
        models.write("models/__init__.py", "")
    models.write("models/deep/__init__.py", "")
    models.undeclared.add("models.deep")
    error = failure(models, "from models import deep\nreturn 1")
    assert "models.deep" in error.summary
    assert facts(error)["file"] == "models/deep/__init__.py"


def test_a_factory_in_an_undeclared_module_is_refused(models: ModelWorkspace) -> None:
    models.write("models/other.py", "")
    models.write("models/net.py", "")
    models.undeclared.add("models.other")
    with pytest.raises(ActionError, match=r"models\.other is in the workspace"):
        models.make("models.other:make")


def test_the_standard_library_is_not_shadowed_by_files_beside(models: ModelWorkspace) -> None:
    models.write("json.py", "raise RuntimeError('shadow')\n")
    models.write("net.py", "import json\ndef make(): return json.dumps([1])\n")
    models.undeclared.add("json")
    assert models.load(models.make("net:make")) == "[1]"


def test_source_roots_on_the_search_path_do_not_count(
    models: ModelWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.write("src/hidden.py", "")
    models.write("src/net.py", "def make():\n    import hidden\n")
    monkeypatch.syspath_prepend(str(models.root / "src"))
    with pytest.raises(ActionError, match="hidden is in the workspace"):
        models.make("net:make", modules={"net": str(models.root / "src/net.py")}, source_roots=("src",))


def test_a_failing_factory_shows_its_own_frames(models: ModelWorkspace) -> None:
    models.write("models/deep.py", "def fail(values):\n    return values['missing']\n")
    error = failure(models, "print('a last word')\nfrom models.deep import fail\nreturn fail({})")
    assert error.summary == "the factory models.net:make raised KeyError: 'missing'"
    assert error.location == Location("models/deep.py", 2)
    assert error.snippet == "return values['missing']"
    assert facts(error)["traceback"].splitlines()[:3] == [
        "Traceback (most recent call last):",
        '  File "models/net.py", line 4, in make',
        "    return fail({})",
    ]
    assert "worker" not in facts(error)["traceback"]
    assert "importlib" not in facts(error)["traceback"]
    assert facts(error)["target"] == "//models:net"
    assert facts(error)["output"] == "a last word"


def test_an_error_in_the_environment_is_placed_where_the_workspace_called(models: ModelWorkspace) -> None:
    error = failure(models, "import json\nreturn json.loads('{')")
    assert error.location == Location("models/net.py", 3)


def test_a_module_that_fails_to_import(models: ModelWorkspace) -> None:
    models.write("net.py", "import no_such_thing\n")
    with pytest.raises(ActionError) as caught:
        models.make("net:make")
    assert caught.value.location == Location("net.py", 1)
    assert "No module named 'no_such_thing'" in caught.value.summary


def test_a_syntax_error_is_placed(models: ModelWorkspace) -> None:
    models.write("net.py", "def make():\n    return (\n")
    with pytest.raises(ActionError) as caught:
        models.make("net:make")
    assert caught.value.location is not None
    assert (caught.value.location.path, caught.value.location.line) == ("net.py", 2)


@pytest.mark.parametrize(
    ("body", "summary"),
    [
        ("raise SystemExit(3)", "ended the process: sys.exit(3)"),
        ("import sys; sys.exit('bye')", "ended the process: sys.exit('bye')"),
        ("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
        ("import os; os._exit(4)", "ended before it had a result: exit status 4"),
        ("import os; os._exit(0)", "ended before it had a result: exit status 0"),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL (perhaps out of memory)"),
        ("import ctypes; ctypes.string_at(0)", "killed by SIGSEGV (a crash in native code)"),
        ("raise MemoryError", "raised MemoryError"),
        ("return make() + 1", "raised RecursionError"),
        ("raise ValueError('one line\\nand another')", "raised ValueError: one line"),
        ("exec('1 +')", "raised SyntaxError: invalid syntax"),
        ("return lambda: 1", "what the factory models.net:make returned cannot be pickled"),
    ],
)
def test_every_bad_end_is_told(models: ModelWorkspace, body: str, summary: str) -> None:
    error = failure(models, body)
    assert summary in error.summary
    assert facts(error)["factory"] == "models.net:make"


@pytest.mark.parametrize(
    ("body", "last_line"),
    [
        ("import argparse; argparse.ArgumentParser().parse_args(['x'])", 'if __name__ == "__main__":'),
        ("get_ipython().system('ls')", 'hermpkg_build.pack(model, "model.pt")'),
        ("import pickle; return pickle.loads(b'c__main__\\nNet\\n.')", "__main__.Net = Net"),
        ("import os; return os.environ['MY_MODEL_DIR']", 'os.environ["MY_MODEL_DIR"] = "..."'),
        ("raise ValueError('set NO_SUCH_VARIABLE')", ""),
        ("return open('no_such_file')", ""),
    ],
)
def test_what_only_a_script_or_a_shell_has_is_told_with_what_to_write(
    models: ModelWorkspace, monkeypatch: pytest.MonkeyPatch, body: str, last_line: str
) -> None:
    monkeypatch.setenv("MY_MODEL_DIR", "/models")
    step = failure(models, body).next_step
    assert (step.splitlines() or [""])[-1].strip() == last_line or (not last_line and "list no_such" in step)


def test_the_path_to_what_cannot_be_pickled(models: ModelWorkspace) -> None:
    error = failure(models, "return {'hooks': [len, lambda: 1]}")
    assert facts(error)["object"] == 'model["hooks"][1]'
    assert "a lambda" in facts(error)["reason"]


def test_the_stack_of_a_crash_is_in_the_output(models: ModelWorkspace) -> None:
    error = failure(models, "import ctypes; ctypes.string_at(0)")
    assert "net.py" in facts(error)["output"]


NET = """
LIMIT = 3

class Trained:
    def load_state_dict(self): pass
    def __call__(self, x): pass

MODEL = Trained()

class Net:
    def __init__(self, width): pass

def resnet(width, depth=2): return [width, depth]
"""


@pytest.mark.parametrize(
    ("factory", "arguments", "summary", "location", "next_step"),
    [
        (
            "models.net:resne",
            {},
            "models.net has no resne",
            Location("models/net.py"),
            "did you mean 'resnet'?",
        ),
        ("models.nte:resnet", {}, "there is no module models.nte", None, "did you mean 'models.net'?"),
        ("models.net:LIMIT", {}, "is a int, and no function", Location("models/net.py"), None),
        ("models.net:MODEL", {}, "is a Trained, and no function", Location("models/net.py"), None),
        (
            "models.net:resnet",
            {"widht": 1},
            "does not take these args",
            Location("models/net.py", 13),
            "did you mean 'width'?",
        ),
        (
            "models.net:resnet",
            {},
            "missing a required argument: 'width'",
            Location("models/net.py", 13),
            NEEDS,
        ),
        ("models.net:Net", {"with": 1}, "does not take these args", Location("models/net.py", 11), None),
        ("models.net", {}, 'a factory reads "module:function"', None, ""),
    ],
)
def test_a_factory_that_cannot_be_called(
    models: ModelWorkspace,
    factory: str,
    arguments: dict[str, Any],
    summary: str,
    location: Location | None,
    next_step: str | None,
) -> None:
    models.write("models/net.py", NET)
    with pytest.raises(ActionError) as caught:
        models.make(factory, arguments=arguments)
    assert summary in caught.value.summary
    assert caught.value.location == location
    assert next_step is None or caught.value.next_step == next_step


def test_a_factory_that_is_an_attribute_of_a_class(models: ModelWorkspace) -> None:
    models.write("net.py", "class Net:\n    @classmethod\n    def small(cls): return cls\n")
    assert models.make("net:Net.small").globals == (GlobalReference("net", "Net"),)


def test_cancelling_kills_the_child_and_what_it_started(models: ModelWorkspace, tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    models.write(
        "net.py",
        f"""
        import os, signal, time
        def make():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.fork()
            while True:
                open({str(beat)!r}, "a").write("x")
                time.sleep(0.01)
        """,
    )
    children = Children()

    def cancel_when_it_runs() -> None:
        while not beat.exists():
            time.sleep(0.01)
        children.cancel()

    canceller = threading.Thread(target=cancel_when_it_runs)
    canceller.start()
    with pytest.raises(BuildInterruptedError):
        make_model_object(models.request("net:make"), models.content, children=children)
    canceller.join()
    size = beat.stat().st_size
    time.sleep(0.2)
    assert beat.stat().st_size == size


@pytest.mark.parametrize(
    "body",
    [
        "return [bytes([i % 251]) * 100_000 for i in range(20)]",
        "open('here', 'wb').write(bytes(2 << 20))",
        "import tempfile; f = tempfile.TemporaryFile(); f.write(bytes(2 << 20)); f.flush()",
        "print('x' * (2 << 20), flush=True)",
        "raise ValueError from OSError(28, 'No space left on device')",
    ],
)
def test_a_full_disk_is_told(models: ModelWorkspace, small_disk: str, body: str) -> None:
    models.content = ContentStore(small_disk)
    models.write("models.py", f"def net():\n    {body}\n")
    with pytest.raises(LocalEnvironmentError, match="no space left") as caught:
        models.make("models:net")
    assert "free" in dict(caught.value.facts)
    assert not os.listdir(os.path.join(small_disk, "tmp"))


def test_several_at_once(models: ModelWorkspace) -> None:
    models.write("net.py", "def make(number): return number\n")
    found: dict[int, Any] = {}

    def make(number: int) -> None:
        found[number] = models.load(models.make("net:make", arguments={"number": number}))

    threads = [threading.Thread(target=make, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: number for number in range(4)}
