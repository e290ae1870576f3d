"""Declares modules that are needed and that no dependency lists, and files that factories read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from hermpkg_build.core.import_facts import ImportContext
from hermpkg_build.core.label import Label
from hermpkg_build.core.module_names import parents_of, record_of_module
from hermpkg_build.core.starlark_text import CallText
from hermpkg_build.core.target import Model, PythonModules, RuleTarget, Target
from hermpkg_build.errors import HermpkgError
from hermpkg_build.generate.build_files.edits import add_statement, add_values
from hermpkg_build.generate.fixing.draft import Draft, spelled
from hermpkg_build.loading.declared_modules import module_name
from hermpkg_build.loading.dependencies import closure
from hermpkg_build.source.source_facts import facts_of_source

_NAMES = ("modules", "python_modules", "python_sources")
_MOST = 2000
"""How many modules are followed from one."""


def declare_module(draft: Draft, file: str, importer: str, user: Label) -> bool:
    """Have the target `user` reach the module at the workspace path `file`; whether a file was edited.

    `importer` is the module that imports it, "" where the target names it. Where nobody lists the module, it
    is listed with those of its package that it imports. Raises NotEditableError.
    """
    owner = draft.loader.declared_by(file)
    if owner is None:
        return _list_module(draft, file, importer, user)
    target = draft.loader.target(user)
    taker = _owner_of(draft, importer, user)
    # Two targets that need each other would be a cycle; then the user brings both together.
    if taker is not None and taker.label != owner and taker.label not in _reached(draft, owner):
        target = taker
    assert isinstance(target, RuleTarget)
    label = spelled(owner, target.label.package)
    return draft.edit_target(target, partial(add_values, attribute="deps", values=[label]))


def declare_imports(draft: Draft, user: Label) -> bool:
    """Have a model reach all modules of the workspace that its factory's module imports, directly or not.

    Whether a file was edited. Raises NotEditableError.
    """
    target = draft.loader.target(user)
    assert isinstance(target, Model)
    first = _file_of(draft, target.factory.partition(":")[0])
    queue = {first: ""} if first is not None else {}
    changed = False
    reached = files_reached(draft, user)
    for file in _growing(queue):
        if file not in reached:
            changed |= declare_module(draft, file, queue[file], user)
            reached = files_reached(draft, user)
        name = module_name(file, draft.workspace.source_roots) or ""
        for path in filter(None, (_file_of(draft, imported) for imported in _imported(draft, file))):
            queue.setdefault(path, name)
    return changed


def declare_resources(draft: Draft, files: Sequence[str], user: Label) -> bool:
    """Have modules that `user` reaches declare data files, by their workspace paths; whether it edited.

    A target that declares such a file already becomes one of the deps of `user`.
    """
    changed = False
    for file in files:
        target, declaring = draft.loader.target(user), _declaring(draft, file)
        if declaring is not None and isinstance(target, RuleTarget):
            dep = spelled(declaring, user.package)
            changed |= draft.edit_target(target, partial(add_values, attribute="deps", values=[dep]))
            continue
        owners = [target for target in _reached(draft, user).values() if isinstance(target, PythonModules)]
        if not owners:
            break
        near = max(owners, key=lambda owner: _likeness(owner.label.package, file))
        label = draft.loader.packages.label_of(file)
        if label is None:
            changed |= export_file(draft, file)
            label = draft.loader.packages.label_of(file)
        if label is None:
            continue
        written = label.name if label.package == near.label.package else str(label)
        changed |= draft.edit_target(near, partial(add_values, attribute="resources", values=[written]))
    return changed


def _declaring(draft: Draft, file: str) -> Label | None:
    """The target that declares a data file, in the package of the file or one above; None for none."""
    label = draft.loader.packages.label_of(file)
    parts = label.package.split("/") if label is not None else []
    for number in range(len(parts), -1, -1):
        package = "/".join(parts[:number])
        if draft.loader.packages.build_file(package) is not None:
            for target in draft.loader.build_file(package).targets.values():
                if isinstance(target, PythonModules) and label in target.resources:
                    return target.label
    return None


def declared_resources(draft: Draft, user: Label) -> set[str]:
    """The workspace paths of the data files that a target and all that it reaches declare."""
    owners = [target for target in _reached(draft, user).values() if isinstance(target, PythonModules)]
    return {label.path for owner in owners for label in owner.resources}


def files_reached(draft: Draft, user: Label) -> set[str]:
    """The workspace paths of the modules that a target reaches."""
    targets = [target for target in _reached(draft, user).values() if isinstance(target, PythonModules)]
    return {each.path for target in targets for each in draft.loader.module_targets(target.label)}


def export_file(draft: Draft, file: str) -> bool:
    """Make the folder of a file a package that lets others name it."""
    folder, _, name = file.rpartition("/")
    if not draft.may_be_package(folder):
        return False
    export = CallText(function="exports_files", values=[[name]])
    return draft.edit(draft.path_of(folder), partial(add_statement, call=export))


def modules_of_folder(draft: Draft, package: str, name: str = "", file: str = "") -> CallText:
    """A `python_modules` target for the modules of a package, or for those around `file` in it."""
    prefix = f"{package}/" if package else ""
    top = _top_folder(file, draft.workspace.source_roots).removeprefix(package).lstrip("/") if file else ""
    is_beside = bool(file) and not top and "/" not in file.removeprefix(prefix)
    pattern = f"{top}/**/*.py" if top else "*.py" if is_beside else "**/*.py"
    odd = sorted(_odd_files(draft, package, top, deep="**" in pattern))
    glob = CallText(function="glob", values=[[pattern]], named={"exclude": odd} if odd else {})
    if not name:
        build_file = draft.loader.packages.build_file(package)
        taken = draft.loader.build_file(package).targets if build_file is not None else {}
        free = (*_NAMES, *(f"modules_{number}" for number in range(len(taken))))
        name = next(each for each in free if each not in taken)
    return CallText(function="python_modules", named={"name": name, "srcs": glob})


def _list_module(draft: Draft, file: str, importer: str, user: Label) -> bool:
    """List a file that nobody lists in a `python_modules` target of its package."""
    loader = draft.loader
    package = loader.packages.package_of(os.path.dirname(file))
    if package is None:
        folder = _top_folder(file, draft.workspace.source_roots)
        if not draft.may_be_package(folder):
            return False
        new = modules_of_folder(draft, folder)
        return draft.edit(draft.path_of(folder), partial(add_statement, call=new))
    targets = [t for t in loader.build_file(package).targets.values() if isinstance(t, PythonModules)]
    if not targets:
        new = modules_of_folder(draft, package, file=file)
        return draft.edit(draft.path_of(package), partial(add_statement, call=new))
    taker = _owner_of(draft, importer, user)
    chosen = taker if taker in targets else max(targets, key=lambda target: _nearest(target, file))
    prefix = f"{package}/" if package else ""
    names = [path[len(prefix) :] for path in _reachable(draft, file, package)]
    return draft.edit_target(chosen, partial(add_values, attribute="srcs", values=names))


def _odd_files(draft: Draft, package: str, top: str, *, deep: bool) -> Iterator[str]:
    """The Python files below a folder of a package that cannot be modules."""
    packages = draft.loader.packages
    queue = [top]
    for here in queue:
        folder = f"{package}/{here}".strip("/")
        for name, is_folder in (draft.tree.entries(packages.directory(folder)) or {}).items():
            path = f"{here}/{name}".lstrip("/")
            whole = f"{package}/{path}".lstrip("/")
            if is_folder and deep and not packages.is_boundary(whole):
                queue.append(path)
            elif name.endswith(".py") and module_name(whole, draft.workspace.source_roots) is None:
                yield path


def _top_folder(file: str, source_roots: Sequence[str]) -> str:
    """The folder of the top-level package that a file is in, or its own where it is in none."""
    above = [root for root in source_roots if not root or file.startswith(f"{root}/")]
    root = max(above, key=len, default="")
    inner = file[len(root) :].lstrip("/")
    return f"{root}/{inner.partition('/')[0]}".strip("/") if "/" in inner else root


def _owner_of(draft: Draft, module: str, user: Label) -> PythonModules | None:
    """The target that lists a module which `user` reaches."""
    targets = [t for t in _reached(draft, user).values() if isinstance(t, PythonModules)] if module else []
    return next((target for target in targets if _lists(draft, target, module)), None)


def _lists(draft: Draft, target: PythonModules, module: str) -> bool:
    return any(each.module == module for each in draft.loader.module_targets(target.label))


def _reached(draft: Draft, label: Label) -> Mapping[Label, Target]:
    """The targets that one depends on, with itself; nothing where something is wrong there."""
    try:
        return closure(draft.loader, [label])
    except HermpkgError:
        return {}


def _growing(queue: Mapping[str, str]) -> Iterator[str]:
    """The keys of a mapping that gets more of them meanwhile."""
    number = 0
    while number < min(len(queue), _MOST):
        yield [*queue][number]
        number += 1


def _likeness(package: str, file: str) -> tuple[int, int]:
    """How near a package is to a file: how many folders they have in common, the shorter way first."""
    one, other = package.split("/") if package else [], file.split("/")[:-1]
    common = next((i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    shared = min(len(one), len(other)) if common is None else common
    return shared, -len(one)


def _nearest(target: PythonModules, file: str) -> tuple[int, int]:
    return max((_likeness(os.path.dirname(src.path), file) for src in target.srcs), default=(-1, 0))


def _reachable(draft: Draft, file: str, package: str) -> list[str]:
    """A module's file, and those of its package that it imports, directly or not, and that nobody lists."""
    found = {file: None}
    queue = [file]
    while queue and len(found) < _MOST:
        here = queue.pop()
        for name in _imported(draft, here):
            path = _file_of(draft, name)
            if (
                path is None
                or path in found
                or draft.loader.packages.package_of(os.path.dirname(path)) != package
            ):
                continue
            if draft.loader.declared_by(path) is None:
                found[path] = None
                queue.append(path)
    return [*found]


def _imported(draft: Draft, file: str) -> Iterator[str]:
    """The names that a module may import, with its own packages."""
    name = module_name(file, draft.workspace.source_roots)
    if name is None:
        return
    yield from parents_of(name)
    try:
        facts = facts_of_source(draft.tree.read(draft.loader.packages.directory(file))).facts
    except OSError:
        return
    package = name if file.endswith("/__init__.py") else name.rpartition(".")[0]
    for each in facts.imports:
        if each.context & ImportContext.TYPE_CHECKING:
            continue
        base = each.module
        if each.level:
            above = package.split(".")[: len(package.split(".")) - each.level + 1]
            base = ".".join([*above, *([each.module] if each.module else [])])
        yield base
        yield from parents_of(base)
        yield from (f"{base}.{part}" for part in each.names)


def _file_of(draft: Draft, name: str) -> str | None:
    for root in draft.workspace.source_roots:
        for is_package in (True, False):
            path = f"{root}/{record_of_module(name, is_package)}".lstrip("/")
            if name and draft.tree.is_file(draft.loader.packages.directory(path)):
                return path
    return None
