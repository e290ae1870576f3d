"""Installed distributions: which one owns a file, read from their metadata without importlib.metadata."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hermpkg_build.analysis.zip_folders import zip_metadata
from hermpkg_build.core.canonical_json import loads
from hermpkg_build.core.distribution_names import normalised
from hermpkg_build.core.spelling import question
from hermpkg_build.dataclass import dataclass

if TYPE_CHECKING:
    from hermpkg_build.core.graph import ModuleNode
    from hermpkg_build.disk.source_tree import SourceTree

_METADATA_FOLDER = re.compile(r"(?P<name>[^-]+)(?:-(?P<version>[^-]+))?(?:-.*)?\.(?:dist|egg)-info")
_REQUIREMENT = re.compile(rb"^Requires-Dist:[ \t]*([A-Za-z0-9._-]+)[^;\n]*(;.*)?", re.MULTILINE)
_CLASSIFIER = re.compile(rb"^Classifier:[ \t]*([^\r\n]+)", re.MULTILINE)
_GROUP = re.compile(rb"^\[[ \t]*([^\]\r\n]+?)[ \t]*\]", re.MULTILINE)
_EGG = ".egg"
_EGG_METADATA = "EGG-INFO"
_SEARCHES = 64
"""So often a record is searched before all of it is read, which takes as long as fifty searches."""
_TOP_OF_LINE = re.compile(rb'^"?([^/,"\r\n]+)', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One installed distribution.

    `name` is normalised (see `core.distribution_names`), `version` as
    installed ("" where the metadata has none), `metadata` the absolute path of its
    ``.dist-info`` or ``.egg-info``.
    """

    name: str
    version: str
    metadata: str


class Distributions:
    """The distributions installed under the entries of a search path.

    Names and versions come from folder names; the records of what a distribution owns are read
    only until an owner is found, those of likely owners first. Answers are kept.
    """

    def __init__(self, search_path: Sequence[str], tree: SourceTree) -> None:
        self._tree = tree
        self._entries = tuple(search_path)
        self._installed: dict[str, tuple[Distribution, ...]] = {}
        self._tops: dict[str, frozenset[str]] = {}
        self._files: dict[str, frozenset[str]] = {}
        self._owned: dict[str, dict[str, Distribution | None]] = {}
        self._records: dict[str, bytes] = {}
        self._searches: defaultdict[str, int] = defaultdict(int)
        self._owners: dict[tuple[str, str], tuple[Distribution, ...]] = {}
        self._zipped: dict[str, bytes] = {}
        self._editable: list[tuple[str, Distribution]] | None = None

    def named(self, name: str) -> Distribution | None:
        """The distribution of that name, spelt in any way; the first on the path where there are several."""
        wanted = normalised(name)
        return next(
            (d for entry in self._entries for d in self.installed_in(entry) if d.name == wanted), None
        )

    def owner_of(self, path: str) -> Distribution | None:
        """The owner of a file by its absolute path, or of a top-level module by its name."""
        if not os.path.isabs(path):
            owners = (self._owners_of_top(entry, path) for entry in self._entries)
            return next((found[0] for found in owners if found), None)
        for entry in self._entries:
            if path.startswith(entry + os.sep):
                owner = self.owner_in(entry, os.path.relpath(path, entry).replace(os.sep, "/"))
                if owner is not None:
                    return owner
        return self._editable_owner(path)

    def owner_in(self, entry: str, file: str) -> Distribution | None:
        """The owner of `file`, a path relative to the search path entry `entry` with "/" between names."""
        known = self._owned.setdefault(entry, {})
        if file not in known:
            top, slash, _ = file.partition("/")
            owners = self._owners_of_top(entry, top if slash else _stem(top))
            lister = next((owner for owner in owners if self._lists(owner, file)), None)
            known[file] = lister or self._owner_of_unlisted(entry, file, owners)
        return known[file]

    def _owner_of_unlisted(
        self, entry: str, file: str, owners: Sequence[Distribution]
    ) -> Distribution | None:
        """The owner of a file that `owners`, which its package comes from, do not list.

        Another may have put it there; of an ordinary package it is else taken for a part, and of a namespace
        for one of a distribution that lists no files at all.
        """
        top, slash, _ = file.partition("/")
        if owners and slash and not self._is_namespace(entry, top):
            others = (d for d in self.installed_in(entry) if top in self._tops_of(d))
            return next((other for other in others if self._lists(other, file)), owners[0])
        unrecorded = (owner for owner in owners if self._text(owner.metadata, "RECORD") is None)
        if (owner := next(unrecorded, None)) is not None:
            return owner
        if owners and not slash:
            return owners[0]
        return self._editable_owner(os.path.join(entry, *file.split("/")))

    def unknown_requirements(self, requires: Iterable[str]) -> dict[str, str]:
        """Say of names in `requires` that they are those of no distribution here, and what may be meant."""
        found = {}
        for name in sorted(requires):
            if self.named(name) is None:
                owner = self.owner_of(name)
                known = {other.name for entry in self._entries for other in self.installed_in(entry)}
                meant = f"the module {name} comes with {owner.name}" if owner else question(name, known)
                text = f"requires names {name}, which is no distribution that is installed here"
                found[name] = f"{text}: {meant}" if meant else text
        return found

    def is_compiled(self, distribution: Distribution) -> bool:
        """Whether the distribution installs extension modules or shared libraries."""
        return any(file.endswith((".so", ".pyd", ".dylib", ".dll")) for file in self._record(distribution))

    def requirements_of(self, distribution: Distribution) -> list[Distribution]:
        """The installed distributions that this one says it needs, whatever is asked of its extras."""
        found = _REQUIREMENT.findall(self._header(distribution.metadata))
        names = [name.decode() for name, marker in found if b"extra" not in marker]
        return [other for name in names if (other := self.named(name)) is not None]

    def classifiers_of(self, distribution: Distribution) -> list[str]:
        """The classifiers that the distribution gives itself: ``Topic :: System :: Logging``."""
        found = _CLASSIFIER.findall(self._header(distribution.metadata))
        return [text.decode("utf-8", "replace") for text in found]

    def entry_point_groups_of(self, distribution: Distribution) -> list[str]:
        """The groups that the distribution has entry points in."""
        text = self._text(distribution.metadata, "entry_points.txt") or b""
        return [group.decode("utf-8", "replace") for group in _GROUP.findall(text)]

    def header_of(self, distribution: Distribution) -> bytes:
        """What the distribution says of itself, without its description; lines end with a line feed."""
        return self._header(distribution.metadata)

    def metadata_file(self, distribution: Distribution, file: str) -> bytes | None:
        """The file of that name among the distribution's metadata, None where it has none."""
        return self._text(distribution.metadata, file)

    def has_folder(self, package: str, *, beside: str) -> bool:
        """Whether distributions have a folder of the package `package`; those around `beside` apart."""
        folder = package.replace(".", os.sep)
        return any(
            self._tree.entries(os.path.join(entry, folder)) is not None
            for entry in self._entries
            if not beside.startswith(os.path.join(entry, "")) and self.installed_in(entry)
        )

    def installed_in(self, entry: str) -> tuple[Distribution, ...]:
        """The distributions whose metadata lie in the folder `entry`, by name."""
        if entry not in self._installed:
            found = []
            for name in self._names_in(entry):
                is_egg = name == _EGG_METADATA and entry.endswith(_EGG)
                shown = os.path.basename(entry)[: -len(_EGG)] + ".egg-info" if is_egg else name
                match = _METADATA_FOLDER.fullmatch(shown) if shown.endswith("-info") else None
                if match:
                    path = os.path.join(entry, name)
                    version = match["version"] or self._stated_version(path)
                    found.append(Distribution(name=normalised(match["name"]), version=version, metadata=path))
            found.sort(key=lambda d: (d.name, d.metadata))
            if len({distribution.name for distribution in found}) < len(found):
                found = self._without_leftovers(entry, found)
            self._installed[entry] = tuple(found)
        return self._installed[entry]

    def _names_in(self, entry: str) -> Iterable[str]:
        """Return the names in a folder of the path, or the metadata folders in a ZIP file, which are kept."""
        names = self._tree.entries(entry)
        if names is not None or not self._tree.is_file(entry):
            return names or ()
        zipped = zip_metadata(entry, self._tree.read(entry))
        self._zipped.update(zipped)
        return sorted({os.path.basename(os.path.dirname(path)) for path in zipped})

    def _without_leftovers(self, entry: str, found: Sequence[Distribution]) -> list[Distribution]:
        """Return of several distributions of one name in a folder the one whose files lie there.

        ``pip install --target --upgrade`` leaves the metadata of the version before, as layers of images do.
        """
        same: defaultdict[str, list[Distribution]] = defaultdict(list)
        for distribution in found:
            same[distribution.name].append(distribution)
        return [each[0] if len(each) == 1 else self._lying_in(entry, each) for each in same.values()]

    def _lying_in(self, entry: str, same: Sequence[Distribution]) -> Distribution:
        """Return the one that alone recorded a file as it is; the first where no file tells them apart."""
        recorded: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for distribution in same:
            for file, digest in self._recorded_digests(distribution):
                recorded[file][distribution.metadata] = digest
        # What all of them installed tells the most: other files can be left over, too.
        for file in sorted(recorded, key=lambda file: (-len(recorded[file]), file)):
            digests = recorded[file]
            if len(digests) == len(same) and len({*digests.values()}) == 1:
                continue
            path = os.path.join(entry, *file.split("/"))
            now = self._tree.digest(path).hash if self._tree.is_file(path) else ""
            fitting = [each for each in same if digests.get(each.metadata) == now]
            if len(fitting) == 1:
                return fitting[0]
        return same[0]

    def _recorded_digests(self, distribution: Distribution) -> Iterator[tuple[str, str]]:
        """Give the files that the distribution installed, its metadata apart, with their SHA-256."""
        from base64 import urlsafe_b64decode

        own = os.path.basename(distribution.metadata) + "/"
        for file, *more in self._rows(distribution):
            kind, _, digest = more[0].partition("=") if more else ("", "", "")
            if kind == "sha256" and not file.startswith(own):
                with suppress(ValueError):
                    yield file, urlsafe_b64decode(digest + "=" * (-len(digest) % 4)).hex()

    def _owners_of_top(self, entry: str, top: str) -> tuple[Distribution, ...]:
        """The first distribution that installs the top-level name `top`; all of them for a namespace."""
        key = (entry, top)
        if key not in self._owners:
            shared = self._is_namespace(entry, top)
            owners: list[Distribution] = []
            for distribution in sorted(self.installed_in(entry), key=lambda d: _unlikeliness(d.name, top)):
                if top in self._tops_of(distribution):
                    owners.append(distribution)
                    if not shared:
                        break
            self._owners[key] = tuple(owners)
        return self._owners[key]

    def _is_namespace(self, entry: str, top: str) -> bool:
        """Whether distributions share a package: a namespace, by its nature or by what its code says."""
        folder = os.path.join(entry, top)
        listing = self._tree.entries(folder) if (self._tree.entries(entry) or {}).get(top) else None
        if listing is None:
            return False
        if not any(name.startswith("__init__.") for name in listing):
            return True
        if listing.get("__init__.py") is not False:
            return False
        code = self._tree.read(os.path.join(folder, "__init__.py"))
        return b"extend_path" in code or b"declare_namespace" in code

    def _tops_of(self, distribution: Distribution) -> frozenset[str]:
        """The top-level names a distribution installs, without suffixes of modules."""
        path = distribution.metadata
        if path not in self._tops:
            tops = self._text(path, "top_level.txt")
            if tops is not None:
                names = {line.strip() for line in tops.decode("utf-8", "replace").splitlines()}
            else:
                record = self._text(path, "RECORD") or b""
                names = {_stem(top.decode("utf-8", "replace")) for top in _TOP_OF_LINE.findall(record)}
            self._tops[path] = frozenset(names - {""})
        return self._tops[path]

    def _lists(self, distribution: Distribution, file: str) -> bool:
        """Whether the distribution's record has a file: searched for, as of most a few are asked for."""
        path = distribution.metadata
        self._searches[path] += 1
        if self._searches[path] > _SEARCHES or '"' in file or "," in file:
            return file in self._record(distribution)
        if path not in self._records:
            self._records[path] = b"\n" + (self._text(path, "RECORD") or b"")
        record = self._records[path]
        return b"\n%b," % file.encode() in record or (len(record) == 1 and file in self._record(distribution))

    def _record(self, distribution: Distribution) -> frozenset[str]:
        """Every file that the distribution's record lists, relative to its search path entry."""
        path = distribution.metadata
        if path not in self._files:
            if self._text(path, "RECORD") is not None:
                files = {row[0] for row in self._rows(distribution)}
            else:
                sources = self._text(path, "SOURCES.txt") or b""
                files = set(sources.decode("utf-8", "replace").splitlines())
            self._files[path] = frozenset(files)
        return self._files[path]

    def _rows(self, distribution: Distribution) -> list[list[str]]:
        """Return what the distribution's record has of each file; of a damaged one those before."""
        import csv

        record = self._text(distribution.metadata, "RECORD") or b""
        rows: list[list[str]] = []
        with suppress(csv.Error):
            rows.extend(row for row in csv.reader(record.decode("utf-8", "replace").splitlines()) if row)
        return rows

    def _editable_owner(self, path: str) -> Distribution | None:
        """The distribution that is installed as a link to the project folder around `path` (PEP 610)."""
        if self._editable is None:
            found = []
            for entry in self._entries:
                for distribution in self.installed_in(entry):
                    project = _project_folder(self._text(distribution.metadata, "direct_url.json"))
                    if project:
                        found.append((project + os.sep, distribution))
            self._editable = found  # At once: other threads may ask meanwhile.
        around = [(len(project), d) for project, d in self._editable if path.startswith(project)]
        return max(around, key=lambda found: found[0])[1] if around else None

    def _stated_version(self, path: str) -> str:
        match = re.search(rb"^Version:\s*(\S+)", self._header(path), re.MULTILINE)
        return match[1].decode("utf-8", "replace") if match else ""

    def _header(self, path: str) -> bytes:
        """What a distribution says of itself, without its description."""
        if self._tree.is_file(path):  # What distutils wrote: one file is all there is.
            data = self._tree.read(path)
        else:
            data = self._text(path, "METADATA") or self._text(path, "PKG-INFO") or b""
        return data.replace(b"\r\n", b"\n").partition(b"\n\n")[0]

    def _text(self, metadata: str, file: str) -> bytes | None:
        zipped = self._zipped.get(os.path.join(metadata, file)) if self._zipped else None
        if zipped is not None:
            return zipped
        listing = self._tree.entries(metadata)
        if not listing or listing.get(file) is not False:
            return None
        return self._tree.read(os.path.join(metadata, file))


def versions_of(modules: Iterable[ModuleNode], distributions: Distributions) -> dict[str, str]:
    """The versions of the distributions that `modules` belong to, by normalised name."""
    names = sorted({module.distribution for module in modules if module.distribution})
    found = {name: distributions.named(name) for name in names}
    return {name: distribution.version for name, distribution in found.items() if distribution}


def owner_of_metadata(folder: str) -> str:
    """The normalised name of the distribution whose metadata folder has this name; "" where none has."""
    match = _METADATA_FOLDER.fullmatch(folder)
    return normalised(match["name"]) if match else ""


def _unlikeliness(distribution: str, top: str) -> tuple[int, str]:
    wanted = normalised(top)
    if distribution == wanted:
        return 0, distribution
    return (1 if wanted in distribution else 2), distribution


def _stem(file: str) -> str:
    """The module that a top-level file is: its name up to the first dot."""
    return file.partition(".")[0]


def _project_folder(direct_url: bytes | None) -> str:
    from urllib.parse import unquote, urlsplit

    if direct_url is None:
        return ""
    try:
        stated: Any = loads(direct_url)
        if not stated.get("dir_info", {}).get("editable"):
            return ""
        url = urlsplit(stated["url"])
    except (ValueError, KeyError, AttributeError, TypeError):
        return ""
    return os.path.normpath(unquote(url.path)) if url.scheme == "file" else ""
