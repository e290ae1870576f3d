"""The warm process: has imported what all workers need, holds no artifact, and forks those that open one.

It is a fresh interpreter, not a fork of the pool's process, which may have threads and locks of any kind. It
runs no code of an artifact, so that its forks begin with nothing but what Python and the imports have made.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import os
import pickle
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress

from hermpkg_build.serving.channel import Channel, EndOfChannel
from hermpkg_build.serving.inside.forking import Watch, ended_children, fork
from hermpkg_build.serving.inside.opener import open_and_serve

_LATER = (
    "hermpkg_build.archive.record_digests",
    "hermpkg_build.core.manifest",
    "hermpkg_build.disk.crc32",
    "hermpkg_build.runtime.contents.unpickling",
    "hermpkg_build.serving.inside.worker",
)
"""What forks would import, each on its own: in them it would be in memory as often as there are workers."""


def main(descriptor: int, preload: Sequence[str]) -> None:
    """Serve the pool at the other end of a socket until it is gone."""
    # Ctrl-C is for the pool's process. A session of its own would make it wait longer for a processor.
    os.setpgid(0, 0)
    os.set_inheritable(descriptor, False)
    channel = Channel(socket.socket(fileno=descriptor))
    with suppress(Exception):
        faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in (*_LATER, *preload):
        # Where it is needed, whoever needs it gets the error.
        with suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    watch = Watch(channel.fileno())
    with suppress(EOFError, EndOfChannel):
        while True:
            if channel.has_read_more or watch.wait():
                _start_opener(channel)
            ended_children()


def _start_opener(channel: Channel) -> None:
    parts, (control,) = channel.receive()
    opening = pickle.loads(parts[0])

    def run() -> None:
        channel.close()
        open_and_serve(Channel(socket.socket(fileno=control)), opening)

    fork(run)
    os.close(control)
