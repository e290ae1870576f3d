"""The gRPC library, loaded so that it keeps quiet and out of the way of child processes."""

from __future__ import annotations

import os

_WISHES = {"GRPC_VERBOSITY": "NONE", "GRPC_ENABLE_FORK_SUPPORT": "0"}
"""Its log on standard error would stand among our own words, which say all that a user can act on. Its
handlers for forks warn of, and wait for, threads that a child process that runs a program never sees."""

_unset = [name for name in _WISHES if name not in os.environ]
os.environ.update((name, _WISHES[name]) for name in _unset)

import grpc  # noqa: E402 - the library reads the environment while it is loaded

for _name in _unset:
    # A build's child processes get the environment that the user gave.
    del os.environ[_name]

__all__ = ["grpc"]
