"""Finds environments that are kept: by the digest of what is in them, and of the Python that they are for."""

from __future__ import annotations

import os
import sys

from hermpkg_build.core.digest import fingerprint
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.replacing import hold_folder
from hermpkg_build.disk.trust import check_private_folder
from hermpkg_build.environment.locked import LockedDistribution
from hermpkg_build.store.environments import environments_place, is_whole, mark_used, python_in

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an environment is made of: exact `distributions`, or else `ranges`, lines of requirements.

    Ranges are installed with all that the index has for what they need.
    """

    distributions: tuple[LockedDistribution, ...] = ()
    ranges: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The name of the environment: the same for the same recipe and the same Python."""
        return fingerprint(
            [_FORMAT, to_json(self.distributions), list(self.ranges), sys.version, sys.platform, _base()]
        ).hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An environment that is whole; it stays as long as a process has the `descriptor` open."""

    folder: str
    descriptor: int

    @property
    def python(self) -> str:
        """The path of its interpreter."""
        return python_in(self.folder)


def kept_environment(recipe: Recipe, directory: str) -> Environment | None:
    """Return the environment of a recipe that is kept in a cache folder, None where it must be made."""
    folder = os.path.join(environments_place(directory), recipe.digest)
    if not is_whole(folder):
        return None
    check_private_folder(os.path.dirname(folder))
    descriptor = hold_folder(folder)
    if descriptor is None:
        return None
    if not is_whole(folder):
        os.close(descriptor)
        return None
    mark_used(folder)
    return Environment(folder=folder, descriptor=descriptor)


def _base() -> str:
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
