"""What a build did: the actions that ran, and what was shared. Apart from `results`, which must load fast."""

from __future__ import annotations

from hermpkg_build.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutedAction:
    """An action that ran, and why: one clause for each input that differs from the last build.

    `where` is the executor that ran it, "" for this machine. `recorded` is False where nobody may rely
    on what it gave: an input changed while it ran, or a test failed.
    """

    kind: str
    subject: str
    reasons: tuple[str, ...]
    where: str = ""
    recorded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCounts:
    """What went between a build and the shared cache.

    `hits` and `misses` are actions that only it could answer, and could not; bytes are those of
    entries and contents, before compression.
    """

    hits: int = 0
    misses: int = 0
    downloaded_bytes: int = 0
    uploaded_bytes: int = 0
