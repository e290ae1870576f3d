"""Factories that a warm process forks make what those in fresh processes make, and else are run in these."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.disk.processes import Children
from hermpkg_build.disk.signatures import mark_of
from hermpkg_build.errors import ActionError, BuildInterruptedError
from hermpkg_build.factories import early_fork
from hermpkg_build.factories.early_fork import fork_early
from hermpkg_build.factories.import_order import guess_roots
from hermpkg_build.factories.make import make_model_object
from hermpkg_build.factories.request import ModelObject, ModelRequest
from hermpkg_build.factories.sockets import private_folder
from hermpkg_build.factories.warm_client import WarmProcesses, WarmSettings
from hermpkg_build.store.content import ContentStore
from tests.unit.factories.conftest import ModelWorkspace

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="warm processes are for Linux")

ONE = """
import one.part
import os, random, tempfile, warnings
assert os.path.isdir(tempfile.gettempdir())
warnings.filterwarnings("ignore", "from one")
HOME = os.path.expanduser("~")
MODE = os.environ.get("MODE", "none")
class Thing:
    def __init__(self, value):
        self.value = value
    def scale(self):
        return 1
"""
TWO = """
import one
import os
os.environ["TWO"] = "loaded"
SEEN = one.Thing.scale(None), one.MODE, os.environ.get("BETWEEN", "none")
one.two = "two was here"
class Pair(one.Thing):
    pass
"""


AGAIN = """
import sys
import one as first
del sys.modules["one"]
import one
one.MODE = "again"
first.MODE = "first"
"""


LAZY = """
import sys, types
class Lazy(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return name
found = Lazy(__name__)
found.__spec__ = __spec__
sys.modules[__name__] = found
"""


POOLS = """
import multiprocessing.spawn
def search_path():
    return multiprocessing.spawn.get_preparation_data("one")["sys_path"]
"""


class Warm:
    """A workspace, an environment with the libraries `one` and `two`, and warm processes for them."""

    def __init__(self, models: ModelWorkspace, site: Path) -> None:
        self.models = models
        self.site = site
        self.roots: Sequence[str] | None = None
        self.kept: list[Sequence[str]] = []
        self.sockets: list[str] = []
        self.processes = self.opened()
        self.library("one/__init__.py", ONE)
        self.library("one/part.py", "X = 1\n")
        self.library("two.py", TWO)
        self.library("again.py", AGAIN)
        self.library("lazy.py", LAZY)
        self.library("pools.py", POOLS)

    def opened(self, *, idle_s: float = 60.0, with_build: bool = True) -> WarmProcesses:
        return WarmProcesses(
            WarmSettings(
                idle_s=idle_s,
                with_build=with_build,
                roots_of=self.roots_of,
                keep_roots=lambda _, roots: self.kept.append(roots),
                keep_socket=self.sockets.append,
            )
        )

    def roots_of(self, request: ModelRequest) -> Sequence[str]:
        return guess_roots("net", request.modules) if self.roots is None else self.roots

    def library(self, path: str, text: str) -> None:
        file = self.site / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        # Files that changed a moment ago could change again unseen.
        time.sleep(0.02)

    def request(self, text: str, **options: Any) -> ModelRequest:
        self.models.write("net.py", text)
        return replace(self.models.request("net:make", **options), search_path=(str(self.site),))

    def make(self, text: str, children: Children | None = None, **options: Any) -> ModelObject:
        request = self.request(text, **options)
        return make_model_object(request, self.models.content, warm=self.processes, children=children)

    def cold(self, text: str, **options: Any) -> ModelObject:
        return make_model_object(self.request(text, **options), self.models.content)


@pytest.fixture
def warm(models: ModelWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warm]:
    # Paths of sockets are short.
    runtime = tempfile.mkdtemp(prefix="warm ")
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    made = Warm(models, tmp_path / "site")
    yield made
    made.processes.close()
    shutil.rmtree(runtime, ignore_errors=True)


SAME = {
    "a library that is loaded twice": (
        "import one, again\nimport sys\n"
        "def make(): return [again.first.MODE, one.MODE, sys.modules['one'].MODE]"
    ),
    "a lazy library": ("import lazy, one\ndef make(): return [sorted(vars(lazy)), lazy.part, one.MODE]"),
    "one root": "import one\ndef make(): return one.Thing(1)",
    "two roots": "import one, two\ndef make(): return two.Pair([two.SEEN, one.two])",
    "a part": "from one.part import X\nimport one\ndef make(): return one.Thing(X)",
    "a root in the function": "import one\ndef make():\n    import two\n    return two.Pair(1)",
    "what is loaded": (
        "import sys\nbefore = 'one' in sys.modules, 'one.part' in sys.modules\nimport one\n"
        "def make(): return one.Thing([before, [n for n in sys.modules if n.startswith(('one', 'two'))]])"
    ),
    "the environment": (
        "import os\nbefore = os.environ.get('TWO')\nimport one, two\n"
        "def make(): return one.Thing([before, os.environ['TWO'], sorted(os.environ)])"
    ),
    "random numbers": (
        "import random, one\nX = random.random()\ndef make(): return one.Thing([X, random.random()])"
    ),
    "a set": "import one\ndef make(): return one.Thing({'a', 'b', 'c', one.Thing})",
    "warnings": "import warnings, one\ndef make(): return one.Thing(str(warnings.filters[0]))",
    "a look": "import one\ndef make(): return one.Thing(open(__file__).read())",
    "specs": (
        "import one\nspec = one.__spec__\n"
        "def make(): return one.Thing([spec.name, spec.has_location, type(spec.loader).__name__, one.part.X])"
    ),
    "processes that are started anew": (
        "import pools, one, two\ndef make(): return two.Pair(pools.search_path().count(sys_path()))\n"
        "def sys_path():\n    import os\n    return os.path.dirname(__file__)"
    ),
    "files for a while": (
        "import one, tempfile\ndef make():\n    tempfile.TemporaryFile().close()\n    return one.Thing(1)"
    ),
    "a probe": (
        "import importlib.util\nfound = importlib.util.find_spec('one') is not None\nimport one\n"
        "def make(): return one.Thing(found)"
    ),
}


@pytest.mark.parametrize("kind", SAME)
def test_what_is_made_and_seen_is_the_same(kind: str, warm: Warm) -> None:
    warmed = warm.make(SAME[kind], seed=7)
    assert warm.processes.refused == []
    assert warmed == warm.cold(SAME[kind], seed=7)


OTHER = {
    "a variable before a root": (
        "import os\nos.environ['MODE'] = 'set'\nimport one\ndef make(): return one.Thing(one.MODE)"
    ),
    "a variable between roots": (
        "import one, os\nos.environ['BETWEEN'] = 'set'\nimport two\ndef make(): return one.Thing(two.SEEN)"
    ),
    "a class that was changed": (
        "import one\none.Thing.scale = lambda self: 2\nimport two\ndef make(): return [*two.SEEN]"
    ),
    "a module that was changed": "import one\none.MODE = 'set'\nimport two\ndef make(): return [*two.SEEN]",
    "the standard library, changed": (
        "import os.path\nos.path.expanduser = lambda path: '/home'\nimport one\ndef make(): return one.HOME"
    ),
    "another order": "import two, one\ndef make(): return [*two.SEEN]",
    "a root less": "import one, two\ndef make(): return 1",
    "a failure": "import one\ndef make(): raise ValueError('text')",
    "the home of another": "import one, os\ndef make(): return os.listdir(one.HOME)",
    "all objects": "import gc, one\ndef make(): return any(each is one.Thing for each in gc.get_objects())",
    "all objects, when one is saved": (
        "import gc, one\nclass Saved:\n    def __getstate__(self):\n"
        "        return {'seen': any(each is one.Thing for each in gc.get_objects())}\n"
        "def make(): return Saved()"
    ),
    "what refers to an object": (
        "import gc, one\ndef make(): return any(each is vars(one) for each in gc.get_referrers(one.Thing))"
    ),
}


@pytest.mark.parametrize("kind", OTHER)
def test_what_could_differ_is_made_in_a_fresh_process(kind: str, warm: Warm) -> None:
    if kind == "another order":
        warm.roots = ("one", "two")
    if kind == "a root less":
        warm.make(OTHER[kind])
        warm.roots = ("one", "two")
    text = OTHER[kind].replace("import one, two\n", "import one\n") if kind == "a root less" else OTHER[kind]
    assert _result(warm.make, text) == _result(warm.cold, text)
    assert len(warm.processes.refused) == 1


def _result(make: Callable[[str], ModelObject], text: str) -> object:
    try:
        return make(text)
    except ActionError as error:
        return str(error)


UNFIT = {
    "draws": "import random\nX = random.random()\n",
    "writes": "import os\nopen(os.path.expanduser('~/file'), 'w').close()\nX = 1\n",
    "patches": "import one\none.Thing.scale = lambda self: 5\nX = 1\n",
    "fails": "raise ImportError\n",
    "threads": "import threading as t, time\nX = t.Thread(target=time.sleep, args=[9], daemon=1).start()\n",
    "looks around": "import os\nX = os.listdir()\n",
    "leaves things": "import os\nos.environ['LEFT'] = '1'\nopen(os.path.expanduser('~/f'), 'w')\nX = 1\n",
}


@pytest.mark.parametrize("kind", UNFIT)
def test_a_library_that_cannot_be_imported_ahead_is_imported_each_time(kind: str, warm: Warm) -> None:
    warm.library("unfit.py", UNFIT[kind])
    text = (
        "import one\ntry:\n    import unfit\n    X = unfit.X\nexcept ImportError:\n    X = 0\n"
        "def make(): return [X, one.Thing.scale(None)]"
    )
    warm.make(text, seed=1)
    for seed in (2, 3):
        refused = len(warm.processes.refused)
        assert warm.make(text, seed=seed) == warm.cold(text, seed=seed)
        assert len(warm.processes.refused) == refused
    assert {*warm.kept} <= {("one", "unfit")}


ASKS = {
    "where it is": "os.path.realpath(os.curdir) != '', os.path.exists(os.getcwd())",
    "for what is not there": "os.path.exists('settings.toml'), os.path.realpath('data') != ''",
}


@pytest.mark.parametrize("kind", ASKS)
def test_a_library_that_asks_is_imported_ahead(kind: str, warm: Warm) -> None:
    warm.library("asking.py", f"import os\nANSWERS = {ASKS[kind]}\nPROCESS = os.getpid()\n")
    text = "import asking, os\ndef make(): return asking.PROCESS == os.getpid()"
    assert warm.models.load(warm.make(text)) is False
    text = text.replace("asking.PROCESS == os.getpid()", "[*asking.ANSWERS]")
    assert warm.make(text) == warm.cold(text)


@pytest.mark.parametrize(
    "before", ["open('settings.toml', 'w').close()", "os.makedirs('in/data')\nos.chdir('in')"]
)
def test_a_library_that_asks_is_answered_as_the_factory_has_it(before: str, warm: Warm) -> None:
    warm.library(
        "asking.py", f"import os\nANSWERS = {ASKS['for what is not there']}, os.path.isdir('data')\n"
    )
    warm.make("import asking\ndef make(): return [*asking.ANSWERS]")
    text = f"import os\n{before}\nimport asking\ndef make(): return repr(asking.ANSWERS)"
    assert warm.make(text) == warm.cold(text)


def parents(warm: Warm, text: str = "import one, os\ndef make(): return os.getppid()") -> object:
    """The process that forked a factory, as it says."""
    return warm.models.load(warm.make(text))


def test_one_process_serves_all_and_ends_with_the_build(warm: Warm) -> None:
    first = parents(warm)
    assert isinstance(first, int)
    assert first == parents(warm) != os.getpid()
    warm.processes.close()
    assert _gone(first)


def test_a_collection_leaves_alone_what_was_imported_ahead(warm: Warm) -> None:
    text = "import one, gc\ndef make(): return [one.MODE, gc.get_freeze_count() > 1000]"
    assert warm.models.load(warm.make(text)) == ["none", True]


def test_libraries_that_change_are_imported_again(warm: Warm) -> None:
    text = "import one\ndef make(): return one.part.X"
    assert warm.models.load(warm.make(text)) == 1
    warm.library("one/part.py", "X = 2\n")
    for _ in range(2):
        assert warm.models.load(warm.make(text)) == 2


def test_libraries_that_change_while_they_are_imported_are_not_imported_ahead_again_and_again(
    warm: Warm,
) -> None:
    text = "import one, os\ndef make(): return os.getppid()"
    late = warm.site / "one/late.txt"
    warm.library("one/__init__.py", f"open({str(late)!r}, 'a').close()\nopen({str(late)!r}).close()\n")
    for _ in range(2):
        assert warm.models.load(warm.make(text)) == os.getpid()
    assert len(warm.processes.started) == 1


def test_modules_of_the_workspace_come_before_what_was_imported(warm: Warm) -> None:
    text = "import one\ndef make(): return one.part.X"
    warm.library("one/__init__.py", "import helper\nimport one.part\n")
    warm.library("helper.py", "X = 1\n")
    warm.make(text)
    warm.models.write("helper.py", "raise ValueError('mine')\n")
    with pytest.raises(ActionError, match="mine"):
        warm.make(text)


def test_a_process_that_is_killed_costs_only_time(warm: Warm) -> None:
    warm.roots = ("one",)
    warm.models.write("wait.txt", "")
    killed = (
        "import one, os, signal\ndef make():\n    if os.getppid() != PARENT:\n"
        "        os.kill(os.getppid(), signal.SIGKILL)\n        import time; time.sleep(60)\n    return 1"
    ).replace("PARENT", str(os.getpid()))
    assert warm.models.load(warm.make(killed)) == 1
    assert isinstance(parents(warm), int)


def test_two_builds_at_once_share_a_process(warm: Warm) -> None:
    warm.processes.close()
    warm.processes = warm.opened(idle_s=1.0, with_build=False)
    request = warm.request("import one, os\ndef make(): return os.getppid()")
    found: list[object] = []

    def build() -> None:
        processes = warm.opened(idle_s=1.0, with_build=False)
        found.append(warm.models.load(make_model_object(request, warm.models.content, warm=processes)))

    threads = [threading.Thread(target=build) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({*found}) == 1
    assert isinstance(found[0], int)
    assert _gone(found[0])


@pytest.fixture
def early(warm: Warm) -> Iterator[int]:
    """The process that the warm one has forked for the next factory, which is not known yet."""
    warm.roots = ("one",)
    warm.processes.close()
    warm.processes = warm.opened(with_build=False)
    parent = parents(warm)
    folder = private_folder()
    assert folder is not None
    fork_early(os.path.join(folder, warm.sockets[-1]))
    (fork,) = early_fork._early.values()
    yield _pid_of(fork)
    early_fork.drop_early()
    assert isinstance(parent, int)
    os.kill(parent, signal.SIGKILL)


def _pid_of(fork: early_fork.Fork) -> int:
    """The process that was forked, of which the answer is left to others."""
    answer = b""
    while not answer.endswith(b"}"):
        answer = fork.connection.recv(1 << 10, socket.MSG_PEEK)
    return int(json.JSONDecoder().raw_decode(answer[4:].decode(errors="replace"))[0]["pid"])


def test_a_process_forked_early_runs_the_first_factory(early: int, warm: Warm) -> None:
    text = (
        "import one, os\n"
        "def make(): return os.getpid(), os.getcwd(), os.environ['HOME'], os.environ['TMPDIR']"
    )
    first, second = (warm.models.load(warm.make(text)) for _ in range(2))
    assert first[0] == early != second[0]
    assert [os.path.basename(path) for path in first[1:]] == ["work", "home", "tmp"]
    assert len({*first, *second}) == 8


def test_a_process_forked_early_that_nobody_needs_ends_with_the_build(early: int, warm: Warm) -> None:
    fork_early(next(iter(early_fork._early)))  # once is enough
    assert len(early_fork._early) == 1
    warm.processes.close()
    assert _gone(early)


def test_a_process_forked_early_that_is_killed_costs_only_time(early: int, warm: Warm) -> None:
    os.kill(early, signal.SIGKILL)
    text = "import one, os\ndef make(): return os.getpid()"
    assert warm.models.load(warm.make(text)) != early


def test_a_process_forked_early_dies_with_a_build_that_is_killed(warm: Warm, early: int) -> None:
    (path,) = early_fork._early
    build = (
        "import sys, time\nfrom hermpkg_build.factories import early_fork\n"
        "from hermpkg_build.factories.warm_messages import receive\nearly_fork.fork_early(sys.argv[1])\n"
        "print(receive(early_fork._early[sys.argv[1]].connection)[0]['pid'], flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", build, path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        forked = int(process.stdout.readline())
        assert not _is_gone(forked)
        process.kill()
    assert _gone(forked)


RAN = "import one, os\nopen(FILE, 'a').write(VALUE)\ndef make(): return os.getpid(), VALUE"


class Ready:
    """A process that is forked early for what `RAN` says, and the file that this writes to."""

    def __init__(self, warm: Warm, path: str, file: Path) -> None:
        self.warm = warm
        self.file = file
        self.tmp = os.path.join(warm.models.content.root, "tmp")
        os.makedirs(self.tmp, exist_ok=True)
        self.request = self.write("1")
        warm.models.write("read.txt", "by the build")
        fork_early(path, self.tmp, dumps(to_json(self.request)))
        self.pid = _pid_of(early_fork._early[path])
        time.sleep(0.3)  # It would do more by now, if it did.

    def write(self, value: str) -> ModelRequest:
        return self.warm.request(RAN.replace("FILE", repr(str(self.file))).replace("VALUE", repr(value)))

    def make(self, request: ModelRequest) -> object:
        made = make_model_object(request, self.warm.models.content, warm=self.warm.processes)
        return self.warm.models.load(made)

    def has_run(self) -> str:
        return self.file.read_text() if self.file.exists() else ""


@pytest.fixture
def ready(early: int, warm: Warm, tmp_path: Path) -> Ready:
    (path,) = early_fork._early
    early_fork.drop_early()
    assert _gone(early)
    return Ready(warm, path, tmp_path / "ran")


def test_a_process_that_is_ready_runs_what_it_was_told_when_somebody_asks(ready: Ready) -> None:
    assert ready.has_run() == ""
    assert ready.make(ready.request) == (ready.pid, "1")
    ready.warm.processes.close()
    assert ready.has_run() == "1"
    assert os.listdir(ready.tmp) == []


def test_a_process_that_is_ready_runs_the_code_that_is_there_when_somebody_asks(ready: Ready) -> None:
    assert ready.make(ready.write("2")) == (ready.pid, "2")
    assert ready.has_run() == "2"


@pytest.mark.parametrize(
    "other", [{"seed": 5}, {"label": "//:other"}, {"arguments": {}, "source_roots": ("", "src")}]
)
def test_a_process_that_is_ready_does_nothing_else(other: dict[str, Any], ready: Ready) -> None:
    made = ready.make(replace(ready.request, **other))
    assert isinstance(made, tuple)
    assert made[0] != ready.pid
    ready.warm.processes.close()
    assert _is_gone(ready.pid)
    assert os.listdir(ready.tmp) == []
    assert ready.has_run() == "1"


def test_a_process_that_is_ready_works_for_one_cache_only(ready: Ready, tmp_path: Path) -> None:
    content = ContentStore(str(tmp_path / "another"))
    made = make_model_object(ready.request, content, warm=ready.warm.processes)
    assert content.path_of(made.pickle) is not None
    assert not _is_gone(ready.pid)


def test_a_process_that_is_ready_and_killed_costs_only_time(ready: Ready) -> None:
    os.kill(ready.pid, signal.SIGKILL)
    made = ready.make(ready.request)
    assert isinstance(made, tuple)
    assert made[0] != ready.pid


@pytest.fixture
def seeking(warm: Warm) -> None:
    """The library `one` does without a module that it looks for."""
    warm.library("one/part.py", "try:\n    import maybe\nexcept ImportError:\n    pass\nX = 1\n")


def test_a_process_that_is_unfit_when_it_gets_ready_ends_by_itself_and_costs_only_time(
    seeking: None, early: int, warm: Warm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = early_fork._early
    early_fork.drop_early()
    modules = {**warm.models.modules(), "maybe": str(warm.models.write("elsewhere/maybe.py", ""))}
    monkeypatch.setattr(warm.models, "modules", lambda: modules)
    ready = Ready(warm, path, tmp_path / "ran")
    assert _gone(ready.pid)
    assert ready.has_run() == ""
    made = ready.make(ready.request)
    assert isinstance(made, tuple)
    assert made[0] != ready.pid
    ready.warm.processes.close()
    assert (ready.has_run(), os.listdir(ready.tmp)) == ("1", [])


def test_a_process_that_was_ready_and_is_unfit_in_the_end_costs_only_time(ready: Ready, warm: Warm) -> None:
    warm.models.write(
        "net.py", "import gc, one, os\ndef make(): return os.getpid(), len(gc.get_objects()) > 0"
    )
    made = ready.make(ready.request)
    assert isinstance(made, tuple)
    assert made[0] != ready.pid
    assert warm.processes.refused == ["hermpkg: the garbage collector was asked for objects"]
    ready.warm.processes.close()
    assert _is_gone(ready.pid)
    assert os.listdir(ready.tmp) == []


def test_a_process_that_is_ready_sees_no_file_that_was_opened_before(ready: Ready, warm: Warm) -> None:
    (warm.models.root / "read.txt").read_text()
    made = make_model_object(ready.request, warm.models.content, warm=warm.processes)
    assert made.workspace_reads == ()


def test_nobody_waits_for_the_end_of_a_process_that_is_done(
    warm: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm.make("import one\ndef make(): return 1")
    ending: list[ExitStack] = []
    monkeypatch.setattr(WarmProcesses, "end_later", lambda _, stack: ending.append(stack))
    text = (
        "import one, os, time\ndef make():\n    child = os.fork()\n    if not child: time.sleep(60)\n"
        "    return os.getpid(), child, os.environ['HOME']"
    )
    made = warm.models.load(warm.make(text))
    (stack,) = ending
    assert os.path.isdir(made[2])
    stack.close()
    assert _is_gone(made[0])
    assert _gone(made[1])
    assert not os.path.exists(made[2])


CLOSING = """
import one, os
def make():
    os.closerange(3, 100)
    files = [os.open(os.devnull, os.O_WRONLY)]
    files += [os.open(PATH, os.O_WRONLY | os.O_CREAT) for _ in range(60)]
    return len(files)
"""


def test_a_factory_that_closes_all_descriptors_is_waited_for(warm: Warm, tmp_path: Path) -> None:
    file = tmp_path / "file"
    text = CLOSING.replace("PATH", repr(str(file)))
    assert warm.models.load(warm.make(text)) == 61
    assert warm.processes.refused == []
    assert file.read_bytes() == b""


def test_what_changes_after_a_process_was_forked_early_is_seen(early: int, warm: Warm) -> None:
    warm.library("one/part.py", "X = 22\n")
    made = warm.make("import one, os\ndef make(): return one.part.X, os.getpid()")
    assert warm.models.load(made) == (1, early)
    seen = made.observed_files
    marks = dict(zip((*seen.read, *seen.code), seen.marks, strict=True))
    path = str(warm.site / "one/part.py")
    assert marks[path] != mark_of(os.stat(path))


def test_a_stopped_build_leaves_nothing_of_its_factory(warm: Warm) -> None:
    children = Children()
    file = warm.models.root / "pid"
    text = (
        f"import one, os, time\ndef make():\n    open({str(file)!r}, 'w').write(str(os.getpid()))\n"
        "    time.sleep(60)"
    )
    told: list[BaseException] = []

    def build() -> None:
        try:
            warm.make(text, children=children)
        except BuildInterruptedError as error:
            told.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    _until(lambda: file.exists() and bool(file.read_text()))
    children.cancel()
    thread.join(20)
    assert len(told) == 1
    assert _gone(int(file.read_text()))


@pytest.mark.parametrize("mode", [0o777, 0o750])
def test_a_folder_that_others_can_enter_is_not_used(
    mode: int, warm: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = private_folder()
    assert folder is not None
    os.chmod(folder, mode)
    assert private_folder() is None
    assert parents(warm) == os.getpid()


def test_roots_are_guessed_from_sources(models: ModelWorkspace) -> None:
    models.write("pkg/__init__.py", "import first\n")
    models.write("pkg/part.py", "from . import other\nimport json, third.deep\n")
    models.write("pkg/other.py", "try:\n    import second\nexcept ImportError:\n    import never\n")
    models.write("net.py", "from pkg import part\nimport fourth\ndef make():\n    import fifth\n")
    assert guess_roots("net", models.modules()) == ("first", "second", "third", "third.deep", "fourth")


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def _gone(process: int) -> bool:
    """Whether a process ends."""
    _until(lambda: _is_gone(process))
    return True


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
