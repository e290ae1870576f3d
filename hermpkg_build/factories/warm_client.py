"""Runs factories in processes that a warm process forks, which is started where there is none for them."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.conditions import FactoryConditions
from hermpkg_build.core.digest import fingerprint
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.library_paths import library_paths
from hermpkg_build.disk.processes import Children, lifeline
from hermpkg_build.extension import VARIABLE
from hermpkg_build.factories.child import ChildExit, environment, interpreter_words, last_lines
from hermpkg_build.factories.early_fork import Fork, Forked, drop_early, take_early
from hermpkg_build.factories.request import RESULT, ModelRequest, ObservedFiles
from hermpkg_build.factories.sockets import connected, private_folder
from hermpkg_build.version import __version__

_SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "warm_server.py")
_ANSWER_S = 180.0
"""How long importing libraries may take."""
_POLL_S = 0.1
"""How often it is seen whether somebody still waits for that."""
_LATE_S = 60.0
"""How long no process is started where libraries changed while one imported them."""
_LONGEST_PATH = 100
"""Paths of sockets have 107 bytes on Linux, of which some are for a suffix."""
_MOST_ENDING = 8
"""So many processes that are done may be about to end: each takes a few descriptors."""
_VERSION = 1

StartRoots = Callable[[ModelRequest], Sequence[str]]
KeepRoots = Callable[[ModelRequest, Sequence[str]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmSettings:
    """How long warm processes are kept: for `idle_s` seconds after their last factory, or with the build.

    `roots_of` guesses the modules of the environment that a factory will import, in order; `keep_roots` is
    told those that it did import, and `keep_socket` the name of the socket that later builds can use.
    """

    idle_s: float
    with_build: bool
    roots_of: StartRoots
    keep_roots: KeepRoots
    keep_socket: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A `request` that a process was forked for by that with this socket, to work in a folder in `place`.

    Its factory read the `files` of the workspace.
    """

    socket: str
    place: str
    request: bytes
    files: tuple[str, ...]


class WarmProcesses:
    """The warm processes that a build uses; close it when the build is done.

    `refused` has the reasons why factories were run in fresh processes although there was a warm one;
    `made` has what was made in others; `started` are those that this build has started.
    """

    def __init__(self, settings: WarmSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._line = self._stack.enter_context(lifeline()) if settings.with_build else -1
        self.refused: list[str] = []
        self.made: list[Made] = []
        self._asked: dict[str, tuple[str, str, bytes]] = {}
        self.started: list[subprocess.Popen[bytes]] = []
        self._ending: deque[ExitStack] = deque()

    def end_later(self, stack: ExitStack) -> None:
        """Close `stack`, which holds a process that is about to end, when nobody has to wait for that."""
        self._ending.append(stack)
        while len(self._ending) > _MOST_ENDING:
            self._ending.popleft().close()

    def close(self) -> None:
        """End the processes that are not kept for later builds."""
        while self._ending:
            self._ending.popleft().close()
        drop_early()
        self._stack.close()
        for process in self.started:
            process.poll()

    def run(
        self,
        request: ModelRequest,
        asked: bytes,
        folder: str,
        stack: ExitStack,
        *,
        variables: Mapping[str, str],
        children: Children,
    ) -> ChildExit | None:
        """Run the factory of `request`, whose bytes are `asked`; None where a fresh process must do it.

        It has the empty `folder`, or got ready in another one beside it. When all is done that it does there,
        its process may still be about to end: `stack` ends it.
        """
        roots = tuple(self.settings.roots_of(request))
        place = private_folder()
        if not roots or place is None or request.conditions != FactoryConditions():
            return None
        world = _World.of(request, roots, variables)
        try:
            path = self._socket(place, world)
            fork = stack.enter_context(self._fork(path, world, os.path.dirname(folder), asked))
            fork.connection.settimeout(_ANSWER_S)
            if not fork.folder:
                fork.tell(folder, asked)
            fork.go()
            if not _has_answer(fork.connection, children):
                return None
            forked = Forked(fork.connection)
        except (OSError, ValueError, KeyError):
            return None
        fork.connection.settimeout(None)
        stack.enter_context(children.owned(forked))
        is_done = fork.is_done() or forked.wait() == 0
        output = last_lines(Path(fork.folder, "output"))
        forked.kill()  # It has nothing more to do, and what it has started is to end with it.
        if children.is_cancelled() or not is_done or not os.path.exists(os.path.join(fork.folder, RESULT)):
            self.refused.append(output.rpartition("\n")[2])
            return None
        self._asked[request.label] = os.path.basename(path), os.path.dirname(folder), asked
        return ChildExit(returncode=0, output=output, folder=fork.folder)

    def note_made(self, label: str, root: str, seen: ObservedFiles) -> None:
        """Note that a factory has run that was `seen` to read files, some of them in the workspace `root`."""
        inside = os.path.join(root, "")
        files = tuple(path for path in (*seen.code, *seen.read) if path.startswith(inside))
        socket_name, place, asked = self._asked[label]
        self.made.append(Made(socket=socket_name, place=place, request=asked, files=files))

    def has_one_for(self, request: ModelRequest, variables: Mapping[str, str]) -> bool:
        """Whether there is a process already that may run the factory of `request`."""
        roots, place = tuple(self.settings.roots_of(request)), private_folder()
        return bool(
            roots and place and os.path.exists(self._socket(place, _World.of(request, roots, variables)))
        )

    def _socket(self, place: str, world: _World) -> str:
        private = os.getpid() if self.settings.with_build else 0
        return os.path.join(place, f"{world.key(private)}.socket")

    def _fork(self, path: str, world: _World, place: str, asked: bytes) -> Fork:
        """A fork of the warm process of a world that listens at `path`, to do what is `asked`, in `place`.

        Raises OSError, and ValueError for another user's.
        """
        if len(os.fsencode(path)) > _LONGEST_PATH:
            raise OSError("the path of the socket is too long")
        with self._lock:
            if early := take_early(path, place, asked):
                return early
            with open(f"{path}.lock", "w", encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                connection = connected(path)
                if connection is None:
                    self._start(path, world)
                    connection = connected(path)
        if connection is None:
            raise OSError("the warm process does not listen")
        fork = Fork(connection)
        if not self.settings.with_build:
            self.settings.keep_socket(os.path.basename(path))
        return fork

    def _start(self, path: str, world: _World) -> None:
        """Start the process, and wait until it listens.

        Raises OSError, also where one found a moment ago that its libraries change while they are imported.
        """
        with suppress(FileNotFoundError):
            if time.time() - os.stat(f"{path}.late").st_mtime < _LATE_S:
                raise OSError("libraries change while they are imported")
        base = Path(path.removesuffix(".socket"))
        for name in ("home", "tmp"):
            shutil.rmtree(f"{base}.{name}", ignore_errors=True)
            Path(f"{base}.{name}").mkdir(mode=0o700)
        work = Path(f"{base}.home", "work")
        work.mkdir()
        description = {
            "request": to_json(world.request),
            "roots": list(world.roots),
            "idle_s": self.settings.idle_s,
        }
        Path(f"{base}.world").write_text(json.dumps(description), encoding="utf-8")
        known = environment(base, Path(f"{base}.home"), FactoryConditions())
        ready, told = os.pipe()
        try:
            process = subprocess.Popen(
                [*interpreter_words(), _SERVER, path, f"{base}.world", str(self._line), str(told)],
                cwd=work,
                env={**known, "TMPDIR": f"{base}.tmp", **world.variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=[told, *([self._line] if self._line >= 0 else [])],
            )
            os.close(told)
            told = -1
            self.started.append(process)
            os.read(ready, 1)  # its end, too
        finally:
            os.close(ready)
            if told >= 0:
                os.close(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class _World:
    """What all factories that one warm process serves have in common."""

    request: ModelRequest
    roots: tuple[str, ...]
    variables: Mapping[str, str]

    @classmethod
    def of(cls, request: ModelRequest, roots: Sequence[str], variables: Mapping[str, str]) -> _World:
        """The world of a request; what is the factory's own is left out."""
        common = ModelRequest(
            label="",
            factory="",
            arguments={},
            seed=0,
            modules={},
            workspace_root=request.workspace_root,
            search_path=request.search_path,
            source_roots=request.source_roots,
            own_paths=request.own_paths,
            cpu=request.cpu,
        )
        return cls(request=common, roots=tuple(roots), variables=variables)

    def key(self, private: int) -> str:
        """A name that no other world has; `private` is the only process that uses it, 0 for any."""
        words: list[Json] = [_VERSION, __version__, sys.executable, sys.version, private, list(self.roots)]
        words += [to_json(self.request), dict(self.variables), library_paths(), os.environ.get(VARIABLE, "")]
        return fingerprint(words).hash[:24]


def _has_answer(connection: socket.socket, children: Children) -> bool:
    """Wait until there is an answer, or until no process is wanted any more: False."""
    end = time.monotonic() + _ANSWER_S
    while not select.select([connection], [], [], _POLL_S)[0]:
        if children.is_cancelled():
            return False
        if time.monotonic() > end:
            raise TimeoutError("the warm process does not answer")
    return True
