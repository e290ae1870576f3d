"""The conditions of a build that a rebuild varies, with their usual and their other values."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection
from functools import cache

from hermpkg_build.core.conditions import FactoryConditions
from hermpkg_build.dataclass import dataclass
from hermpkg_build.factories.processor import other_processor

CONDITIONS = {
    "hash-seed": "the seed of Python's string hashes, which the order of sets depends on",
    "time-zone": "the time zone",
    "locale": "the locale",
    "umask": "the permissions that new files get",
    "home": "the home folder",
    "environment": "environment variables: who the user is, what the machine is called",
    "threads": "how many threads computations use",
    "processor": "the processor: one that QEMU emulates where it is installed, else what this one can do",
    "directory-order": "the order in which folders are listed",
    "working-folder": "the folder that the build and the factory are run in",
    "checkout-path": "where the workspace lies",
    "file-times": "when the files of the workspace were changed last",
    "jobs": "how many actions run at once",
    "output-name": "what the artifact's file is called",
}
"""The conditions that can be varied, each with an explanation in a few words."""

_TIME_ZONES = ("Asia/Kathmandu", "America/St_Johns", "Pacific/Apia")
_LOCALES = ("C", "POSIX", "tr_TR.UTF-8")
_USUAL_BY_ANOTHER_NAME = "C.utf8"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildConditions:
    """The conditions of one build.

    `factory` are those of the factory's process, which the whole build runs under too. `place` is the folder
    of the copied workspace, in a scratch folder. The build is run in the workspace's root or, with
    `from_package`, in the target's package. Folders list their entries `backwards` or by name; files have
    the time `age`, in seconds since 1970, or None for their own times. `output` is the name of the
    artifact's file.
    """

    factory: FactoryConditions
    place: str
    from_package: bool
    backwards: bool
    age: int | None
    jobs: int
    output: str


def build_conditions(varied: Collection[str], scratch: str, variant: int = 1) -> BuildConditions:
    """Return the conditions of a build in the folder `scratch`, of which those named in `varied` are unusual.

    `variant` counts from 1; each gives the varied conditions other values, where they have more than two.
    """
    other = variant % 3
    return BuildConditions(
        factory=FactoryConditions(
            hash_seed=100 + variant if "hash-seed" in varied else 0,
            time_zone=_TIME_ZONES[other] if "time-zone" in varied else "UTC",
            locale=startable_locale(sys.executable, _LOCALES[other]) if "locale" in varied else "C.UTF-8",
            umask=(0o077, 0o002, 0o027)[other] if "umask" in varied else 0o022,
            home=f"{scratch}/{'another home' if 'home' in varied else 'home'}",
            environment=_variables(variant) if "environment" in varied else {},
            threads=2 + variant if "threads" in varied else 1,
            processor=other_processor(variant) if "processor" in varied else "",
            listing="reversed" if "directory-order" in varied else "sorted",
            working_folder=f"{scratch}/{'work 2/deeper' if 'working-folder' in varied else 'work'}",
        ),
        place="elsewhere/a wörkspace" if "checkout-path" in varied else "checkout",
        from_package="working-folder" in varied,
        backwards="directory-order" in varied,
        age=1_111_111_111 + variant if "file-times" in varied else None,
        jobs=3 + variant if "jobs" in varied else 1,
        output=f"renamed {variant}.bin" if "output-name" in varied else "artifact.pt",
    )


def _variables(variant: int) -> dict[str, str]:
    """Return variables that differ from user to user and from machine to machine."""
    return {
        "USER": f"someone{variant}",
        "LOGNAME": f"someone{variant}",
        "HOSTNAME": f"machine{variant}",
        "LANG": "de_DE.UTF-8",
        "EDITOR": "ed",
        "COLUMNS": str(60 + variant),
        "BUILD_NUMBER": str(variant),
        "CI": "true",
    }


@cache
def startable_locale(interpreter: str, locale: str) -> str:
    """The locale, or the usual one by another name where Python does not start under it at all.

    Before Python 3.13 that is so where an editable install has put a folder with letters beyond ASCII into a
    ``.pth`` file: no build of that environment runs there, whatever it builds.
    """
    variables = {**os.environ, "LC_ALL": locale}
    started = subprocess.run([interpreter, "-c", ""], env=variables, capture_output=True, check=False)
    return locale if started.returncode == 0 else _USUAL_BY_ANOTHER_NAME
