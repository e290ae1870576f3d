"""The decisions: what becomes of each distribution and each top-level module that an object needs, and why.

One table, read from the top: the first row that fits decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from hermpkg_build.core.module_names import parents_of
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.installation import BUILD, RUNTIME

FRAMEWORK = "torch"
OWN_TOOLS = frozenset({BUILD, RUNTIME})
"""The distributions of hermpkg itself."""
OWN_PACKAGE = "hermpkg_build"
"""Its name where no distribution has it, as in a checkout on the search path."""
ASKED = "asked"
ABSENT = "absent"
OWN = "own"
PURE = "pure"
UNUSED = "unused"
OWN_PART = "own compiled part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What is known of one distribution, or of a module that no distribution has, before it is decided.

    `name` is that of the distribution, else of the module; `modules` are the modules whose submodules go with
    them; `version` is the installed one, "" for a module without a distribution. `asked` is what the caller
    wants, `failure` what went wrong when its code ran in a package. `is_part` says that it is about one
    module of something that has been decided, `is_unused` that the model ran without loading any of it, and
    no code needs it. `needed_by` and `plugs_into` name extern distributions.
    """

    name: str
    modules: tuple[str, ...]
    version: str = ""
    asked: Policy | None = None
    failure: str = ""
    is_found: bool = True
    is_own: bool = False
    is_compiled: bool = False
    is_readable: bool = True
    is_part: bool = False
    is_shared_by_nature: bool = False
    is_unused: bool = False
    needed_by: str = ""
    plugs_into: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table: `fits` says for which candidates, `when` says it in words.

    `policy` is None where the caller says what is to be done; `why` is the reason that a report gives, with
    fields of the candidate in braces.
    """

    name: str
    when: str
    fits: Callable[[Candidate], object]
    policy: Policy | None
    why: str


TABLE: Sequence[Row] = (
    Row(
        name=ASKED,
        when="the caller names it in `intern` or `extern`",
        fits=lambda c: c.asked,
        policy=None,
        why="you asked for it",
    ),
    Row(
        name="fails in a package",
        when="the example failed in its code when it was packed",
        fits=lambda c: c.failure,
        policy=Policy.EXTERN,
        why="it does not work inside the package: {failure}",
    ),
    Row(
        name=ABSENT,
        when="it is not installed here, and code imports it that the model did not run",
        fits=lambda c: not c.is_found,
        policy=Policy.EXTERN,
        why="not installed here: the code that imports it finds it where the package lands, or fails as here",
    ),
    Row(
        name="framework",
        when="torch, hermpkg itself, which opens the package, and `__main__`, the program that does",
        fits=lambda c: c.name in (FRAMEWORK, *OWN_TOOLS, OWN_PACKAGE, "__main__"),
        policy=Policy.EXTERN,
        why="it is there wherever the package is opened",
    ),
    Row(
        name=OWN_PART,
        when="a module of your own code without source: compiled, or in a ZIP file",
        fits=lambda c: c.is_own and c.is_compiled,
        policy=Policy.EXTERN,
        why="it has no source that can be packed, and must be installed where the package lands",
    ),
    Row(
        name="unreadable part",
        when="one module of a library that is no valid Python here",
        fits=lambda c: c.is_part and not c.is_readable and not c.is_own,
        policy=Policy.MOCK,
        why="its source cannot be read by this Python, so nothing can use it",
    ),
    Row(
        name=OWN,
        when="your code: no distribution has it, or one that is installed as a link to its project",
        fits=lambda c: c.is_own,
        policy=Policy.INTERN,
        why="your code",
    ),
    Row(
        name=UNUSED,
        when="a distribution that the example did not load, and that no code needs: what imports it may "
        "fail, or is a library that does not say that it requires it",
        fits=lambda c: c.is_unused and not c.needed_by,
        policy=Policy.EXTERN,
        why="the example did not load it, and the code that imports it can do without",
    ),
    Row(
        name="compiled",
        when="a distribution with compiled code",
        fits=lambda c: c.is_compiled,
        policy=Policy.EXTERN,
        why="it has compiled code, which is made for one platform",
    ),
    Row(
        name="no source",
        when="a distribution whose source is not there: bytecode alone, in a ZIP file, or in memory",
        fits=lambda c: not c.is_readable,
        policy=Policy.EXTERN,
        why="its source is not there to be packed",
    ),
    Row(
        name="needed outside",
        when="a distribution that an extern one requires",
        fits=lambda c: c.needed_by,
        policy=Policy.EXTERN,
        why="{needed_by}, which is extern, needs it: it comes with that, and there must not be two of it",
    ),
    Row(
        name="plugin",
        when="a distribution with entry points for an extern one",
        fits=lambda c: c.plugs_into,
        policy=Policy.EXTERN,
        why="{plugs_into}, which is extern, loads it by its entry points",
    ),
    Row(
        name="one with the host's",
        when="a distribution for logging, monitoring or tracing, by its classifiers",
        fits=lambda c: c.is_shared_by_nature,
        policy=Policy.EXTERN,
        why="it collects what a whole process logs or measures, so that a copy of its own would be cut off",
    ),
    Row(
        name=PURE,
        when="a distribution of Python source alone",
        fits=lambda _: True,
        policy=Policy.INTERN,
        why="pure Python, packed with the data files that it reads",
    ),
)
"""What becomes of a candidate; the standard library is extern without being a candidate."""

_NEEDLESS = "the example does without it, so that it need not be there"
_SHARED_TOPICS = ("Topic :: System :: Logging", "Topic :: System :: Monitoring")
_TRACING = "Framework :: OpenTelemetry"
_MOST_TOPICS = 5
"""A distribution that claims more topics than this is not about one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of one distribution or module.

    `row` is the name of the row of the table that decided, `reason` says why in words, `bytes` is what the
    artifact holds of it. What `is_optional` stays outside, and need not be there.
    """

    name: str
    version: str
    modules: tuple[str, ...]
    policy: Policy
    row: str
    reason: str
    is_part: bool = False
    is_optional: bool = False
    bytes: int = 0

    @property
    def is_packed(self) -> bool:
        """Whether its modules are in the artifact."""
        return self.policy is Policy.INTERN

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns of its modules in a policy."""
        return self.modules if self.is_part else tuple(f"{module}.**" for module in self.modules)


def patterns_for(module: str) -> Iterator[str]:
    """The patterns by which decisions speak of a module.

    >>> list(patterns_for("a.b"))
    ['a.b', 'a.b.**', 'a.**']
    """
    yield module
    for name in (module, *parents_of(module)):
        yield f"{name}.**"


def decide(candidate: Candidate) -> Decision:
    """Decide by the first row of the table that fits.

    >>> decision = decide(Candidate(name="numpy", modules=("numpy",), is_compiled=True))
    >>> print(decision.policy, "because", decision.reason)
    extern because it has compiled code, which is made for one platform
    """
    row = next(row for row in TABLE if row.fits(candidate))
    policy = row.policy or candidate.asked
    assert policy is not None
    why = row.why.format(
        failure=candidate.failure, needed_by=candidate.needed_by, plugs_into=candidate.plugs_into
    )
    may_be_absent = policy is Policy.EXTERN and row.name in (ASKED, UNUSED)
    is_optional = may_be_absent and candidate.is_unused and not candidate.needed_by
    return Decision(
        name=candidate.name,
        version=candidate.version,
        modules=candidate.modules,
        policy=policy,
        row=row.name,
        reason=f"{why}; {_NEEDLESS}" if is_optional and row.name == ASKED else why,
        is_part=candidate.is_part,
        is_optional=is_optional,
    )


def is_shared_by_nature(classifiers: Iterable[str]) -> bool:
    """Whether a distribution says that it logs, monitors or traces for the process as a whole."""
    named = list(classifiers)
    topics = [name for name in named if name.startswith("Topic ::")]
    about = len(topics) <= _MOST_TOPICS and any(name.startswith(_SHARED_TOPICS) for name in topics)
    return about or any(name.startswith(_TRACING) for name in named)


def rules_of(decisions: Iterable[Decision]) -> list[PolicyRule]:
    """The rules that carry out decisions: parts first, since the first rule that matches decides."""
    order = [Policy.INTERN, Policy.EXTERN, Policy.MOCK, Policy.DENY]
    patterns: dict[tuple[bool, int, bool], list[str]] = {}
    for decision in decisions:
        kind = (not decision.is_part, order.index(decision.policy), decision.is_optional)
        patterns.setdefault(kind, []).extend(decision.patterns)
    return [
        PolicyRule(policy=order[number], include=tuple(sorted(found)), allow_empty=True, optional=optional)
        for (_, number, optional), found in sorted(patterns.items())
    ]


def must_match(rules: Iterable[PolicyRule]) -> list[PolicyRule]:
    """The same rules, which are an error where they match nothing."""
    return [replace(rule, allow_empty=False) for rule in rules]


def allowed_versions(name: str, version: str) -> str:
    """The versions (PEP 440) of a distribution that may stand in for an installed one.

    Later ones: of those in `NEWEST_TRIED` up to the newest that was tried, or the fixes of the installed one
    where that is newer; of others up to the next break.

    >>> [allowed_versions("lib", text) for text in ("2.13.0+cpu", "0.23.3", "2026.11.15")]
    ['>=2.13.0,<3', '>=0.23.3,<0.24', '>=2026.11.15']
    >>> allowed_versions("torch", "2.4.1"), allowed_versions("torch", "9.1")
    ('>=2.4.1,<2.16', '>=9.1,<9.2')
    """
    from packaging.version import InvalidVersion, Version

    try:
        found = Version(version)
    except InvalidVersion:
        return ""
    if (tried := NEWEST_TRIED.get(name)) is not None:
        newest = max(Version(tried), found)
        return f">={found.public},<{newest.major}.{newest.minor + 1}"
    if found.major >= _FIRST_YEAR:
        return f">={found.public}"
    epoch = f"{found.epoch}!" if found.epoch else ""
    following = f"{found.major + 1}" if found.major else f"0.{found.minor + 1}"
    return f">={found.public},<{epoch}{following}"


NEWEST_TRIED = {FRAMEWORK: "2.15"}
"""The newest release to which artifacts that older ones made were seen to cross, which is no guess.

`make matrix` tries it, and a test compares this with its results. Pickled models hold attributes of torch's
own classes, which it may change in any release.
"""

_FIRST_YEAR = 1990
"""From this on, the first number of a version is a year, which says nothing of what breaks."""
