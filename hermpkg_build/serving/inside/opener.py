"""A process that has opened an artifact, loads nothing of it, and forks the workers that do.

What is opened and decided here is so for all workers, those that replace others included, whatever becomes
of the file meanwhile. It ends the workers, and what they have started, when the pool is gone.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import socket
from contextlib import suppress

from hermpkg_build.archive.private_file import ToShare
from hermpkg_build.disk.processes import adopt_orphans, end_children
from hermpkg_build.errors import HermpkgError
from hermpkg_build.runtime.contents.archives import local_source
from hermpkg_build.runtime.importer import PackageImporter, opened_file
from hermpkg_build.serving.channel import Channel, EndOfChannel
from hermpkg_build.serving.inside.forking import Watch, ended_children, fork
from hermpkg_build.serving.progress import progress_of
from hermpkg_build.serving.raised import pack_raised
from hermpkg_build.serving.requests import Ended, Kill, Opened, Opening, Start, Started, Verified, Verify
from hermpkg_build.serving.tickets import TicketsInside


def open_and_serve(control: Channel, opening: object) -> None:
    """Open the artifact, and start workers as `control` asks for, until its other side is gone."""
    assert isinstance(opening, Opening)
    try:
        # What a policy judges is copied once, for all workers.
        path = local_source(opening.file)
        assert isinstance(path, str)
        importer = PackageImporter(
            ToShare(path),
            check=opening.check,
            verify=opening.verify,
            files=opening.files,
            trust=opening.trust,
        )
    except BaseException as error:  # noqa: BLE001 -- the caller of the pool is to see it
        with suppress(EndOfChannel):
            control.send([pickle.dumps(None), *pack_raised(error, frames_of_ours=1)])
        return
    # Only what is new: a whole collection writes to pages that this process shares with the warm one.
    gc.collect(1)
    gc.freeze()
    with suppress(EndOfChannel):
        control.send([pickle.dumps(_opened(importer))])
        _Opener(control, importer, opening).serve()


def _opened(importer: PackageImporter) -> Opened:
    status, content = opened_file(importer)
    if status is None:
        return Opened(None, content)
    return Opened((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns), content)


class _Opener:
    def __init__(self, control: Channel, importer: PackageImporter, opening: Opening) -> None:
        self._control = control
        self._importer = importer
        self._opening = opening
        self._process = os.getpid()
        self._numbers: dict[int, int] = {}
        """The numbers of the workers, by the numbers of their processes."""

    def serve(self) -> None:
        """Serve the pool; end everything when it is gone."""
        watch = Watch(self._control.fileno())
        # What served code starts may leave its group, and its parent.
        adopt_orphans()
        try:
            while True:
                if self._control.has_read_more or watch.wait():
                    self._obey()
                self._reap()
        except (EOFError, EndOfChannel):
            pass
        finally:
            if os.getpid() == self._process:
                for process in self._numbers:
                    _kill_group(process)
                for process in self._numbers:
                    with suppress(ChildProcessError):
                        os.waitpid(process, 0)
                end_children()

    def _obey(self) -> None:
        parts, descriptors = self._control.receive()
        request = pickle.loads(parts[0])
        if isinstance(request, Kill):
            for process, number in self._numbers.items():
                if number == request.number:
                    _kill_group(process)
        elif isinstance(request, Verify):
            self._control.send([pickle.dumps(Verified(_is_what_was_opened(self._importer)))])
        elif isinstance(request, Start):
            sock, page, tickets = descriptors
            process = fork(lambda: self._become_worker(sock, page, tickets, request.device))
            for descriptor in descriptors:
                os.close(descriptor)
            with suppress(OSError):
                os.setpgid(process, process)
            self._numbers[process] = request.number
            self._control.send([pickle.dumps(Started(request.number, process))])

    def _become_worker(self, sock: int, page: int, tickets: int, device: str | None) -> None:
        from hermpkg_build.serving.inside.worker import work

        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        self._control.close()
        progress = progress_of(page)
        work(
            Channel(socket.socket(fileno=sock)),
            progress,
            TicketsInside(tickets, progress),
            self._importer,
            self._opening,
            self._process,
            device,
        )

    def _reap(self) -> None:
        for process, returncode in ended_children():
            number = self._numbers.pop(process, None)
            if number is not None:
                # What it has started goes, too.
                _kill_group(process)
                self._control.send([pickle.dumps(Ended(number, returncode))])


def _is_what_was_opened(importer: PackageImporter) -> bool:
    """Compare every record of the file as it is now with its checksum of then."""
    try:
        for name in importer.record_names():
            importer.read_record(name)
    except HermpkgError:
        return False
    return True


def _kill_group(process: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)
