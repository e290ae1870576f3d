"""Starts Python programs by forking processes that have imported what these import first.

That takes a tenth of the time, and what is forked has its own words, folder, variables, descriptors, session
and end, as what is started has. Where an interpreter would begin otherwise, a real one is started.
"""

from __future__ import annotations

import atexit
import inspect
import json
import marshal
import os
import re
import select
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import MAGIC_NUMBER, find_spec
from pathlib import Path
from typing import Any, ClassVar

from hermpkg_build.analysis.search_path import environment_search_path
from hermpkg_build.core.conditions import FactoryConditions
from hermpkg_build.core.json_codec import from_json
from hermpkg_build.disk.library_paths import library_paths
from hermpkg_build.engine.targets import package_test_main
from hermpkg_build.factories import child
from hermpkg_build.factories.early_fork import REQUEST
from hermpkg_build.factories.processor import baseline_variables
from hermpkg_build.factories.request import BASELINE, ModelRequest
from tests.forks import server

REPOSITORY = Path(__file__).resolve().parents[2]
_PACKAGE = REPOSITORY / "hermpkg_build"
_WORKER = os.path.join(os.path.dirname(child.__file__), "worker.py")
_INTERPRETER = "hermpkg_build.loading.interpreter_main"
_STARTING = ("PYTHON", "LC_", "LANG", "LD_", "TZ", "MALLOC_", "GLIBC_", "OPENSSL_", "GRPC_")
"""What the names of variables begin with that are read when an interpreter or a library starts."""
_HEEDED = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
"""Those of them that what is forked heeds, or that change nothing where output is no terminal."""
_NOT_AHEAD = ("integrations", "serving", "setuptools_command", "runtime.distribution", "wheels", "__main__")
"""What no process of a command imports."""
_LIBRARIES = ("rich.console", "rich.progress", "sqlite3")
_STOP_S = 10.0
_FLAGS_OF_TESTS = ["-I", "-B", *child.SOURCES_SPEAK]
_OF_ITS_OWN = {"HOME": "", "TMPDIR": ""}
"""The variables that name folders of each factory's own."""
_TORCH = re.compile(rb"^\s*(import|from)\s.*\btorch\b", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class _Request:
    server: ForkServer
    argv: Sequence[str]
    run: tuple[str, str]


_inherited: dict[str, tuple[int, int]] = {}
"""The sockets and numbers of servers that another process has started, by their kinds."""


class ForkServer:
    """A process that forks others. It ends when nobody is left who could ask it."""

    def __init__(
        self,
        flags: Sequence[str],
        env: Mapping[str, str],
        *,
        modules: Sequence[str],
        path: Sequence[str] = (),
        never: Sequence[str] = (),
        prepare: Sequence[object] = (),
        libraries: Sequence[object] = (),
        kept: Sequence[int] = (),
    ) -> None:
        told = {"modules": modules, "path": path, "never": never, "prepare": prepare, "libraries": libraries}
        self.kind = json.dumps([flags, sorted(env.items()), told])
        """What it is started with: another process may have started one of the same kind."""
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()
        if self.kind in _inherited:
            descriptor, self.number = _inherited[self.kind]
            self.requests = socket.socket(fileno=descriptor)
            return
        self.requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = _program()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, *flags, f"/dev/fd/{program}", str(theirs.fileno()), json.dumps(told)],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno(), program, *kept],
            )
        self.number = self._process.pid
        """The number of its process, which is the parent of what it forks."""
        atexit.register(self.stop)

    def stop(self) -> str:
        """Ask no more; return what it has said. What is forked from here does nothing."""
        if os.getpid() != self._owner or self._process is None:
            return ""
        self.requests.close()
        try:
            said: bytes = self._process.communicate(timeout=_STOP_S)[1]
        except subprocess.TimeoutExpired:
            # Something that was forked from here goes on, and could still ask.
            self._process.kill()
            said = self._process.communicate()[1]
        return said.decode(errors="replace")

    def fork(self, request: Mapping[str, Any], descriptors: Mapping[int, int]) -> tuple[int, int]:
        """Fork a process with descriptors, by the numbers they are to have.

        Returns its number, and the pipe that is told its end.
        """
        shared = {"umask": _umask(), "parent": os.getpid(), "descriptors": list(descriptors)}
        message = json.dumps({**request, **shared}).encode()
        assert len(message) <= server.LONGEST, "the words and variables are too long for a fork"
        told, telling = os.pipe()
        try:
            socket.send_fds(self.requests, [message], [*descriptors.values(), telling])
        except OSError as error:
            os.close(told)
            raise AssertionError(f"nothing can be forked: {self.stop()}") from error
        finally:
            os.close(telling)
        line = _line(told)
        assert line, f"nothing was forked: {self.stop()}"
        return int(line), told


class Popen(subprocess.Popen[Any]):
    """A process that is forked where it can be, and else started."""

    programs: ClassVar[Sequence[Callable[[Sequence[str], Mapping[str, str], str], _Request | None]]] = ()
    _close_told: Callable[[], object] | None = None
    _told = -1

    @property
    def is_forked(self) -> bool:
        """Whether it was not started."""
        return self._close_told is not None

    def _execute_child(self, *arguments: Any) -> None:
        start: Any = super()._execute_child  # type: ignore[misc]
        given = inspect.signature(start).bind(*arguments).arguments
        words, cwd, env = given["args"], os.path.abspath(given["cwd"] or ""), given["env"]
        env = dict(os.environ if env is None else env)
        request = None
        if _can_fork() and os.geteuid() == os.getuid() and isinstance(words, list | tuple):
            made = (program([*map(os.fspath, words)], env, cwd) for program in self.programs)
            request = next((each for each in made if each is not None), None)
        if request is None:
            start(*arguments)
            return
        ours = (given["p2cread"], given["c2pwrite"], given["errwrite"])
        descriptors = {number: number if ours[number] < 0 else ours[number] for number in range(3)}
        descriptors |= {number: number for number in given["pass_fds"]}
        asked = {
            "argv": request.argv,
            "run": request.run,
            "cwd": cwd,
            "env": env,
            "session": given["start_new_session"],
        }
        try:
            self.pid, self._told = request.server.fork(asked, descriptors)
        finally:
            self._close_pipe_fds(  # type: ignore[attr-defined]
                *(
                    given[name]
                    for name in ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
                )
            )
        self._child_created = True
        self._close_told = weakref.finalize(self, os.close, self._told)

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if not self.is_forked:
            waited: tuple[int, int] = super()._try_wait(wait_flags)  # type: ignore[misc]
            return waited
        if wait_flags & os.WNOHANG and not _is_told(self._told):
            return 0, 0
        line = _line(self._told)
        self._close_told()
        return self.pid, int(line or signal.SIGKILL)

    def _internal_poll(self, *arguments: Any, **named: Any) -> int | None:
        if not self.is_forked:
            return super()._internal_poll(*arguments, **named)  # type: ignore[misc,no-any-return]
        if self.returncode is None and self._waitpid_lock.acquire(False):  # type: ignore[attr-defined]
            try:
                if self.returncode is None:
                    pid, status = self._try_wait(os.WNOHANG)
                    if pid:
                        self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode


def _is_told(descriptor: int) -> bool:
    """Whether something can be read, of a descriptor with any number: `select` takes those below 1,024."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


class CommandPopen(Popen):
    """A command's process, likewise."""


class InsidePopen(Popen):
    """A process, likewise where it is not a command's."""


def _command(words: Sequence[str], env: Mapping[str, str], cwd: str) -> _Request | None:
    if list(words[:3]) != [sys.executable, "-m", "hermpkg_build"] or _starting(env) != _starting(_kept()):
        return None
    # What is started looks into the current folder for modules, until it leaves that out.
    names = {name.partition(".")[0] for name in os.listdir(cwd)}
    if not names.isdisjoint((*sys.stdlib_module_names, "hermpkg_build")):
        return None
    return _Request(server=_commands(), argv=words[2:], run=("module", "hermpkg_build"))


def _interpreter(words: Sequence[str], _: Mapping[str, str], __: str) -> _Request | None:
    """The process that evaluates BUILD files: its last words are the folders that it adds to the path."""
    isolated, program = list(words[1:4]), "".join(words[4:5])
    folders = _folders_of_interpreters()
    if isolated != ["-I", "-S", "-c"] or _INTERPRETER not in program or list(words[-2:]) != folders:
        return None
    return _Request(server=_interpreters(), argv=["-c", *words[5:]], run=("code", program))


def _worker(words: Sequence[str], env: Mapping[str, str], _: str) -> _Request | None:
    variables = _starting(_variables_of_workers())
    if list(words[:-3]) != [*child.interpreter_words(), _WORKER] or _starting(env) != variables:
        return None
    workers = workers_with_torch if _begins_with_torch(words[-3], env) else _workers
    return _Request(server=workers(), argv=words[-4:], run=("script", _WORKER))


def _begins_with_torch(folder: str, env: Mapping[str, str]) -> bool:
    """Whether a factory will probably import torch, with nothing else than what was there ahead."""
    request = from_json(ModelRequest, json.loads(Path(folder, REQUEST).read_bytes()))
    if {**env, **_OF_ITS_OWN} != {**_variables_of_workers(), **_OF_ITS_OWN}:
        return False
    asked = (request.cpu, request.search_path, request.source_roots, request.own_paths)
    if asked != (BASELINE, _search_path(), ("",), ()):
        return False
    module = request.modules.get(request.factory.partition(":")[0], "")
    return module.endswith(".py") and bool(_TORCH.search(Path(module).read_bytes()))


def _package_test(words: Sequence[str], env: Mapping[str, str], _: str) -> _Request | None:
    if list(words[:-1]) != [sys.executable, *_FLAGS_OF_TESTS, package_test_main.__file__]:
        return None
    path = Path(words[-1])
    request = json.loads(path.read_bytes())
    if _starting(env) != _starting(_variables_of_tests()) or request["tool_path"] != str(REPOSITORY):
        return None
    server = _package_tests()
    path.write_text(json.dumps({**request, "parent": server.number}))
    return _Request(server=server, argv=words[-2:], run=("script", package_test_main.__file__))


CommandPopen.programs = (_command,)
Popen.programs = InsidePopen.programs = (_interpreter, _worker, _package_test)


@cache
def _can_fork() -> bool:
    try:
        os.close(os.pidfd_open(os.getpid()))  # type: ignore[attr-defined,unused-ignore]
    except (AttributeError, OSError):
        return False
    return sys.platform == "linux"


@cache
def _program() -> int:
    """A descriptor of `server`, compiled."""
    code = compile(Path(server.__file__).read_bytes(), server.FROZEN, "exec")
    program = os.memfd_create("forks")
    # Neither its time nor its size are compared with anything.
    os.write(program, MAGIC_NUMBER + bytes(12) + marshal.dumps(code))
    return program


@cache
def _commands() -> ForkServer:
    modules = sorted(
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
        for path in _PACKAGE.rglob("*.py")
        if (path.parent / "__init__.py").exists()
    )
    ahead = [
        name for name in modules if not name.startswith(tuple(f"hermpkg_build.{each}" for each in _NOT_AHEAD))
    ]
    inside = {each.kind: (each.requests.fileno(), each.number) for each in _inside()}
    return ForkServer(
        [],
        _kept(),
        modules=[*ahead, *filter(find_spec, _LIBRARIES)],
        never=["numpy", "torch"],
        prepare=[str(REPOSITORY), __name__, inside],
        kept=[descriptor for descriptor, _ in inside.values()],
    )


@cache
def _interpreters() -> ForkServer:
    modules = [_INTERPRETER, "starlark"]
    return ForkServer(["-I", "-S"], _kept(), modules=modules, path=_folders_of_interpreters())


@cache
def _package_tests() -> ForkServer:
    modules = [
        *("archive.modules", "archive.reader", "disk.processes", "factories.hidden_modules"),
        *("factories.places", "factories.workspace_finder", "runtime.contents.checks"),
    ]
    return ForkServer(
        _FLAGS_OF_TESTS,
        _variables_of_tests(),
        modules=[f"hermpkg_build.{module}" for module in modules],
        path=[str(REPOSITORY)],
        never=["torch"],
    )


@cache
def _workers() -> ForkServer:
    return _server_of_workers()


@cache
def workers_with_torch() -> ForkServer:
    """What forks factories with torch."""
    program = Path(server.__file__).with_name("libraries.py")
    return _server_of_workers([str(program), _search_path()])


def _server_of_workers(libraries: Sequence[object] = ()) -> ForkServer:
    return ForkServer(
        child.interpreter_words()[1:],
        _variables_of_workers(),
        modules=["hermpkg_build.factories.worker"],
        path=[str(REPOSITORY)],
        never=["torch"],
        libraries=libraries,
    )


def _inside() -> list[ForkServer]:
    """Those that fork what commands start."""
    return [_interpreters(), _workers(), workers_with_torch(), _package_tests()]


def start_servers() -> None:
    """Start all servers, for all that is forked from this process. Each imports nothing until it is asked."""
    if _can_fork():
        _commands()


def prepare_commands(started: Mapping[str, tuple[int, int]]) -> list[int]:
    """Have what commands start forked, too, by the servers that are there where these are as here.

    This is for the process that commands are forked from. Returns the descriptors that they need for that.
    """
    _inherited.update(started)
    subprocess.Popen = Popen  # type: ignore[misc]
    kept = [each.requests.fileno() for each in _inside()]
    server.forget_tests()
    return kept


@cache
def _variables_of_tests() -> dict[str, str]:
    fixed = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0"}
    return {**library_paths(), **fixed}


@cache
def _folders_of_interpreters() -> list[str]:
    library = find_spec("starlark")
    assert library
    assert library.origin
    return [str(REPOSITORY), os.path.dirname(os.path.dirname(library.origin))]


@cache
def _search_path() -> tuple[str, ...]:
    return environment_search_path()


@cache
def _variables_of_workers() -> dict[str, str]:
    """Those of factories that compute with what every processor has, where the folders are others."""
    return child.environment(Path(os.sep), Path(os.sep), FactoryConditions()) | baseline_variables()


def _starting(env: Mapping[str, str]) -> dict[str, str]:
    return {name: env[name] for name in env if name.startswith(_STARTING) and name not in _HEEDED}


def without_starting(env: Mapping[str, str]) -> dict[str, str]:
    """Variables without those that an interpreter reads when it starts."""
    return {name: value for name, value in env.items() if not name.startswith(_STARTING)}


def _kept() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}


def _umask() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("Umask:")[2].split()[0], 8)


def _line(descriptor: int) -> bytes:
    line = b""
    while not line.endswith(b"\n") and (piece := os.read(descriptor, 1)):
        line += piece
    return line
