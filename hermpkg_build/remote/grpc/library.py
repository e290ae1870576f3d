"""The gRPC library, loaded so that it logs nothing and leaves child processes alone."""

from __future__ import annotations

import os

_WISHES = {"GRPC_VERBOSITY": "NONE", "GRPC_ENABLE_FORK_SUPPORT": "0"}
"""Its log would mix with hermpkg's own messages on standard error. Its handlers for forks warn of, and wait
for, threads that a child process which runs another program never has."""

_unset = [name for name in _WISHES if name not in os.environ]
os.environ.update((name, _WISHES[name]) for name in _unset)

import grpc  # noqa: E402 - the library reads the environment while it is loaded

for _name in _unset:
    # A build's child processes get the environment that the user gave.
    del os.environ[_name]

__all__ = ["grpc"]
