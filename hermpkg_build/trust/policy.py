"""TrustPolicy: which artifacts a process accepts, and what each of them may name, bring, do and need."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hermpkg_build.core.globs import GlobGroup
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.errors import Location
from hermpkg_build.signing.signers import AcceptedSigner

COMPUTED = "<computed>"
"""In `TrustRule.globals`: names that only show when a pickle is loaded. No pattern matches it."""

ANY_VERSION = "*"

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRule:
    """What an artifact must be, and all that it may do.

    Patterns are those of module policies: ``*`` stands for any part of a segment, ``**`` for any number of
    whole segments. A text stands for a list of one.

    `artifacts` are patterns of file names, without the folder; what is opened from memory has the name "".
    `sha256` are the accepted digests, in hexadecimal, any where it is empty; `signers` those of whom one must
    have signed, where there are any. The signature is one of those beside the artifact (``net.pt.sig``,
    ``net.pt.team.sig``), or in the file `signature`: a path in which ``{file}`` stands for the artifact's.
    What is opened from memory has no signature.

    What the artifact may do is nothing but what is named: `globals` are the classes and functions of this
    machine's libraries that pickles may use (``torch.nn.modules.linear.Linear``), besides the harmless ones;
    `modules` the packed modules that it may bring; `capabilities` what their code may do; `externs` the
    modules that it may import from this machine, with the versions (PEP 440, ``*`` for any) that the
    distribution which provides them may have. The standard library needs no permission: what is dangerous in
    it is a capability. With `allow_all` everything is allowed, which needs a digest or a signer.

    >>> rule = TrustRule(artifacts="resnet*.pt", modules="models.**", externs={"torch.**": ">=2.6"})
    >>> rule.is_for("resnet18.pt"), rule.is_for("other.pt"), rule.allows_module("models.resnet")
    (True, False, True)

    Raises ValueError for what cannot be meant.
    """

    artifacts: tuple[str, ...] | Sequence[str] = ("**",)
    sha256: tuple[str, ...] | Sequence[str] = ()
    signers: tuple[AcceptedSigner, ...] = ()
    signature: str = ""
    globals: tuple[str, ...] | Sequence[str] = ()
    modules: tuple[str, ...] | Sequence[str] = ()
    capabilities: tuple[str, ...] | Sequence[str] = ()
    externs: Mapping[str, str] = field(default_factory=dict)
    allow_all: bool = False
    location: Location | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        _check_texts(self, "artifacts", "sha256", "globals", "modules", "capabilities")
        object.__setattr__(self, "signers", tuple(self.signers))
        object.__setattr__(self, "externs", dict(self.externs))
        for name in ("artifacts", "globals", "modules", "capabilities", "externs"):
            for pattern in getattr(self, name):
                _check_pattern(name, pattern)
        for digest in self.sha256:
            if not _SHA256.fullmatch(digest):
                raise ValueError(f"sha256 is 64 digits of hexadecimal in lower case, not {digest!r}")
        for pattern, versions in self.externs.items():
            _check_versions(pattern, versions)
        for word in self.capabilities:
            _check_capability(word)
        if not self.artifacts:
            raise ValueError("artifacts names no file: leave it out for a rule that is for all")
        if self.allow_all and not (self.sha256 or self.signers):
            raise ValueError(
                "allow-all needs sha256, lock or signers: without them anybody's file could do anything"
            )
        permissions = ("globals", "modules", "capabilities", "externs")
        if self.allow_all and any(getattr(self, name) for name in permissions):
            raise ValueError(f"allow-all stands alone: {', '.join(permissions)} say nothing beside it")

    @property
    def needs_whole_file(self) -> bool:
        """Whether every byte of the file counts, also those of tensors."""
        return bool(self.sha256 or self.signers)

    def is_for(self, name: str) -> bool:
        """Whether the rule decides for an artifact with that file name."""
        if not name:
            return any(not pattern.strip("*") for pattern in self.artifacts)
        return GlobGroup(self.artifacts, separator="/").matches(name)

    def allows_global(self, module: str, name: str) -> bool:
        """Whether pickles may use the class or function `name` of an extern `module`.

        A name with a dot in it, which could lead on into other libraries, must be listed as it is.
        """
        full = f"{module}.{name}" if name else module
        if self.allow_all or full in self.globals:
            return True
        if full.startswith("<") or "." in name or name.startswith("__"):
            return False
        return GlobGroup(self.globals).matches(full)

    def allows_module(self, name: str) -> bool:
        """Whether the artifact may bring the module `name`."""
        return self.allow_all or GlobGroup(self.modules).matches(name)

    def allows_capability(self, name: str) -> bool:
        """Whether packed code may do what is called `name`."""
        return self.allow_all or GlobGroup(self.capabilities).matches(name)

    def versions_of_extern(self, name: str) -> str | None:
        """The versions that may provide the extern module `name`; None where it is not allowed."""
        if self.allow_all:
            return ANY_VERSION
        matching = (
            versions for pattern, versions in self.externs.items() if GlobGroup(pattern).matches(name)
        )
        return next(matching, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustPolicy:
    """Rules for artifacts by name: the first that is for an artifact decides, and without one it is refused.

    Where it is the policy of a process, `require_trust` refuses importers that are opened without one of
    their own. `origin` is the file that it was read from, "" for none.

    >>> policy = TrustPolicy(rules=[TrustRule(artifacts="a.pt", externs={"torch": ">=2.6"})])
    >>> policy.rule_for("a.pt") is policy.rules[0], policy.rule_for("b.pt")
    (True, None)
    """

    rules: tuple[TrustRule, ...] | Sequence[TrustRule]
    require_trust: bool = False
    origin: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", tuple(self.rules))

    def rule_for(self, name: str) -> TrustRule | None:
        """The first rule that is for artifacts with that file name."""
        return next((rule for rule in self.rules if rule.is_for(name)), None)


def _check_texts(value: object, *names: str) -> None:
    """Make tuples of lists, and of single texts. Raises ValueError for anything else."""
    for name in names:
        given = getattr(value, name)
        texts = (given,) if isinstance(given, str) else tuple(given)
        if not all(isinstance(text, str) and text for text in texts):
            raise ValueError(f"{name} is a list of texts, not {given!r}")
        object.__setattr__(value, name, texts)


def _check_pattern(name: str, pattern: str) -> None:
    try:
        GlobGroup(pattern, separator="/" if name == "artifacts" else ".")
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if name == "artifacts" and "/" in pattern:
        raise ValueError(f"artifacts are patterns of file names, without a folder: {pattern!r}")


def _check_capability(word: str) -> None:
    from hermpkg_build.core.spelling import did_you_mean
    from hermpkg_build.scanning.known_names import Capability

    known = [capability.word for capability in Capability]
    if not any(GlobGroup(word).matches(name) for name in known):
        meant = did_you_mean(word, known)
        hint = f"did you mean {meant!r}?" if meant else f"there are {', '.join(known)}"
        raise ValueError(f"capabilities has none called {word!r}: {hint}")


def _check_versions(pattern: str, versions: str) -> None:
    if versions == ANY_VERSION:
        return
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    from hermpkg_build.core.distribution_names import LONGEST_SPECIFIER

    try:
        if not isinstance(versions, str) or not versions.strip() or len(versions) > LONGEST_SPECIFIER:
            raise InvalidSpecifier
        SpecifierSet(versions)
    except InvalidSpecifier:
        raise ValueError(
            f'externs: {pattern!r} needs versions such as ">=2.6,<3", or "{ANY_VERSION}" for any,'
            f" not {versions!r}"
        ) from None
