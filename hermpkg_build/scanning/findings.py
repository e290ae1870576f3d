"""What scanning finds in a file: values that say what could happen, how bad that is, and where it is."""

from __future__ import annotations

import enum
from collections.abc import Iterable

from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.scanning.known_names import Capability


class Level(enum.IntEnum):
    """How bad a finding is; `word` is how options and reports name it."""

    NOTE = 0
    """Cannot harm by itself, or is judged elsewhere, as packed code is."""
    UNKNOWN = 1
    """Nobody can tell: a name on no list, bytes that cannot be read."""
    DANGEROUS = 2
    """Can do more than compute."""

    @property
    def word(self) -> str:
        """``dangerous``."""
        return self.name.lower()


class Kind(str, enum.Enum):
    """What a finding is about."""

    PICKLE = "pickle"
    CODE = "code"
    NATIVE = "native"
    UNREADABLE = "unreadable"
    HIDDEN = "hidden"

    __str__ = str.__str__


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a file could do, or that nobody can say of it.

    `record` is the file or the record in it, with ``!`` before what lies in that (``a.zip!b.pkl``). `does` is
    what happens, in words, to or with `name`: ``calls`` ``os.system``. `path` is the way to it in a pickle's
    object; `line` and `column` are those of a source, from 1, 0 for none; `offset` is that of a pickle's
    opcode, -1 for none; `arguments` what a function is called with. `count` says how often. `module` is the
    packed module that holds the code, and `at_import` whether importing that is enough; of what a pickle
    names it is the module of `name`.
    """

    level: Level
    kind: Kind
    record: str
    does: str
    name: str = ""
    capability: Capability | None = None
    detail: str = ""
    path: str = ""
    offset: int = -1
    arguments: str = ""
    line: int = 0
    column: int = 0
    count: int = 1
    module: str = ""
    function: str = ""
    at_import: bool = False

    @property
    def rule(self) -> str:
        """A short name for what was found, the same for all findings of its sort: ``code/processes``."""
        if self.capability is not None:
            return f"{self.kind}/{self.capability.word}"
        return f"{self.kind}/{self.level.word}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that was found in the file or folder `name`.

    `records` counts the files in it that were looked at, or is 1 for no archive; `pickles` and `sources`
    count those of them that are read as such. `packed` are the packed modules that its pickles name.
    """

    name: str
    findings: tuple[Finding, ...]
    records: int = 0
    pickles: int = 0
    sources: int = 0
    packed: tuple[str, ...] = field(default=())

    def at_least(self, level: Level) -> tuple[Finding, ...]:
        """The findings of a level or worse."""
        return tuple(finding for finding in self.findings if finding.level >= level)

    @property
    def worst(self) -> Level:
        """The worst level among the findings; NOTE for none."""
        return max((finding.level for finding in self.findings), default=Level.NOTE)

    @property
    def is_clean(self) -> bool:
        """Whether all of it was read, and nothing but harmless names and code that only computes is in it."""
        return self.worst < Level.UNKNOWN


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings by level, kind and capability; what runs on import comes before what is called later."""
    return tuple(sorted(findings, key=_rank))


def _rank(finding: Finding) -> tuple[int, int, int, bool, str, int, int, int]:
    capabilities = list(Capability)
    return (
        -finding.level,
        list(Kind).index(finding.kind),
        capabilities.index(finding.capability) if finding.capability is not None else len(capabilities),
        not finding.at_import,
        finding.record,
        finding.line,
        finding.column,
        finding.offset,
    )
