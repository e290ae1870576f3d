"""The options of the commands that ask registries."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, option
from hermpkg_build.cli.remote import EngineArguments
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import LocalEnvironmentError

if TYPE_CHECKING:
    from hermpkg_build.registry.server import Connection


def _absolute(path: str) -> str:
    return os.path.abspath(path)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 24 * 3600:
        raise ValueError("seconds, from 0 to 86400")
    return seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryArguments(EngineArguments):
    """The arguments of the commands that ask registries: also how."""

    insecure: bool = flag(
        "--insecure",
        "ask a registry over plain HTTP too, where it is not on this machine; others can then read what is "
        "sent, passwords included",
    )
    registry_ca: str = option(
        "--registry-ca FILE",
        "trust the certificates in FILE (PEM) instead of the system's",
        read=_absolute,
        default="",
    )
    registry_timeout: float = option(
        "--registry-timeout SECONDS",
        "how long to wait for a registry while nothing moves",
        read=_seconds,
        default=60.0,
    )

    @property
    def connection(self) -> Connection:
        """How to ask. Raises LocalEnvironmentError where the extra `registry` is not installed."""
        try:
            from hermpkg_build.registry.server import Connection
        except ModuleNotFoundError as error:
            raise missing_extra(error) from error
        return Connection(insecure=self.insecure, ca_file=self.registry_ca, timeout_s=self.registry_timeout)


def missing_extra(error: ModuleNotFoundError) -> LocalEnvironmentError | ModuleNotFoundError:
    """The error for a library of the extra `registry` that is not installed; the same for any other."""
    if (error.name or "").partition(".")[0] != "urllib3":
        return error
    return LocalEnvironmentError(
        "the extra `registry` is not installed",
        facts=[("missing", error.name or "")],
        next_step="pip install 'hermpkg-build[registry]'",
    )
