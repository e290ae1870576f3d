"""Keeps what the user has said of the settings of a workspace that send data or run programs.

An answer holds for one workspace and for one digest of what was asked: another question is not answered.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal, TypeAlias

from hermpkg_build.core.digest import Digest
from hermpkg_build.core.user_file import user_folder
from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.replacing import replace_file
from hermpkg_build.disk.trust import is_own

Answer: TypeAlias = Literal["allowed", "denied", ""]
"""What the user has said; "" for nothing."""


def answer_of(root: str, digest: str, environ: Mapping[str, str]) -> Answer:
    """Return what the user has said of the question with this digest in the workspace at `root`."""
    path = _path(root, environ)
    try:
        if not is_own(os.stat(path)):
            return ""
        words = read_limited(path).decode(errors="replace").split("\n")
    except OSError:
        return ""
    if words[:1] == [f"allowed {digest}"]:
        return "allowed"
    return "denied" if words[:1] == [f"denied {digest}"] else ""


def keep_answer(root: str, digest: str, answer: Answer, environ: Mapping[str, str]) -> str:
    """Keep an answer in the place of any earlier one, "" for none; return its file. Raises OSError."""
    path = _path(root, environ)
    if answer:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        replace_file(path, f"{answer} {digest}\n{os.path.realpath(root)!r}\n".encode())
    elif os.path.lexists(path):
        os.unlink(path)
    return path


def _path(root: str, environ: Mapping[str, str]) -> str:
    """The file for one workspace, so that answers for several at once do not meet."""
    name = Digest.of(os.fsencode(os.path.realpath(root))).hash
    return os.path.join(user_folder(environ), "answers", name)
