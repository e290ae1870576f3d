"""Where a setting was written down, for its paths and for what is said of a wrong one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from hermpkg_build.errors import CommandLineError, HermpkgError, Location, WorkspaceError
from hermpkg_build.loading.workspace import line_of_setting


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingSource:
    """A setting `name` of the table ``[tool.hermpkg]`` in `file`, or of the command line where that is "".

    `base` is the absolute folder that relative paths count from.
    """

    name: str
    base: str
    file: str

    def path(self, text: str) -> str:
        """A path as it was written, absolute."""
        return os.path.normpath(os.path.join(self.base, os.path.expanduser(text)))

    def wrong(self, what: str, *, facts: Sequence[tuple[str, str]] = (), next_step: str = "") -> HermpkgError:
        """The error for the setting; `what` follows its name."""
        if not self.file:
            return CommandLineError(f"--{self.name} {what}", facts=facts, next_step=next_step)
        return WorkspaceError(
            f"{self.name} {what}",
            location=Location(self.file, line_of_setting(self.file, self.name)),
            facts=facts,
            next_step=next_step,
        )
