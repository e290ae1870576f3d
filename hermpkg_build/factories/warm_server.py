"""The warm process: it has libraries imported, and forks a process for each factory that it is asked for.

It is started by `warm_client` as a script with four arguments: the path of its socket, that of a description
of what it is to import, a descriptor at whose end it ends, -1 for none, and one that it closes when it
listens. It does one thing at a time, in one thread, so that what it forks has a whole copy of it.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # The first entry is the folder of this file, whose modules are nobody's top-level modules.
    import os

    sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import gc
import json
import os
import selectors
import shutil
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from hermpkg_build.core.json_codec import from_json
from hermpkg_build.disk.processes import end_with_parent
from hermpkg_build.disk.signatures import signature_of
from hermpkg_build.factories.early_fork import Told
from hermpkg_build.factories.late_collection import collecting_late
from hermpkg_build.factories.loaded_modules import attribute_of
from hermpkg_build.factories.observation import FileObserver
from hermpkg_build.factories.preloading import Preloaded, UnfitError, preload
from hermpkg_build.factories.questions import is_kernels
from hermpkg_build.factories.request import ModelRequest
from hermpkg_build.factories.warm_messages import peer_of, receive, send
from hermpkg_build.factories.worker import confine, places_of, run

_stat = os.stat
"""What it is before an observer notes all that asks it: this process looks at 2,500 files for each fork."""
_MESSAGE_S = 5.0
"""How long a client may take to say what it wants."""


class WarmServer:
    """Forks processes for the clients of one socket, until nobody has asked for a while."""

    def __init__(
        self, listener: socket.socket, path: str, ahead: Preloaded, idle_s: float, line: int
    ) -> None:
        self._listener = listener
        self._path = path
        self._inode = os.lstat(path).st_ino
        self._ahead = ahead
        self._idle_s = idle_s
        self._line = line
        files = (*_files_of_process(), *ahead.files())
        self._files = {path for path in files if not is_kernels(path)}
        self._signatures = _signatures(self._files)
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, tuple[socket.socket, int]] = {}
        self._ended = False

    def changed_since(self, started_ns: int) -> bool:
        """Whether something may have changed while this process read it."""
        return any(signature and signature[2] >= started_ns for signature in self._signatures.values())

    def serve(self) -> None:
        """Answer clients; return when it is time to end."""
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        if self._line >= 0:
            self._selector.register(self._line, selectors.EVENT_READ, self._end)
        while not self._ended:
            ready = self._selector.select(self._idle_s)
            if not ready and not self._children:
                return
            for key, _ in ready:
                key.data()
            self._ended = self._ended or not self.is_in_place()

    def _end(self) -> None:
        self._ended = True

    def is_in_place(self) -> bool:
        """Whether the path still leads to this process: another may have taken its place."""
        try:
            return os.lstat(self._path).st_ino == self._inode
        except OSError:
            return False

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        client.settimeout(_MESSAGE_S)
        try:
            if peer_of(client) != os.geteuid():
                raise ValueError("another user")
            _, (line, words) = receive(client, descriptors=2)
        except (OSError, ValueError):
            client.close()
            return
        try:
            if _signatures(self._files) != self._signatures or len(os.listdir("/proc/self/task")) != 1:
                # Something that was imported has changed, or there are threads that a fork would lose.
                self._ended = True
                send(client, {"cold": True})
                client.close()
                return
            self._fork(client, line, words)
        finally:
            os.close(line)
            os.close(words)

    def _fork(self, client: socket.socket, line: int, words: int) -> None:
        server = os.getpid()
        child = os.fork()
        if child == 0:
            try:
                self._become_worker(client, server, line)
                told = _begin(words)
                run(Path(told.words["folder"]), self._ahead, told.wait)
                told.say_done()
            except BaseException:  # noqa: BLE001 -- the end of this process, as of any
                import traceback

                traceback.print_exc()
                os._exit(1)
            # The result waits neither for threads of the factory nor for its exit handlers.
            os._exit(0)
        with suppress(OSError):
            send(client, {"pid": child})
        ended = os.pidfd_open(child)
        self._children[child] = client, ended
        self._selector.register(ended, selectors.EVENT_READ, lambda: self._reap(child, ended))
        self._selector.register(client, selectors.EVENT_READ, lambda: self._abandon(child, client))

    def _become_worker(self, client: socket.socket, server: int, line: int) -> None:
        self._listener.close()
        self._selector.close()
        client.close()
        for other, ended in self._children.values():
            other.close()
            os.close(ended)
        os.setsid()
        end_with_parent(server, line)

    def _reap(self, child: int, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        os.close(descriptor)
        _, status = os.waitpid(child, 0)
        client, _ = self._children.pop(child)
        with suppress(KeyError, ValueError):
            self._selector.unregister(client)
        with suppress(OSError):
            send(client, {"returncode": os.waitstatus_to_exitcode(status)})
        client.close()

    def _abandon(self, child: int, client: socket.socket) -> None:
        """End a child whose client is gone; its end is seen like any other."""
        self._selector.unregister(client)
        with suppress(OSError):
            os.killpg(child, 9)


def _begin(words: int) -> Told:
    """Wait until this process is told what to do, and let it have what it is told."""
    try:
        told = Told(words)
    except ValueError:
        os._exit(0)  # Nobody wanted it.
    asked = told.words
    os.chdir(asked["work"])
    os.environ.update(HOME=asked["home"], TMPDIR=asked["tmp"])
    tempfile.tempdir = None
    output = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    return told


def _files_of_process() -> Iterator[str]:
    """The interpreter, the modules that it has loaded, and the libraries that are mapped."""
    yield sys.executable
    for module in list(sys.modules.values()):
        path = attribute_of(module, "__file__")
        if isinstance(path, str) and os.path.isabs(path):
            yield path
    for line in Path("/proc/self/maps").read_text(errors="surrogateescape").splitlines():
        path = line.partition("/")[1] + line.partition("/")[2]
        if os.path.isfile(path):
            yield path


def _signatures(files: Iterable[str]) -> dict[str, tuple[int, ...] | None]:
    """What tells whether something that this process was made of has changed since, by path."""
    return {path: _signature(path) for path in files}


def _signature(path: str) -> tuple[int, ...] | None:
    try:
        return signature_of(_stat(path))
    except OSError:
        return None


def main(path: str, description: str, line: int, told: int) -> None:
    """Listen at `path`, import what the world in the file `description` has, and serve."""
    started_ns, variables = time.time_ns(), dict(os.environ)
    world = json.loads(Path(description).read_text(encoding="utf-8"))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(f"{path}.new")
    listener.listen(64)
    os.replace(f"{path}.new", path)
    if told >= 0:
        os.close(told)
    request = from_json(ModelRequest, world["request"])
    observer, places = FileObserver(), places_of(request)
    finder = confine(request, places, observer)
    folders = (os.environ["HOME"], os.environ["TMPDIR"])
    try:
        with collecting_late():
            ahead = preload(world["roots"], finder, observer, places, seed=request.seed)
    except UnfitError as unfit:
        fewer = {**world, "roots": world["roots"][: unfit.position]}
        Path(description).write_text(json.dumps(fewer), encoding="utf-8")
        if line >= 0:
            os.set_inheritable(line, True)
        listener.close()
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
            os.mkdir(folder, 0o700)
        work = os.path.join(os.environ["HOME"], "work")
        os.mkdir(work)
        os.chdir(work)
        words = [*sys.orig_argv[:-1], "-1"]
        os.execve(sys.executable, words, variables)  # noqa: S606 -- the same words once more
    server = WarmServer(listener, path, ahead, float(world["idle_s"]), line)
    try:
        if server.changed_since(started_ns):
            Path(f"{path}.late").touch()
        else:
            # What was imported stays: a collection in what is forked would walk over all of it, and copy it.
            gc.freeze()
            server.serve()
    finally:
        if server.is_in_place():
            os.unlink(path)
            os.unlink(description)
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
