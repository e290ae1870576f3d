"""Runs a program in a process that has only what Windows has, and whose files are held as there.

``as_on_windows.py CODE WORDS...``. Modules that CODE names in its first line, after ``# first:``, are
imported before.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import Any

LACKING = """
    O_CLOEXEC O_NONBLOCK O_NOFOLLOW O_DIRECTORY O_TMPFILE O_SYNC O_DSYNC fork forkpty geteuid getuid
    getegid getgid getgroups getpgid getpgrp getsid setsid killpg pread preadv pwrite pwritev fchmod
    fchown chown lchown sendfile copy_file_range memfd_create posix_fadvise posix_fallocate statvfs
    fstatvfs mkfifo mknod sched_getaffinity getloadavg uname confstr sysconf nice wait waitid wait3
    wait4 WIFSIGNALED WTERMSIG WEXITSTATUS
"""
UNKNOWN_MODULES = ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix_spawn")
BINARY = 1 << 40


def become_windows() -> None:
    """Take from this process what Windows lacks, and give files the manners that they have there."""
    # What the standard library has taken already stays: there it has ways of its own.
    import concurrent.futures.thread
    import importlib.metadata
    import importlib.resources
    import multiprocessing.context
    import pathlib
    import shutil
    import subprocess
    import tempfile
    import types

    del concurrent, importlib, multiprocessing, pathlib, subprocess
    tempfile.gettempdir()
    shutil._use_fd_functions = False
    tempfile._os = types.SimpleNamespace(**vars(os))  # Its files are gone when they are closed, there too.
    usage = shutil.disk_usage(os.curdir)
    shutil.disk_usage = lambda _: usage
    import mmap
    import select
    import signal

    for module, names in (
        (os, LACKING.split()),
        (signal, ("SIGKILL", "SIGHUP", "SIGUSR1", "pthread_sigmask", "alarm")),
        (mmap, [name for name in dir(mmap) if name.startswith(("MAP_", "PROT_", "MADV_"))]),
        (select, ("poll", "epoll")),
    ):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    for name in UNKNOWN_MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    os.supports_fd.discard(os.utime)
    os.O_BINARY = BINARY
    _change_files()
    sys.platform = "win32"


def _change_files() -> None:
    really = {name: getattr(os, name) for name in ("open", "stat", "lstat", "fstat", "utime")}

    def opened(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        if sys._getframe(1).f_globals["__name__"].startswith("hermpkg_build"):
            assert flags & BINARY, "opened as text"
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", path)
        return really["open"](path, flags & ~BINARY, mode, **more)

    def with_rights_of_windows(ask: Any) -> Any:
        def status(*words: Any, **more: Any) -> os.stat_result:
            make, (fields, times) = ask(*words, **more).__reduce__()
            mode = fields[0] | (0o777 if stat.S_ISDIR(fields[0]) else 0o666)
            return make((mode, *fields[1:4], 0, 0, *fields[6:]), times)

        return status

    def utime(path: Any, *words: Any, **more: Any) -> None:
        if isinstance(path, int):
            raise TypeError("utime: path should be string, bytes or os.PathLike, not int")
        really["utime"](path, *words, **more)

    def only_closed(change: Any) -> Any:
        def changed(*paths: Any, **more: Any) -> None:
            for path in map(os.path.realpath, paths):
                if any(f"{held}/".startswith(f"{path}/") for held in held_paths()):
                    raise PermissionError(13, "The process cannot access the file", path)
            change(*paths, **more)

        return changed

    def refused(*words: Any, **more: Any) -> None:
        raise OSError(1314, "A required privilege is not held by the client")

    os.open, os.utime, os.symlink = opened, utime, refused
    for name in ("stat", "lstat", "fstat"):
        setattr(os, name, with_rights_of_windows(really[name]))
    for name in ("rename", "replace", "unlink", "remove", "rmdir"):
        setattr(os, name, only_closed(getattr(os, name)))


def held_paths() -> set[str]:
    """The files that this process has open or mapped."""
    links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    held = {os.readlink(link) for link in links if os.path.lexists(link)}
    with open("/proc/self/maps") as maps:
        held.update(line.split(maxsplit=5)[5].rstrip("\n") for line in maps if line.count("/"))
    return held


if __name__ == "__main__":
    code = sys.argv[1]
    first_line = code.strip().partition("\n")[0]
    for name in first_line.removeprefix("# first:").split() if first_line.startswith("# first:") else ():
        __import__(name)
    become_windows()
    del sys.argv[0]
    exec(compile(code, "<program>", "exec"), {"__name__": "__main__", "held_paths": held_paths})
