"""The checks when an artifact opens: its bytes against the manifest, its needs against the environment."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from hermpkg_build.archive.layout import DATA, MANIFEST, PYTHON_VERSION, VERSION_RECORD
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.distribution_names import LONGEST_SPECIFIER
from hermpkg_build.core.module_names import top_of
from hermpkg_build.errors import ArchiveError, LocalEnvironmentError
from hermpkg_build.printable import one_line
from hermpkg_build.runtime.contents.archives import Archive

if TYPE_CHECKING:
    from hermpkg_build.core.manifest import Manifest
    from hermpkg_build.core.module_roles import Policy

CheckMode = Literal["error", "warn", "off"]
VerifyMode = Literal["code", "all", "off"]

_SHOWN = 5
_VERSION = re.compile(r"^version:[ \t]*(\S+)[ \t]*$", re.IGNORECASE | re.MULTILINE)
"""What an installed distribution says in the head of its metadata."""
_BETWEEN = ("hermpkg_build.", "importlib", "_frozen_importlib", "functools")
"""The modules whose frames lie between what opens or reads an artifact and the reading."""


class ArtifactModifiedWarning(UserWarning):
    """Warns that the artifact was edited after it was built: it no longer matches its manifest."""


class ArtifactEnvironmentWarning(UserWarning):
    """Warns that the environment differs from the one that the artifact was built in."""


class ArtifactEnvironmentError(LocalEnvironmentError, ImportError):
    """The environment lacks something that the artifact needs, or has a version that it excludes."""


def read_manifest(archive: Archive) -> Manifest | None:
    """Read the manifest; None for an archive of torch.package, which has none. Raises ArchiveError.

    Its entries are read when they are asked for, and raise then.
    """
    if not archive.has(MANIFEST):
        return None
    # Archives of torch.package are opened without this module.
    from hermpkg_build.core.manifest import Manifest

    try:
        return Manifest.opened(archive.read(MANIFEST))
    except ArchiveError as error:
        raise error.in_file(archive.name) from None


def check_content(archive: Archive, manifest: Manifest | None, mode: VerifyMode) -> None:
    """Compare the records with the manifest, if there is one; give one warning that names the differences.

    "code" compares everything but the bytes of tensors; "all" compares these too. Members that no reader of
    the archive gives are differences, too. Where the directory is the one that was written, by the digest of
    its checksums, "code" compares each record when it is read, and warns of it then.
    Raises ArchiveError for a record that does not match its own checksum.
    """
    if mode == "off":
        return
    changes = []
    if isinstance(archive, ArchiveReader):
        changes += [f"{name} is there more than once" for name in archive.duplicates]
        changes += [f"{name} lies outside of {archive.root}/" for name in archive.strays]
        if mode == "code" and manifest and not changes and manifest.checksums == archive.checksums():
            archive.check_reads(_CheckOfReads(archive.name, manifest))
            for name in filter(archive.has, (VERSION_RECORD, PYTHON_VERSION)):
                archive.read(name)  # These were read before there was a manifest.
            return
    if manifest is not None:
        changes += _changed_records(archive, manifest, with_tensors=mode == "all")
    if changes:
        _warn(
            ArtifactModifiedWarning,
            f"the artifact {archive.name} was edited after it was built: {_shortened(changes, '; ')}",
        )


class _CheckOfReads:
    """Compares each record of an archive with the manifest when it is read for the first time."""

    def __init__(self, archive: str, manifest: Manifest) -> None:
        self._archive = archive
        self._manifest = manifest
        self._compared = {MANIFEST}

    def __call__(self, name: str, data: memoryview, compare: Callable[[], None]) -> None:
        if name in self._compared:
            compare()
            return
        self._compared.add(name)
        try:
            listed = self._manifest.records.get(name)
        except ArchiveError as error:
            raise error.in_file(self._archive) from None
        found = f"{hashlib.sha256(data).hexdigest()}/{len(data)}"
        if listed is None or str(listed.digest) != found:
            compare()
            change = "was added" if listed is None else "was changed"
            _warn(
                ArtifactModifiedWarning,
                f"the artifact {self._archive} was edited after it was built: {name} {change}",
            )


def _changed_records(archive: Archive, manifest: Manifest, *, with_tensors: bool) -> Iterator[str]:
    from hermpkg_build.core.manifest import RecordKind

    listed = manifest.digests()
    # In the order of the file, which is quick to read in.
    names = [name for name in archive.names() if name != MANIFEST]
    unread = set() if with_tensors else {*manifest.records_of(RecordKind.STORAGE)}
    there = [name for name in names if name in listed]
    sizes = zip(there, archive.sizes(there), strict=True)
    changed = {name for name, size in sizes if listed[name].rpartition("/")[2] != str(size)}
    read = [n for n in there if n not in changed and not (n in unread and n.startswith(DATA))]
    hashes = archive.hashes(read) if isinstance(archive, ArchiveReader) else map(archive.sha256, read)
    changed |= {name for name, sha256 in zip(read, hashes, strict=True) if listed[name][:64] != sha256}
    if not changed and len(names) == len(there) == len(listed):
        return
    yield from (f"{name} was added" for name in sorted({*names} - listed.keys()))
    for name in sorted(listed.keys() - {*there} | changed):
        yield f"{name} {'was changed' if name in changed else 'is gone'}"


def check_python(archive: Archive, mode: CheckMode) -> None:
    """Compare the Python that built the archive with this one, by major and minor version.

    Warns of a difference; raises ArtifactEnvironmentError where `mode` is "error".
    """
    if mode == "off" or not archive.has(PYTHON_VERSION):
        return
    built_with = archive.read(PYTHON_VERSION).decode("utf-8", "replace").strip()
    here = ".".join(str(part) for part in sys.version_info[:3])
    if built_with.split(".")[:2] == here.split(".")[:2]:
        return
    text = f"the artifact {archive.name} was built with Python {built_with}, this is Python {here}"
    if mode == "error":
        raise ArtifactEnvironmentError(
            text, next_step='open it with that version of Python, or with check="warn"'
        )
    _warn(ArtifactEnvironmentWarning, text)


def check_allowed(module_allowed: Callable[[str], bool], externs: Sequence[str], filename: str) -> None:
    """Raise ImportError where extern modules are not allowed."""
    refused = [name for name in externs if not module_allowed(name)]
    if refused:
        raise ImportError(
            f"the artifact {filename} needs modules that are not allowed here: {', '.join(refused)}",
            name=refused[0],
        )


def check_environment(archive: Archive, manifest: Manifest, mode: CheckMode) -> None:
    """Check that the distributions of extern modules are installed, in versions that the artifact allows.

    A version other than the one at build time, of a distribution that `requires` does not name, is a
    warning; where `mode` is "error", it is an error. Raises one ArtifactEnvironmentError that names
    everything that is wrong.
    """
    if mode == "off":
        return
    externs = manifest.extern_modules()
    requires = manifest.required_versions()
    problems: list[tuple[str, str]] = []
    drift: list[tuple[str, str]] = []
    beside_packed = _PartsOfDistributions(manifest)
    for name in sorted({*externs, *requires} - {""}):
        installed, required = _installed_version(name), requires.get(name, "")
        shown = required[:LONGEST_SPECIFIER]
        built_with = manifest.distributions.get(name, "")
        if installed is None and name not in requires and _are_optional(manifest, externs[name]):
            built = f", {built_with} was there at build time" if built_with else ""
            drift.append((name, f"is not installed{built}"))
        elif installed is None:
            wanted = shown or (f"built with {built_with}" if built_with else "any version")
            problems.append((name, f"is not installed ({wanted}){beside_packed(name)}"))
        elif required:
            if not _allows(required, installed):
                problems.append((name, f"{installed} is installed, {shown} is required"))
        elif built_with and _public(installed) != _public(built_with):
            drift.append((name, f"{installed} is installed, {built_with} was there at build time"))
    for name, is_optional in missing_modules(manifest, externs.get("", ())).items():
        (drift if is_optional else problems).append((name, "cannot be found"))
    if mode == "error":
        problems += drift
    if problems:
        from hermpkg_build.disk.standard_library import interpreter

        raise ArtifactEnvironmentError(
            f"the artifact {archive.name} cannot run in this environment",
            facts=problems,
            next_step=f'install what it needs in {interpreter()}, or open it with check="off"',
        )
    if drift:
        text = ", ".join(f"{name} {what}" for name, what in drift)
        _warn(
            ArtifactEnvironmentWarning, f"the environment of the artifact {archive.name} has changed: {text}"
        )


class _PartsOfDistributions:
    """Says which modules of a distribution are extern where others of it are packed."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest

    def __call__(self, distribution: str) -> str:
        from hermpkg_build.core.module_roles import Policy

        names = self._names.get(distribution, {})
        if Policy.INTERN not in names or Policy.EXTERN not in names:
            return ""
        shown = _shortened(names[Policy.EXTERN], ", ")
        return f"; parts of it are packed, but these are extern: {shown}"

    @functools.cached_property
    def _names(self) -> Mapping[str, Mapping[Policy, list[str]]]:
        """The modules of each distribution by what became of them."""
        found: dict[str, dict[Policy, list[str]]] = {}
        for name, module in self._manifest.modules.items():
            found.setdefault(module.distribution, {}).setdefault(module.policy, []).append(name)
        return found


def missing_modules(manifest: Manifest, externs: Iterable[str]) -> dict[str, bool]:
    """Find which top-level ones of the `externs`, that no distribution provides, are missing; import none.

    Those below a packed one go by their own names. Maps each to whether what is taken of it is optional.
    """
    from hermpkg_build.core.module_roles import Origin

    tops: dict[str, list[str]] = {}
    for name in externs:
        if manifest.modules[name].origin in (Origin.WORKSPACE, Origin.ENVIRONMENT):
            tops.setdefault(top_of(name), []).append(name)
    return {
        name: _are_optional(manifest, names)
        for top, names in tops.items()
        if not _can_be_found(top)
        for name in (names if top in manifest.modules and top not in names else (top,))
    }


def _are_optional(manifest: Manifest, modules: Sequence[str]) -> bool:
    return all(manifest.modules[name].optional for name in modules)


def _can_be_found(module: str) -> bool:
    if sys.modules.get(module) is not None:
        return True  # Also a module without a spec, such as a script's `__main__`, or one made by code.
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _installed_version(distribution: str) -> str | None:
    from importlib import metadata

    try:
        found = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return None
    # Parsing all of it takes longer than to open an artifact. What distutils wrote is one file without a
    # name of its own, and some state no version.
    text = next(filter(None, map(found.read_text, ("METADATA", "PKG-INFO", ""))), "")
    stated = _VERSION.search(text.partition("\n\n")[0])
    return stated[1] if stated else ""


@functools.cache
def specifiers() -> Any:
    """The class that reads version specifiers.

    Whoever hides modules of this process, of which ``packaging`` may be one, asks for it before.
    """
    from packaging.specifiers import SpecifierSet

    return SpecifierSet


def _allows(required: str, installed: str) -> bool:
    try:
        allowed = specifiers()(required) if len(required) <= LONGEST_SPECIFIER else None
        return allowed is not None and allowed.contains(installed, prereleases=True)
    except ValueError:  # Also for a number of thousands of digits.
        return False


def _public(version: str) -> str:
    """A version without its local part: ``2.4.0+cpu`` is ``2.4.0`` built in another way."""
    return version.partition("+")[0]


def _shortened(texts: Sequence[str], separator: str) -> str:
    more = len(texts) - _SHOWN
    return separator.join(texts[:_SHOWN]) + (f", and {more} more" if more > 0 else "")


def _warn(category: type[Warning], text: str) -> None:
    """Warn at the place outside of hermpkg that the artifact is opened or read at."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(_BETWEEN):
        # Those of importlib itself are not counted.
        level += not frame.f_code.co_filename.startswith("<frozen importlib._bootstrap")
        frame = frame.f_back
    warnings.warn(one_line(text), category, stacklevel=level)
