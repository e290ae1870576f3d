"""Mends labels in BUILD files: what they name has moved, is gone, or cannot be seen."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial

from hermpkg_build.core.label import Label
from hermpkg_build.core.spelling import did_you_mean
from hermpkg_build.core.starlark_text import CallText, label_order
from hermpkg_build.core.target import FileTarget, ModuleTarget, RuleTarget, Target
from hermpkg_build.errors import HermpkgError
from hermpkg_build.generate.build_files.build_text import BuildText
from hermpkg_build.generate.build_files.edits import (
    CallPlace,
    NotEditableError,
    add_argument,
    add_statement,
    add_values,
    remove_values,
    replace_value,
)
from hermpkg_build.generate.fixing.draft import Draft, spelled
from hermpkg_build.generate.fixing.undeclared import export_file, modules_of_folder
from hermpkg_build.loading.dependencies import DependencyError
from hermpkg_build.loading.visibility import PRIVATE


def mend_label(draft: Draft, error: DependencyError) -> bool:
    """Mend the label of an error; whether a file was edited. Raises NotEditableError."""
    if error.is_invisible and error.found is not None:
        return _show(draft, error.found, error.target.label.package)
    if isinstance(error.found, ModuleTarget) and "python_modules" in error.attribute.rules:
        return _rename(draft, error, error.found.owner)
    if error.found is not None:
        return False  # It is of another kind: only a person knows what was meant.
    packages = draft.loader.packages
    label, attribute = error.label, error.attribute
    if attribute.name == "srcs":
        return _drop(draft, error)
    elsewhere = packages.label_of(label.path) if attribute.suffixes else None
    if elsewhere is not None and elsewhere != label and draft.loader.has_file(elsewhere):
        return _rename(draft, error, elsewhere)
    if attribute.suffixes and packages.build_file(label.package) is None and _is_file(draft, label):
        return export_file(draft, label.path)
    if attribute.suffixes and (moved := _moved_file(draft, label)) is not None:
        return _rename(draft, error, moved)
    meant = _meant_target(draft, error)
    if meant is not None:
        return _rename(draft, error, meant)
    if attribute.name != "deps":
        return False
    is_folder = packages.build_file(label.package) is None and draft.may_be_package(label.package)
    if is_folder and _has_modules(draft, label.package):
        new = modules_of_folder(draft, label.package, label.name)
        return draft.edit(draft.path_of(label.package), partial(add_statement, call=new))
    return _drop(draft, error)


def spellings(label: Label, package: str) -> list[str]:
    """The ways to write a label in a BUILD file of `package`."""
    near = [f":{label.name}", label.name] if label.package == package else []
    short = [f"//{label.package}"] if label.package.rpartition("/")[2] == label.name else []
    return [*near, *short, str(label)]


def _rename(draft: Draft, error: DependencyError, new: Label) -> bool:
    package, attribute = error.target.label.package, error.attribute.name
    is_file = bool(error.attribute.suffixes) and new.package == package
    text = new.name if is_file else spelled(new, package)
    return _at_label(draft, error, lambda file, place, old: replace_value(file, place, attribute, old, text))


def _drop(draft: Draft, error: DependencyError) -> bool:
    attribute = error.attribute.name
    return _at_label(draft, error, lambda file, place, old: remove_values(file, place, attribute, [old]))


def _at_label(
    draft: Draft, error: DependencyError, change: Callable[[BuildText, CallPlace, str], BuildText]
) -> bool:
    """Change what an attribute says where it says the label, in whatever way it is written."""
    *others, last = _spellings(error.label, error.target.label.package)
    for text in others:
        with suppress(NotEditableError):
            return draft.edit_target(error.target, partial(_with_last, change=change, text=text))
    return draft.edit_target(error.target, partial(_with_last, change=change, text=last))


def _with_last(
    file: BuildText, place: CallPlace, change: Callable[[BuildText, CallPlace, str], BuildText], text: str
) -> BuildText:
    return change(file, place, text)


def _spellings(label: Label, package: str) -> list[str]:
    """The ways to write a label in a BUILD file of `package`."""
    near = [f":{label.name}", label.name] if label.package == package else []
    short = [f"//{label.package}"] if label.package.rpartition("/")[2] == label.name else []
    return [*near, *short, str(label)]


def _show(draft: Draft, found: Target, user: str) -> bool:
    """Let the package `user` name a target or a file of another package."""
    word = f"//{user}:__pkg__"
    if isinstance(found, FileTarget):
        return _export(draft, found)
    owner = draft.loader.target(found.owner) if isinstance(found, ModuleTarget) else found
    assert isinstance(owner, RuleTarget)
    known = [each for each in owner.visibility if each != PRIVATE]

    def change(file: BuildText, place: CallPlace) -> BuildText:
        given = place.argument(file, "visibility")
        if given is None:
            return add_argument(file, place, "visibility", sorted({*known, word}, key=label_order))
        if not known:
            raise NotEditableError(f"{owner.label} is private, as it says", location=file.location(given))
        return add_values(file, place, "visibility", [word])

    return draft.edit_target(owner, change)


def _export(draft: Draft, file: FileTarget) -> bool:
    """Have the BUILD file of a package export one of its files."""

    def change(text: BuildText) -> BuildText:
        place = CallPlace(function="exports_files")
        if file.visibility != (PRIVATE,):
            raise NotEditableError(
                f"{file.label} is exported to others alone", location=text.location(place.find(text))
            )
        try:
            return add_values(text, place, "srcs", [file.label.name])
        except NotEditableError:
            return add_statement(text, CallText(function="exports_files", values=[[file.label.name]]))

    return draft.edit(draft.path_of(file.label.package), change)


def _is_file(draft: Draft, label: Label) -> bool:
    return draft.tree.is_file(draft.loader.packages.directory(label.path))


def _has_modules(draft: Draft, package: str) -> bool:
    entries = draft.tree.entries(draft.loader.packages.directory(package)) or {}
    return any(name.endswith(".py") and not is_folder for name, is_folder in entries.items())


def _moved_file(draft: Draft, label: Label) -> Label | None:
    """The one file of the workspace that has the name of one that is gone."""
    name = label.path.rpartition("/")[2]
    found = [path for path in draft.loader.packages.files() if path.rpartition("/")[2] == name]
    if len(found) != 1:
        return None
    folder = found[0].rpartition("/")[0]
    moved = draft.loader.packages.label_of(found[0]) or Label(folder, name)
    return moved if moved != label else None


def _meant_target(draft: Draft, error: DependencyError) -> Label | None:
    """The target that is meant by a label: one like it in its package, the only one, or one that moved."""
    package, named = error.label.package, {label for _, label in error.target.labelled()}
    taken = (*named, error.target.label)
    fit = [label for label in _targets_of(draft, package, error.attribute.rules) if label not in taken]
    like = did_you_mean(error.label.name, [label.name for label in fit])
    if like:
        return Label(package, like)
    if len(fit) == 1:
        return fit[0]
    others = [
        label for folder in _packages(draft) for label in _targets_of(draft, folder, error.attribute.rules)
    ]
    moved = [label for label in others if label.name == error.label.name and label not in taken]
    return moved[0] if len(moved) == 1 and error.attribute.name != "deps" else None


def _targets_of(draft: Draft, package: str, rules: Collection[str]) -> list[Label]:
    """The targets of some rules in a package; none where there is no package, or its BUILD file is wrong."""
    if draft.loader.packages.build_file(package) is None:
        return []
    with suppress(HermpkgError):
        targets = draft.loader.build_file(package).targets.values()
        return [target.label for target in targets if target.rule in rules]
    return []


def _packages(draft: Draft) -> list[str]:
    with suppress(HermpkgError):
        return [*draft.loader.packages.below("")]
    return []
