"""The gate that an importer opens an artifact through: bytes that cannot change, and the decision on them."""

from __future__ import annotations

import functools
import hashlib
import importlib
import io
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hermpkg_build.archive.archive_file import ArchiveBytes
from hermpkg_build.archive.pinned_file import PinnedFile
from hermpkg_build.archive.private_file import PrivateFile, ToShare, copy_to_share
from hermpkg_build.core.module_names import top_of
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.printable import pasteable
from hermpkg_build.trust.decision import Subject, policy_name, refusals_by, refusals_of
from hermpkg_build.trust.errors import Refusal, RefusalKind, TrustError
from hermpkg_build.trust.policy import TrustPolicy, TrustRule
from hermpkg_build.trust.policy_file import process_policies, read_policy

if TYPE_CHECKING:
    from hermpkg_build.archive.reader import ArchiveReader
    from hermpkg_build.signing.contents import Content, RecordsContent
    from hermpkg_build.signing.failures import SignatureError
    from hermpkg_build.trust.needs import Needs

GivenPolicy = TrustPolicy | str | os.PathLike[str]
"""A policy, or the path of the file with one."""

_SHA256 = re.compile("[0-9a-f]{64}")

_PLACES = ("signature", "looked for")
"""The facts of an error that say which signature it is about."""


def open_gate(source: object, given: GivenPolicy | None) -> Gate | None:
    """Make the gate for `source`: a path, bytes or a binary stream; None where there is no policy at all.

    Raises TrustPolicyError, ArchiveError for a file that cannot be opened, and TrustError for what cannot be
    held to a policy: torch's reader, whose bytes others could change. A folder is copied, and the copy used.
    """
    policies = [*process_policies()]
    if given is None and any(policy.require_trust for policy in policies):
        required = next(policy for policy in policies if policy.require_trust)
        raise TrustError(
            "the policy of this process refuses importers that have none of their own",
            facts=[("file", _name_of(source) or "in memory"), ("policy", required.origin)],
            next_step="open it with PackageImporter(..., trust=...)",
        )
    own = given if given is None or isinstance(given, TrustPolicy) else read_policy(given)
    if own is not None:
        policies.append(own)
    return Gate(source, policies, own) if policies else None


class Gate:
    """Holds one artifact to `policies`, each of which must accept it.

    `source` is what the archive is to be read from: bytes that nobody else can change, or a PinnedFile. Of a
    path ToShare it is a copy, where the whole file counts.
    `given` is the one of the policies that the importer was given.
    """

    def __init__(
        self, source: object, policies: Sequence[TrustPolicy], given: TrustPolicy | None = None
    ) -> None:
        self.given = given
        path = _name_of(source)
        self.name: str = _artifact_name(path) if path else ""
        self.policies: tuple[TrustPolicy, ...] = tuple(policies)
        self._path = path
        self._shown = path or "in memory"
        rules = [policy.rule_for(self.name) for policy in policies]
        self.rules: tuple[TrustRule, ...] = tuple(rule for rule in rules if rule is not None)
        self.needs_whole_file: bool = any(rule.needs_whole_file for rule in self.rules)
        self.source: PinnedFile | PrivateFile | bytes
        self.sha256: str
        self._is_folder = bool(path) and os.path.isdir(path)
        self.source, self.sha256 = self._pinned(source)
        self._needs: Needs | None = None

    @property
    def origins(self) -> tuple[str, ...]:
        """The rules that decide, or the policies that have none for the artifact, for people."""
        names = (policy_name(policy, policy.rule_for(self.name)) for policy in self.policies)
        return tuple(dict.fromkeys(names))

    def check_map(self, mapped: bool | None) -> None:
        """Raise ValueError where tensors are to be mapped whose digest counts."""
        if mapped and self.needs_whole_file:
            raise ValueError(
                "map=True cannot be had under a policy that asks for a digest or a signer:"
                " what is written into the file in place would show in mapped tensors"
            )

    def decide(self, archive: ArchiveReader, externs: Iterable[str]) -> None:
        """Raise TrustError with all reasons of all policies where one does not accept `archive`."""
        refusals = self.refusals(archive, externs)
        if refusals:
            raise self._error(refusals)

    def refusals(self, archive: ArchiveReader, externs: Iterable[str]) -> tuple[Refusal, ...]:
        """Return all reasons of all policies against `archive`, which was opened from `source`."""

        @functools.cache
        def needs() -> Needs:
            # Where everything is allowed to a digest, nothing is read, and nothing that reads is loaded.
            from hermpkg_build.trust.needs import needs_of

            self._needs = needs_of(archive, externs)
            return self._needs

        subject = Subject(name=self.name, sha256=self.sha256, signed=self._signed)
        return tuple(refusal for policy in self.policies for refusal in refusals_of(subject, policy, needs))

    def check_pickle(self, record: str, data: bytes) -> None:
        """Decide over a record that is to be unpickled and was not decided over before. Raises TrustError."""
        needs = self._needs
        if needs is None or record in needs.pickles:
            return
        from hermpkg_build.trust.needs import Needs, pickle_needs

        found = Needs(pickle_needs(data, record, needs.around), (), needs.around)
        # Who made the file was asked when it was opened.
        refusals = [
            refusal
            for policy, rule in zip(self.policies, self.rules, strict=True)
            if not rule.allow_all
            for refusal in refusals_by(rule, policy_name(policy, rule), found)
        ]
        if refusals:
            raise self._error(refusals)

    def check_global(self, module: str, name: str) -> None:
        """Refuse a name that a pickle asks for while it is loaded, whatever was read in it before."""
        if self._needs is None:
            return
        from hermpkg_build.trust.needs import permissions_for

        for policy, rule in zip(self.policies, self.rules, strict=True):
            for permission in permissions_for(module, name, self._needs.around):
                if not rule.allows_global(*permission):
                    full = f"{module}.{name}"
                    reason = f"{full}, which only showed when the pickle was loaded"
                    origin = policy_name(policy, rule)
                    refusal = Refusal(kind=RefusalKind.GLOBAL, name=full, reason=reason, policy=origin)
                    raise self._error([refusal])

    def check_found(self, module: str, name: str, found: object) -> None:
        """Refuse what a name has led to, where it is of another library than the name says.

        Libraries and packed modules hold modules and functions of others, such as ``os``, under names of
        their own. What a rule names as it is, it means; a pattern does not mean that.
        """
        if self._needs is None:
            return
        from hermpkg_build.scanning.harmless import is_harmless
        from hermpkg_build.trust.needs import permissions_for

        around = self._needs.around
        is_packed = module in around.packed
        what = _of_another(found, module, is_packed)
        if not what or (is_harmless(module, name) and not is_packed):
            return
        named = {f"{of}.{last}" for of, last in [(module, name), *permissions_for(module, name, around)]}
        own = str(getattr(found, "__module__", "")), str(getattr(found, "__qualname__", ""))
        for policy, rule in zip(self.policies, self.rules, strict=True):
            is_meant = rule.allow_all or not named.isdisjoint(rule.globals)
            if is_meant or (is_packed and (is_harmless(*own) or rule.allows_global(*own))):
                continue
            full = f"{module}.{name}"
            reason = f"{full} is {what}: a policy must name it, a pattern is not enough"
            origin = policy_name(policy, rule)
            raise self._error([Refusal(kind=RefusalKind.GLOBAL, name=full, reason=reason, policy=origin)])

    def _error(self, refusals: Sequence[Refusal]) -> TrustError:
        origins = dict.fromkeys(refusal.policy for refusal in refusals if refusal.policy)
        facts = [("file", self._shown), *(("policy", origin) for origin in origins)]
        return TrustError(
            "the artifact is not accepted by the policy",
            refusals=refusals,
            facts=facts,
            next_step=_next_step(self._path, refusals) if os.path.exists(self._shown) else "",
        )

    def _signed(self, rule: TrustRule) -> str:
        """Say why none of a rule's signers has signed the very bytes of `source`; "" where one has."""
        if not self._path:
            return "what is opened from memory has no signature"
        from hermpkg_build.signing.contents import FileContent
        from hermpkg_build.signing.files import signature_files, signature_path

        content: Content
        if isinstance(self.source, ArchiveBytes) and not self._is_folder:
            content = FileContent(self.name, len(self.source.view), self.source.read_at, sha256=self.sha256)
        else:
            content = _records(self.name, self.source)
        if rule.signature:
            return _problem_with_file(rule.signature.replace("{file}", self._path), content, rule)
        problems: list[str] = []
        for path in signature_files(self._path) or [signature_path(self._path)]:
            problems.append(_problem_with_file(path, content, rule))
            if not problems[-1]:
                return ""
        return _problem_in_registry(self.sha256, content, rule, problems)

    def _pinned(self, source: object) -> tuple[PinnedFile | PrivateFile | bytes, str]:
        """Return what cannot change any more, and its SHA-256 where it counts, else ""."""
        if isinstance(source, (str, os.PathLike)):
            path = os.fspath(source)
            if self._is_folder:
                from hermpkg_build.archive.private_copy import private_copy
                from hermpkg_build.archive.unpacked import UnpackedReader

                # Files of a folder could be exchanged one by one: a copy is judged, and used.
                copy = private_copy(UnpackedReader(path))
                return copy, hashlib.sha256(copy.view).hexdigest() if self.needs_whole_file else ""
            if self.needs_whole_file and isinstance(source, ToShare):
                return copy_to_share(path)
            file = PinnedFile(path, whole=self.needs_whole_file)
            return file, file.sha256
        if isinstance(source, io.BytesIO):
            data = source.getvalue()
        elif isinstance(source, (bytes, bytearray, memoryview)):
            data = bytes(source)
        elif hasattr(source, "read") and hasattr(source, "seek") and not isinstance(source, io.TextIOBase):
            source.seek(0)
            data = bytes(source.read())
        else:
            raise self._unheld(f"what {type(source).__name__} reads could change")
        return data, hashlib.sha256(data).hexdigest() if self.needs_whole_file else ""

    def _unheld(self, reason: str) -> TrustError:
        refusal = Refusal(kind=RefusalKind.DOUBT, name=reason, reason=reason)
        return TrustError(
            "this cannot be held to a policy",
            refusals=[refusal],
            facts=[("file", self._shown)],
            next_step="open the file of the artifact by its path",
        )


def _next_step(path: str, refusals: Sequence[Refusal]) -> str:
    """What to do about refusals: a signature is had from a signer, all else is a matter of the policy."""
    steps = []
    if any(refusal.kind is RefusalKind.SIGNER for refusal in refusals):
        sign = pasteable("hermpkg", "sign", path or "FILE", "--private-key", "key.pem")
        steps.append(f"a signature by one of the policy's signers must lie beside it, as this makes: {sign}")
    if any(refusal.kind is not RefusalKind.SIGNER for refusal in refusals):
        trust = pasteable("hermpkg", "trust", path or "FILE")
        steps.append(f"hermpkg scan tells more of it; {trust} prints what would accept it")
    return "\n".join(steps)


def _artifact_name(path: str) -> str:
    """Return the name that rules know an artifact by: that of its file, or in a registry that it came from.

    Files in the cache, where those lie that are opened by ``oci://``, have their SHA-256 for a name.
    """
    name = os.path.basename(os.path.abspath(path))
    registry = _registry() if _SHA256.fullmatch(name) else None
    return (str(registry.name_of(name)) if registry is not None else "") or name


def _registry() -> Any:
    """Return what knows artifacts of registries; None where it is not installed, and none came from one."""
    try:
        return importlib.import_module("hermpkg_build.registry.signatures")
    except ModuleNotFoundError:
        return None


def _problem_with_file(path: str, content: Content, rule: TrustRule) -> str:
    """Say why the signature at `path` is not one of `content` by a signer of `rule`; "" where it is."""
    from hermpkg_build.signing.failures import SignatureError
    from hermpkg_build.signing.files import read_signature

    try:
        return _problem_with(path, read_signature(path), content, rule)
    except SignatureError as error:
        return _told(error, path)


def _problem_in_registry(sha256: str, content: Content, rule: TrustRule, problems: Sequence[str]) -> str:
    """Say why no signature in the registry that an artifact came from is one by a signer of `rule` either.

    "" where one is: it is held to the very bytes and to the signers as any other. `problems` are those with
    the signatures beside the file.
    """
    registry = _registry()
    if registry is None:
        return "; ".join(problems)
    found = list(problems)
    try:
        with closing(registry.signatures_of(sha256)) as signatures:
            for place, data in signatures:
                found.append(_problem_with(place, data, content, rule))
                if not found[-1]:
                    return ""
    except LocalEnvironmentError as error:
        reasons = ", ".join(f"{name} {value}" for name, value in error.facts)
        found.append(f"{error.summary}: {reasons}")
    return "; ".join(found)


def _problem_with(place: str, signature: bytes, content: Content, rule: TrustRule) -> str:
    from hermpkg_build.signing.failures import SignatureError
    from hermpkg_build.signing.verify import verify_signature

    try:
        verify_signature(content, signature, rule.signers)
    except SignatureError as error:
        return _told(error, place)
    return ""


def _told(error: SignatureError, place: str) -> str:
    """Say what is wrong with the signature at `place`."""
    told = error if any(name in _PLACES for name, _ in error.facts) else error.in_file(place)
    return ", ".join([error.summary, *(f"{name} {value}" for name, value in told.facts)])


def _records(name: str, data: object) -> RecordsContent:
    """Return the files of an unpacked artifact as a signature has them, out of the copy that is used."""
    from hermpkg_build.archive.reader import ArchiveReader
    from hermpkg_build.signing.contents import RecordsContent

    assert isinstance(data, PrivateFile)
    archive = ArchiveReader(data)
    return RecordsContent(name, archive.names(), archive.read)


def _of_another(found: object, module: str, is_packed: bool) -> str:
    """Say of which other library than `module` an object is, "" where of none, or where it cannot do harm.

    Names of packed modules begin with ``<``, once they are loaded.
    """
    if isinstance(found, ModuleType):
        return "" if found.__name__.startswith("<") else "a module"
    home = getattr(found, "__module__", None)
    if not callable(found) or not isinstance(home, str) or home.startswith("<"):
        return ""
    return f"of {home}" if is_packed or top_of(home) != top_of(module) else ""


def _name_of(source: object) -> str:
    """The path of a source, "" for what is in memory."""
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else ""
