"""Labels and target patterns, with the grammar of Bazel's."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from hermpkg_build.core.made_sequence import MadeSequence
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import LabelError

# The characters that https://bazel.build/concepts/labels allows in target names and package paths. Surrogates
# stand for undecodable bytes of a file name or a command line.
_TARGET_NAME = re.compile("[^\\0-\x1f\x7f:\\\\\ud800-\udfff]+")
_LONGEST = 4096
"""So many characters may a label have: no path of a file is longer on Linux."""

_REPOSITORY = re.compile(r"@[A-Za-z][A-Za-z0-9._~+-]*")


@dataclass(frozen=True, slots=True, order=True)
class Label:
    """The name of a target: ``//models:resnet``, ``@python//kornia/feature:loftr.py``.

    `package` is the directory of the BUILD file relative to its root ("" for the root itself),
    `name` the target's own name, `repository` the part after ``@`` ("" for the workspace).

    >>> Label.parse("//models:resnet")
    Label(package='models', name='resnet', repository='')
    >>> str(Label.parse(":resnet.py", package="models")), Label.parse("//models:resnet.py").path
    ('//models:resnet.py', 'models/resnet.py')
    """

    package: str
    name: str
    repository: str = ""

    @classmethod
    def parse(cls, text: str, *, package: str | None = None) -> Label:
        """Read an absolute label, or one relative to `package` where that is given.

        ``//a/b`` is ``//a/b:b``; ``:x`` and ``x`` are targets of `package`.
        Raises LabelError with the reason.
        """
        repository, rest = "", text
        if len(text) > _LONGEST:
            raise _bad(f"{text[:60]}…", f"it has {len(text):,} characters, and may have {_LONGEST:,}")
        if text.startswith("@"):
            match = _REPOSITORY.match(text)
            if not match or not text[match.end() :].startswith("//"):
                raise _bad(text, "a label with a repository reads @repository//package:name")
            repository, rest = match[0][1:], text[match.end() :]
        if rest.startswith("//"):
            directory, colon, name = rest[2:].partition(":")
            _check_package(text, directory)
            if not colon:
                name = directory.rpartition("/")[2]
                if not name:
                    raise _bad(text, "a label in the root package needs a target name: //:NAME")
        elif package is None:
            raise _bad(text, "an absolute label starts with //")
        else:
            directory, name = package, rest.removeprefix(":")
        _check_name(text, name)
        return cls(directory, name, repository)

    def __str__(self) -> str:
        repository = f"@{self.repository}" if self.repository else ""
        return f"{repository}//{self.package}:{self.name}"

    @property
    def path(self) -> str:
        """The workspace path that a file of this label has: ``models/resnet.py``."""
        return f"{self.package}/{self.name}" if self.package else self.name


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LabelsInPackage(MadeSequence[Label]):
    """The labels of some names in one package: thousands of files, of which few are asked for by a label.

    >>> LabelsInPackage("models", ("a.py", "b.py"))[1].path
    'models/b.py'
    """

    package: str
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    def made(self, at: int) -> Label:
        """Make the label of the name at a place."""
        return Label(self.package, self.names[at])


def labels_in_package(package: str, labels: Collection[Label]) -> Sequence[Label]:
    """Return `labels` in the form that takes the least memory, where all are in one package."""
    if labels and all(label.package == package and not label.repository for label in labels):
        return LabelsInPackage(package, tuple([label.name for label in labels]))
    return tuple(labels)


@dataclass(frozen=True, slots=True)
class TargetPattern:
    """One word of a command line that names targets.

    `target` is a label's name, or None for all rule targets (``:all``, ``:*``); `recursive` is
    ``/...``; `negative` is a leading ``-``, which takes targets away that earlier words have named.
    `is_path` is a word such as ``models/resnet``, which can be the path of a package, a target or a file.

    >>> pattern = TargetPattern.parse("-//models/...")
    >>> pattern.package, pattern.target, pattern.recursive, pattern.negative
    ('models', None, True, True)
    >>> pattern = TargetPattern.parse("../models/", package="tests")
    >>> pattern.package, pattern.target, pattern.is_path
    ('models', 'models', True)
    """

    text: str
    package: str
    target: str | None
    recursive: bool = False
    negative: bool = False
    repository: str = ""
    is_path: bool = False

    @classmethod
    def parse(cls, text: str, *, package: str = "") -> TargetPattern:
        """Read a pattern as Bazel does; a relative one counts from the folder `package`.

        A relative word without a colon (``models/resnet``) is returned as the label
        ``//<package>/models/resnet``; the loader decides whether a package or a target is meant. Where Bazel
        takes names alone, ``.``, ``..`` and slashes at the end mean what they mean in paths, and a word that
        ends in ``.`` or ``..`` stands for all targets of that folder. Raises LabelError.
        """
        negative = text.startswith("-")
        body = text[1:] if negative else text
        if not body:
            raise _bad(text, "the target pattern is empty")
        absolute = body.startswith(("//", "@"))
        repository = ""
        if body.startswith("@"):
            label_start = body.find("//")
            if label_start < 0:
                raise _bad(text, "a pattern with a repository reads @repository//package:name")
            repository, body = body[1:label_start], body[label_start:]
        rest = body[2:] if absolute else body
        directory, colon, name = rest.partition(":")
        if not absolute and not directory.startswith("/"):
            directory = directory.rstrip("/")
        recursive = directory == "..." or directory.endswith("/...")
        if recursive:
            directory = directory[:-3].rstrip("/")
        is_folder = False
        if not absolute:
            is_folder = not colon and directory.rpartition("/")[2] in (".", "..")
            directory = _folder_at(text, package, directory)
        _check_package(text, directory)
        target: str | None = name
        if is_folder or name in ("all", "*", "all-targets") or (recursive and not colon):
            target = None
        elif recursive:
            raise _bad(text, "only :all can follow /...")
        elif not colon:
            target = directory.rpartition("/")[2]
        if target is not None:
            _check_name(text, target)
        is_path = not absolute and not colon and target is not None
        return cls(text, directory, target, recursive, negative, repository, is_path)

    def __str__(self) -> str:
        return self.text


def is_package_path(text: str) -> bool:
    """Whether `text`, a folder's path relative to the workspace, can be the package of a label."""
    try:
        _check_package(text, text)
    except LabelError:
        return False
    return True


def _check_package(text: str, package: str) -> None:
    if not package:
        return
    for segment in package.split("/"):
        if segment in ("", ".", ".."):
            raise _bad(text, f"a segment of the package path is empty, '.' or '..': {package!r}")
        if not _TARGET_NAME.fullmatch(segment):
            raise _bad(text, f"the package path has a character that it cannot have: {package!r}")


def _check_name(text: str, name: str) -> None:
    if not name:
        raise _bad(text, "the target name is empty")
    if not _TARGET_NAME.fullmatch(name):
        raise _bad(text, f"the target name has a character that it cannot have: {name!r}")
    if name.startswith("/") or name.endswith("/") or any(part in ("", ".", "..") for part in name.split("/")):
        raise _bad(text, f"a segment of the target name is empty, '.' or '..': {name!r}")


def _folder_at(text: str, package: str, path: str) -> str:
    """Return the folder, relative to the workspace, at a `path` from the folder `package`."""
    if path.startswith("/"):
        raise _bad(text, "a path in a pattern is relative to the folder it is used in")
    segments = package.split("/") if package else []
    for segment in path.split("/"):
        if segment == ".." and not segments:
            raise _bad(text, "it leads out of the workspace")
        if segment == "..":
            segments.pop()
        elif segment not in ("", "."):
            segments.append(segment)
    return "/".join(segments)


def _bad(text: str, reason: str) -> LabelError:
    return LabelError(f"{text!r} is not a label", facts=[("reason", reason)])
