"""Reads policies from files (``trust.toml``): the user's own ones, with nothing unknown in them.

Those of a process are the ``.toml`` files among what ``HERMPKG_TRUST`` names. Once one was read it holds as
long as the process lives, as it was then: code that an importer has loaded can change neither the variable
nor the file for the importers after it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from hermpkg_build.core.spelling import question
from hermpkg_build.core.toml_text import KeyPath, parse_toml, places_of_keys
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.files import open_regular
from hermpkg_build.disk.trust import (
    POLICY_SUFFIX,
    VARIABLE,
    is_open_to_all,
    is_own,
    is_trusted,
    owner_of,
    stranger_in,
)
from hermpkg_build.errors import HermpkgError, Location
from hermpkg_build.signing.signers import (
    AcceptedCertificate,
    AcceptedIdentity,
    AcceptedKey,
    AcceptedSigner,
)
from hermpkg_build.trust.errors import TrustPolicyError
from hermpkg_build.trust.policy import TrustPolicy, TrustRule

_LARGEST = 64 << 20


def read_policy(path: str | os.PathLike[str]) -> TrustPolicy:
    """Read the policy in the file at `path`; paths in it are relative to its folder.

    Raises TrustPolicyError for a file that is missing or cannot be read, that another user could have
    written, and for everything in it that is not known, with the line and column.
    """
    name = os.path.abspath(path)
    data = _read_own(name, "the policy")
    try:
        text = data.decode("utf-8-sig")
        document = parse_toml(text)
    except ValueError as error:  # also of a number of thousands of digits
        raise _wrong(f"not a TOML file: {error}", Location(name)) from None
    except ModuleNotFoundError as error:
        raise TrustPolicyError(
            f"policies cannot be read without {error.name}, so nothing is accepted by it",
            facts=[("file", name)],
            next_step=f"pip install {error.name}",
        ) from None
    return _Reader(name, text).policy(document)


def _read_own(path: str, what: str) -> bytes:
    """Read a file that nobody else could have written; `what` names it. Raises TrustPolicyError."""
    try:
        descriptor, _ = open_regular(path)
        with open(descriptor, "rb", buffering=0) as file:
            stranger = _stranger_of(path, os.fstat(descriptor))
            data = b"" if stranger else file.read(_LARGEST + 1)
    except OSError as error:
        raise TrustPolicyError(
            f"{what} cannot be read, so nothing is accepted by it",
            facts=[("file", path), ("reason", error.strerror or str(error))],
        ) from None
    if stranger:
        raise TrustPolicyError(
            f"somebody else could have written {what}, so nothing is accepted by it",
            facts=[("file", path), ("reason", stranger)],
            next_step="keep it where only you can write, or trust its folder: "
            f"{VARIABLE}={os.path.dirname(path)}",
        )
    if len(data) > _LARGEST:
        raise TrustPolicyError(
            f"{what} is too large", facts=[("file", path), ("limit", f"{_LARGEST:,} bytes")]
        )
    return data


def _stranger_of(path: str, status: os.stat_result) -> str:
    """Say how others could have written an open file, "" if they cannot."""
    if is_trusted(path):
        return ""
    if not is_own(status):
        return f"{path} belongs to {owner_of(status)}"
    if is_open_to_all(status):
        return f"everyone can write to {path}"
    # The folder that the name stands in, and that of the file where it is a link.
    folders = dict.fromkeys([os.path.dirname(path), os.path.dirname(os.path.realpath(path))])
    return next(filter(None, map(stranger_in, folders)), "")


def _wrong(what: str, location: Location, next_step: str = "") -> TrustPolicyError:
    return TrustPolicyError(what, location=location, next_step=next_step)


class _Reader:
    """Makes values of the document of one file, and says where in it something is wrong."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._folder = os.path.dirname(path)
        self._text = text
        self._places: dict[KeyPath, tuple[int, int]] | None = None

    def policy(self, document: Mapping[str, Any]) -> TrustPolicy:
        """Make the policy. Raises TrustPolicyError."""
        self._check_keys(document, (), _POLICY_KEYS)
        tables = document.get("artifact", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise _wrong("artifact is a list of tables", self.place(("artifact",)), "write [[artifact]]")
        required = self._value(document, (), "require-trust", _TRUTH)
        rules = [self._rule(table, ("artifact", place)) for place, table in enumerate(tables)]
        return TrustPolicy(rules=rules, require_trust=bool(required), origin=self._path)

    def place(self, key: KeyPath) -> Location:
        """Where a key stands; where its table does, or the file, if it is not found."""
        if self._places is None:
            self._places = places_of_keys(self._text)
        while key and key not in self._places:
            key = key[:-1]
        return Location(self._path, *self._places.get(key, (0, 0)))

    def _rule(self, table: Mapping[str, Any], key: KeyPath) -> TrustRule:
        self._check_keys(table, key, _RULE_KEYS)
        values: dict[str, Any] = {}
        for name, form in _FIELDS.items():
            if (value := self._value(table, key, name, form)) is not None:
                values[name.replace("-", "_")] = value
        signers = self._value(table, key, "signers", _SIGNERS) or ()
        digests = (*values.pop("sha256", ()), *self._locked(table, key))
        try:
            return TrustRule(
                **values,
                sha256=digests,
                signers=tuple(
                    self._signer(each, (*key, "signers", place)) for place, each in enumerate(signers)
                ),
                location=self.place(key),
            )
        except ValueError as error:
            raise _wrong(str(error), self._place_of(str(error), key)) from None

    def _place_of(self, problem: str, key: KeyPath) -> Location:
        """The place of the key that a message begins with, else that of the table."""
        name = problem.partition(":")[0].partition(" ")[0]
        return self.place((*key, name)) if name in _RULE_KEYS else self.place(key)

    def _locked(self, table: Mapping[str, Any], key: KeyPath) -> Sequence[str]:
        """The digests of the artifacts in the lock that a rule names, of one label where it names one."""
        name = self._value(table, key, "lock", _TEXT)
        label = self._value(table, key, "label", _TEXT)
        if name is None:
            if label is not None:
                raise _wrong("label needs lock, the file that has it", self.place((*key, "label")))
            return ()
        from hermpkg_build.core.lock import Lock

        _, data = self._file(name, (*key, "lock"))
        with self._located((*key, "lock")):
            targets = Lock.from_bytes(data).targets
        if label is not None and label not in targets:
            raise _wrong(
                f"the lock has no {label}",
                self.place((*key, "label")),
                question(label, targets) or f"it has {', '.join(sorted(targets)[:5]) or 'nothing'}",
            )
        found = [target.sha256 for name, target in targets.items() if label in (None, name)]
        if not found:
            raise _wrong("the lock has no artifacts", self.place((*key, "lock")))
        return found

    def _signer(self, table: Mapping[str, Any], key: KeyPath) -> AcceptedSigner:
        self._check_keys(table, key, _SIGNER_KEYS)
        given = {name: self._value(table, key, name, _TEXT) for name in _SIGNER_KEYS if name in table}
        names = frozenset(given)
        identity, issuer = given.get("identity", ""), given.get("issuer", "")
        if names == {"key"}:
            path, data = self._file(given["key"], key)
            return AcceptedKey(public_key=data, name=path)
        if names in ({_AUTHORITIES}, {_AUTHORITIES, "identity"}):
            path, data = self._file(given[_AUTHORITIES], key)
            return AcceptedCertificate(roots=data, identity=identity, name=path)
        if names == {"identity", "issuer"}:
            return AcceptedIdentity(identity=identity, issuer=issuer)
        if names == {"identity", "issuer", "trust-config"}:
            path, data = self._file(given["trust-config"], key)
            return AcceptedIdentity(identity=identity, issuer=issuer, trust_config=data, name=path)
        raise _wrong(
            "a signer is a key, an identity with its issuer, or certificate-authorities",
            self.place(key),
            'write for example: signers = [{ key = "release.pub" }]',
        )

    def _file(self, name: str, key: KeyPath) -> tuple[str, bytes]:
        """The path and the bytes of a file that a policy names, which must be the user's own as well."""
        path = os.path.join(self._folder, name)
        with self._located(key):
            return path, _read_own(path, "a file that the policy names")

    @contextmanager
    def _located(self, key: KeyPath) -> Iterator[None]:
        """Say where in the policy an error comes from."""
        try:
            yield
        except HermpkgError as error:
            raise TrustPolicyError(
                error.summary, facts=error.facts, next_step=error.next_step, location=self.place(key)
            ) from None

    def _check_keys(self, table: Mapping[str, Any], key: KeyPath, known: Sequence[str]) -> None:
        for name in table:
            if name not in known:
                where = f"a rule of {key[0]}" if key else "a policy"
                raise _wrong(
                    f"{where} has no key {name!r}",
                    self.place((*key, name)),
                    question(name.replace("_", "-"), known) or f"there are {', '.join(known)}",
                )

    def _value(self, table: Mapping[str, Any], key: KeyPath, name: str, form: _Form) -> Any:
        if name not in table:
            return None
        value = table[name]
        if not form.fits(value):
            raise _wrong(
                f"{name} is {form.words}, not {value!r}",
                self.place((*key, name)),
                f"write for example: {name} = {form.example}",
            )
        return form.make(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """A form that values have: whether one fits, how it is called, an example in TOML."""

    words: str
    example: str
    fits: Callable[[Any], bool]
    make: Callable[[Any], Any] = lambda value: value


def _is_texts(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(each, str) for each in value)
    )


def _is_versions(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


_TEXT = _Form(words="a text", example='"..."', fits=lambda value: isinstance(value, str))
_TEXTS = _Form(
    words="a text or a list of texts",
    example='["..."]',
    fits=_is_texts,
    make=lambda value: (value,) if isinstance(value, str) else tuple(value),
)
_TRUTH = _Form(words="true or false", example="true", fits=lambda value: isinstance(value, bool))
_VERSIONS = _Form(
    words="a table of modules and versions", example='{ "torch.**" = ">=2.6" }', fits=_is_versions
)
_SIGNERS = _Form(words="a list of tables", example='[{ key = "release.pub" }]', fits=_is_tables)

_FIELDS: Mapping[str, _Form] = {
    "artifacts": _TEXTS,
    "sha256": _TEXTS,
    "signature": _TEXT,
    "globals": _TEXTS,
    "modules": _TEXTS,
    "capabilities": _TEXTS,
    "externs": _VERSIONS,
    "allow-all": _TRUTH,
}
"""The keys of a rule that are fields of TrustRule as they are."""

_POLICY_KEYS = ("artifact", "require-trust")
_RULE_KEYS = (*_FIELDS, "lock", "label", "signers")
_AUTHORITIES = "certificate-authorities"
_SIGNER_KEYS = ("key", "identity", "issuer", _AUTHORITIES, "trust-config")


_policies: dict[str, TrustPolicy] = {}
"""What was read so far, by the absolute paths at that time."""
_texts: set[str] = set()
"""The values of the variable that were read already: a relative path in one means what it meant first."""
_lock = threading.Lock()


def process_policies() -> tuple[TrustPolicy, ...]:
    """Return all policies that hold in this process; each of them must accept an artifact.

    Raises TrustPolicyError for a file that cannot be read, and for an entry of the variable that is neither a
    policy nor the absolute path of a folder: with a misspelled name nothing is accepted.
    """
    text = os.environ.get(VARIABLE, "")
    with _lock:
        if text not in _texts:
            for entry in text.split(os.pathsep):
                _read_entry(entry)
            _texts.add(text)
        return tuple(_policies.values())


def _read_entry(entry: str) -> None:
    if entry.endswith(POLICY_SUFFIX):
        path = os.path.abspath(entry)
        if path not in _policies:
            _policies[path] = read_policy(path)
    elif entry and (not os.path.isabs(entry) or os.path.isfile(entry)):
        raise TrustPolicyError(
            f"{VARIABLE} names something that is neither a folder nor a policy, so nothing is accepted",
            facts=[("entry", entry)],
            next_step=f"name folders by absolute paths, and policies by paths that end with {POLICY_SUFFIX}",
        )
