"""What the processes of a pool tell each other: the values in their messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from hermpkg_build.dataclass import dataclass
from hermpkg_build.runtime.contents.checks import CheckMode, VerifyMode
from hermpkg_build.runtime.contents.real_files import FilesMode
from hermpkg_build.trust.policy import TrustPolicy

Target: TypeAlias = "tuple[str, str] | str"
"""A pickle by package and resource, or a packaged function or class: ``"app.serve:predict"``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How an artifact is opened, and how its workers run it; what PackageImporter has is meant as there.

    `version` counts from 1 what a pool has served. Workers have the `devices` in turn.
    """

    file: str
    version: int
    check: CheckMode
    verify: VerifyMode
    files: FilesMode
    trust: TrustPolicy | str | None
    threads: int
    grad: bool
    devices: tuple[str, ...]


class Parameter(NamedTuple):
    """A parameter of something that is called; `takes_many` is so for ``*args`` and ``**kwargs``."""

    name: str
    by_name: bool
    needed: bool
    takes_many: bool


class Opened(NamedTuple):
    """Which file was opened, as the system has it: device, number, size and time (ns).

    None for a folder, and where all was copied when it was opened. `content` is a number that a file with
    other records does not have, 0 for a folder.
    """

    status: tuple[int, int, int, int] | None
    content: int


class Callee(NamedTuple):
    """What is called: `method`, with its dots, of a target; "" for the target itself.

    With `describe`, it is not called: the result says which parameters it has. With `example`, it is called
    with the arguments that the artifact has recorded, and the result says what it takes and gives, None where
    it has none. With `infers`, it is asked by bodies of the Open Inference Protocol, and answers with such.
    """

    target: Target
    method: str
    describe: bool = False
    example: bool = False
    infers: bool = False

    def __str__(self) -> str:
        name = self.target if isinstance(self.target, str) else "/".join(self.target)
        return f"{name}.{self.method}" if self.method else name


class Start(NamedTuple):
    """To an opener: start worker `number`, with the three descriptors of the message.

    Its tensors are on `device`, as torch names it; None for where they were when they were packed.
    """

    number: int
    device: str | None


class Kill(NamedTuple):
    """To an opener: end worker `number`."""

    number: int


class Ended(NamedTuple):
    """From an opener: worker `number` has ended, with the return code that subprocess would tell."""

    number: int
    returncode: int


class Started(NamedTuple):
    """From an opener: worker `number` is process `pid`."""

    number: int
    pid: int


class Verify(NamedTuple):
    """To an opener: say whether the file still holds what was opened."""


class Verified(NamedTuple):
    """From an opener: whether it does."""

    same: bool


class Load(NamedTuple):
    """To a worker: load the targets."""

    targets: Sequence[Target]


class Run(NamedTuple):
    """To a worker: make the calls of a message, together if it can be done and they are `together`.

    `callees` are those of the calls, each with the number of the parts with its arguments. Where it may be
    taken `back`, it is read only with its ticket.
    """

    message: int
    callees: Sequence[tuple[Callee, int]]
    together: bool
    back: bool


class Ran(NamedTuple):
    """From a worker: the outcomes of a message, each a kind and the number of its parts.

    `apart` says why calls were not made together that were to be, "" where there is no reason; `seconds`,
    how long it took.
    """

    message: int
    outcomes: Sequence[tuple[Literal["value", "raised"], int]]
    apart: str
    seconds: float
