"""Says what is wrong with a string that must have a certain form: a module name, a glob, a version."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from hermpkg_build.core.attributes import Form
from hermpkg_build.core.distribution_names import LONGEST_SPECIFIER
from hermpkg_build.core.label import Label, is_package_path
from hermpkg_build.core.module_names import is_dotted_identifier
from hermpkg_build.errors import LabelError

_VISIBILITY = re.compile(r"//visibility:(?:public|private)|(?://[^:]*)?:__(?:pkg|subpackages)__")
_GLOB_SEGMENT = re.compile(r"[^\W\d*]?[\w*]*")
_LONGEST = 4096
"""So many characters may a path or the name of a module have: a record of an artifact has no longer name."""

_RESERVED_FOLDERS = (".data", "byteorder")


def problem_with(form: Form, text: str) -> str:
    """Why `text` does not have this form, as the end of a sentence; "" where it does."""
    if not text:
        return "is empty"
    if len(text) > _LONGEST and form in _SHORT:
        return f"has {len(text):,} characters, and may have {_LONGEST:,}"
    if form in _TESTS:
        return "" if _TESTS[form](text) else f"is not {form.value}"
    return _CHECKS[form](text)


def path_problem(text: str) -> str:
    """Why `text` is not a relative path that stays inside of its folder; "" where it is one."""
    if text.startswith("/"):
        return "is an absolute path"
    if "\\" in text:
        return "has a backslash; the separator is / everywhere"
    if any(ord(character) < 0x20 or character == "\x7f" for character in text):
        return "has a control character"
    for segment in text.split("/"):
        if segment in ("", ".", ".."):
            return f"has the segment {segment!r}"
    return ""


def _module_glob(text: str) -> str:
    for segment in text.split("."):
        if "**" in segment and segment != "**":
            return f"has ** as a part of the segment {segment!r}: it can only be a whole one"
        if not segment or not _GLOB_SEGMENT.fullmatch(segment):
            return f"is not {Form.MODULE_GLOB.value}"
    return ""


def _path_glob(text: str) -> str:
    problem = path_problem(text)
    if problem:
        return problem
    if "?" in text:
        return "has a ?, which Bazel's globs do not know"
    if any("**" in segment and segment != "**" for segment in text.split("/")):
        return "has ** as a part of a segment: it can only be a whole one"
    return ""


def _record(text: str) -> str:
    first = text.split("/", maxsplit=1)[0]
    reserved = f"is in {first}, which the format keeps for itself" if first in _RESERVED_FOLDERS else ""
    return path_problem(text) or reserved


def _pickle(text: str) -> str:
    # An importer is asked for a folder, as a package, and for the name of a file in it.
    return _record(text) or ("" if "/" in text else f"is not {Form.PICKLE.value}")


def _target_name(text: str) -> str:
    try:
        Label.parse(f":{text}", package="")
    except LabelError as error:
        return "cannot be the name of a target: " + "; ".join(reason for _, reason in error.facts)
    return ""


def _tag(text: str) -> str:
    return "has a blank" if any(character.isspace() for character in text) else ""


def _is_factory(text: str) -> bool:
    module, colon, function = text.partition(":")
    return bool(colon) and is_dotted_identifier(module) and is_dotted_identifier(function)


def is_version_specifier(text: str) -> bool:
    """Whether `text` says which versions are allowed, as PEP 440 has it."""
    from packaging.specifiers import SpecifierSet

    if len(text) > LONGEST_SPECIFIER:
        return False
    try:
        SpecifierSet(text)
    except ValueError:  # Also for a number of thousands of digits.
        return False
    return True


def _is_visibility(text: str) -> bool:
    package = text.removeprefix("//").partition(":")[0]
    return _VISIBILITY.fullmatch(text) is not None and is_package_path(package)


_SHORT = frozenset(
    {
        Form.FACTORY,
        Form.FILE,
        Form.MODULE,
        Form.MODULE_GLOB,
        Form.OUTPUT,
        Form.PATH_GLOB,
        Form.PICKLE,
        Form.RECORD,
        Form.TAG,
        Form.TARGET_NAME,
        Form.VISIBILITY,
    }
)
"""The forms of which every part is compared with others, or made a folder of."""

_TESTS: Mapping[Form, Callable[[str], object]] = {
    Form.FACTORY: _is_factory,
    Form.MODULE: is_dotted_identifier,
    Form.VARIABLE: re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch,
    Form.DISTRIBUTION: re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?").fullmatch,
    Form.SPECIFIER: is_version_specifier,
    Form.PYTHON_VERSION: re.compile(r"3\.[0-9]+(?:\.[0-9]+)?").fullmatch,
    Form.FILES: ("auto", "real", "mangled").__contains__,
    Form.CPU: ("baseline", "native").__contains__,
    Form.VISIBILITY: _is_visibility,
    Form.TEXT: bool,
}
"""Forms that a string has or has not, for which there is nothing more to say."""

_CHECKS: Mapping[Form, Callable[[str], str]] = {
    Form.MODULE_GLOB: _module_glob,
    Form.PATH_GLOB: _path_glob,
    Form.RECORD: _record,
    Form.PICKLE: _pickle,
    Form.OUTPUT: path_problem,
    Form.TARGET_NAME: _target_name,
    Form.FILE: path_problem,
    Form.TAG: _tag,
}
