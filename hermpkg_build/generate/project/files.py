"""The files that make a workspace of a project: their texts, and how all of them or none are written."""

from __future__ import annotations

import fnmatch
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.folders import BUILD_NAME_SETTING, BUILD_NAMES
from hermpkg_build.core.module_names import top_of
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.core.source_roots import source_roots_line
from hermpkg_build.core.starlark_text import CallText, label_order
from hermpkg_build.core.toml_text import parse_toml
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.replacing import replace_file
from hermpkg_build.errors import CommandLineError, LocalEnvironmentError, WorkspaceError
from hermpkg_build.generate.project.sources import ProjectSources, folders_of, is_test
from hermpkg_build.loading.declared_modules import module_name
from hermpkg_build.loading.workspace import Workspace

CHECK = "check_artifact.py"
"""The program of the test. pytest takes no file of that name for one of its own."""

_TEST_PATTERNS = ("**/tests/**", "**/test/**", "**/test_*.py", "**/*_test.py", "**/conftest.py")
_PATIENCE_S = 300
"""Large libraries take long to be imported, on a busy machine."""

_MARK = "\ufeff"
_MANY = 12
"""How many data files of one folder are listed one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFolder:
    """A folder that gets a BUILD file: `srcs` are globbed in it; `resources` are paths in it.

    `is_whole` says that all folders below belong to it, `has_code` that there are modules to be declared.
    """

    path: str
    is_whole: bool
    has_code: bool = True
    excludes: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """The name of its `python_modules` target."""
        if not self.has_code:
            return "data"
        return self.path.rpartition("/")[2] if self.is_whole else "modules"

    @property
    def label(self) -> str:
        """The label of that target, from the root of the workspace."""
        if not self.path:
            return f":{self.target}"
        return f"//{self.path}" if self.is_whole else f"//{self.path}:{self.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactText:
    """What the targets of the artifact are given.

    `pickle` is the folder that the model's pickle lies in; `example` is the module and the function of an
    example, `called` the same where the model can be called with it, `check` the program of the test.
    """

    name: str
    pickle: str
    factory: str
    arguments: Mapping[str, Json]
    weights: str | None
    weights_key: str | None
    weights_prefix: str | None
    rules: Sequence[PolicyRule]
    requires: Mapping[str, str]
    example: tuple[str, str] | None
    called: tuple[str, str] | None
    folders: Sequence[CodeFolder] = field(default=())
    check: str = CHECK


def code_folders(
    used: Sequence[str], resources: Sequence[str], sources: ProjectSources, source_roots: tuple[str, ...]
) -> list[CodeFolder]:
    """The folders whose modules are declared, for the files that are `used`, with the `resources` in them.

    That are the packages at the top of each source root, and a source root with modules right in it. The root
    of the workspace has what lies in none of these.
    """
    found = dict(_code_folder(path, source_roots) for path in used)
    held: dict[str, list[str]] = {}
    for path in resources:
        above = [folder for folder in found if not folder or path.startswith(f"{folder}/")]
        held.setdefault(max(above, key=len, default=""), []).append(path)
    has_code = "" in found
    if "" in held:
        found.setdefault("", False)
    folders = []
    for folder, is_whole in sorted(found.items()):
        mine = [path[len(folder) :].lstrip("/") for path in held.get(folder, ())]
        for path in held.get(folder, ()):
            _check_name(path)
        folders.append(
            CodeFolder(
                path=folder,
                is_whole=is_whole,
                has_code=bool(folder) or has_code,
                excludes=_excludes(folder, is_whole, used, sources, source_roots, [*found]),
                resources=tuple(sorted(mine)),
            )
        )
    return folders


def _code_folder(path: str, source_roots: tuple[str, ...]) -> tuple[str, bool]:
    """The folder that declares a module, and whether it does with all that lies below it."""
    root = max((r for r in source_roots if not r or path.startswith(f"{r}/")), key=len)
    first, slash, _ = path[len(root) :].lstrip("/").partition("/")
    return (f"{root}/{first}".lstrip("/") if slash else root), bool(slash)


def sources_as_data(read: Sequence[str], used: Sequence[str], source_roots: tuple[str, ...]) -> Sequence[str]:
    """Which of the sources that were `read` are data, such as configurations: no folder declares them."""
    folders = {_code_folder(path, source_roots)[0] for path in used}
    return [path for path in read if _code_folder(path, source_roots)[0] not in folders]


def _excludes(
    folder: str,
    is_whole: bool,
    used: Sequence[str],
    sources: ProjectSources,
    source_roots: tuple[str, ...],
    others: Sequence[str],
) -> tuple[str, ...]:
    """What a glob in a folder leaves out: tests, programs of tools, and files that cannot be imported."""
    start = f"{folder}/" if folder else ""
    below = [other for other in others if other != folder and other.startswith(start)]
    inside = {
        path[len(start) :]: path
        for path in _python_files(sources.root, folder, is_whole=is_whole)
        if not any(path.startswith(f"{other}/") for other in below)
    }
    needed = {path[len(start) :] for path in used if path.startswith(start)}
    unwanted = {
        name
        for name, path in inside.items()
        if name not in needed and (path not in sources.code or module_name(path, source_roots) is None)
    }
    chosen = []
    for pattern in _TEST_PATTERNS:
        matched = {name for name in inside if _matches(name, pattern)}
        if matched & unwanted and matched <= unwanted and all(is_test(inside[name]) for name in matched):
            chosen.append(pattern)
            unwanted -= matched
    if folder == "":
        unwanted.add(CHECK)
    chosen += _shortly(unwanted, inside)
    for name in chosen:
        _check_name(f"{start}{name}")
    return tuple(sorted(chosen))


def _shortly(unwanted: Collection[str], inside: Collection[str]) -> set[str]:
    """Patterns for the `unwanted` among the files `inside`: the highest folders of which none is wanted."""
    counts, unwanted_counts = (
        Counter(above for name in names for above in folders_of(name) if above)
        for names in (inside, unwanted)
    )

    def pattern_of(name: str) -> str:
        above = [each for each in folders_of(name) if 1 < counts[each] == unwanted_counts[each]]
        return f"{above[-1]}/**" if above else name

    return {pattern_of(name) for name in unwanted}


def _check_name(path: str) -> None:
    """Raise WorkspaceError for a file that no BUILD file can name."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise WorkspaceError(
            f"a BUILD file cannot name a file whose name is not UTF-8: {path}", next_step="rename the file"
        ) from None


def _python_files(root: str, folder: str, *, is_whole: bool) -> list[str]:
    """All of a folder that a glob would match, relative to `root`: a glob knows of nothing to be ignored."""
    top = os.path.join(root, folder)
    if not is_whole:
        with os.scandir(top) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(".py") and entry.is_file()]
        return [f"{folder}/{name}".lstrip("/") for name in names]
    found = []
    for here, _, names in os.walk(top):
        inside = os.path.relpath(here, root).replace(os.sep, "/")
        found += [f"{inside}/{name}" for name in names if name.endswith(".py")]
    return found


def _matches(name: str, pattern: str) -> bool:
    """Whether a path matches one of our patterns, in which ``**`` stands first, or first and last."""
    inner = pattern.removeprefix("**/")
    if inner.endswith("/**"):
        return f"/{name}".find(f"/{inner[:-2]}") >= 0
    return fnmatch.fnmatchcase(name.rpartition("/")[2], inner)


def modules_call(folder: CodeFolder) -> CallText:
    """The `python_modules` target of a folder."""
    named: dict[str, object] = {"name": folder.target}
    glob: dict[str, object] = {"exclude": list(folder.excludes)} if folder.excludes else {}
    pattern = "**/*.py" if folder.is_whole else "*.py"
    named["srcs"] = CallText(function="glob", values=[[pattern]], named=glob) if folder.has_code else []
    if folder.resources:
        named["resources"] = _resources(folder.resources)
    if folder.path:
        named["visibility"] = ["//:__subpackages__"]
    return CallText(function="python_modules", named=named)


def _resources(paths: Sequence[str]) -> object:
    """A list of files, or globs where there are many of one kind."""
    if len(paths) <= _MANY:
        return sorted(paths, key=label_order)
    patterns = {f"{os.path.dirname(path)}/*{os.path.splitext(path)[1]}".lstrip("/") for path in paths}
    return CallText(function="glob", values=[sorted(patterns)])


def artifact_calls(given: ArtifactText) -> list[CallText]:
    """The `model`, the `model_package` and the `package_test`."""
    folders = sorted((folder.label for folder in given.folders), key=label_order)
    deps = {"deps": folders} if folders else {}
    model: dict[str, object] = {"name": f"{given.name}_model", "factory": given.factory}
    if given.arguments:
        model["args"] = dict(given.arguments)
    for name in ("weights", "weights_key", "weights_prefix"):
        if getattr(given, name) is not None:
            model[name] = getattr(given, name)
    package: dict[str, object] = {
        "name": given.name,
        "models": {f"{given.pickle}/model.pkl": f":{given.name}_model"},
        "policy": list(given.rules),
    }
    if given.example is not None:
        package["modules"] = [given.example[0]]
    if given.requires:
        package["requires"] = dict(sorted(given.requires.items()))
    test: dict[str, object] = {"name": f"{given.name}_test", "package": f":{given.name}", "main": given.check}
    if given.requires:
        test["timeout"] = _PATIENCE_S
    return [
        CallText(function="model", named={**model, **deps}),
        CallText(function="model_package", named={**package, **deps}),
        CallText(function="package_test", named=test),
    ]


def build_file(targets: Sequence[CallText], rules: Sequence[PolicyRule] = ()) -> str:
    """A BUILD file of some targets, with what it loads."""
    functions = {call.function for call in targets} | {str(rule.policy) for rule in rules}
    load = CallText(function="load", values=["@hermpkg//rules:defs.bzl", *sorted(functions)])
    return "\n\n".join(map(str, [load, *targets])) + "\n"


def pickle_folder(rules: Sequence[PolicyRule]) -> str:
    """A folder for the model's pickle that has the name of no module in the artifact.

    A module cannot have records below it.
    """
    taken = {top_of(pattern) for rule in rules for pattern in rule.include}
    names = ("model", *(f"model_{number}" for number in range(1, len(taken) + 2)))
    return next(name for name in names if name not in taken)


def check_text(pickle: str, example: tuple[str, str] | None) -> str:
    """The program that tests an artifact: it calls the model, or where no example is known loads it."""
    what = "calls the model with an example" if example else "loads the model"
    head = (
        f'"""Opens the artifact where this project cannot be imported, and {what}."""\n\nimport os\n\n'
        "from hermpkg_build import PackageImporter\n\n"
        'with PackageImporter(os.environ["HERMPKG_ARTIFACT"]) as importer:\n'
        f'    model = importer.load_pickle("{pickle}", "model.pkl")\n'
    )
    if example is None:
        return (
            f"{head}"
            "    # Call it here, as those will to whom the file goes.\n"
            '    print(f"loaded: {type(model).__name__}")\n'
        )
    module, function = example
    return (
        f"{head}"
        f'    example = importer.import_module("{module}").{function}()\n'
        "    if isinstance(example, dict):\n"
        "        output = model(**example)\n"
        "    elif isinstance(example, tuple):\n"
        "        output = model(*example)\n"
        "    else:\n"
        "        output = model(example)\n"
        '    print(f"called: {type(model).__name__} gives {type(output).__name__}")\n'
    )


def with_settings(text: str | None, workspace: Workspace) -> str:
    """The text of a ``pyproject.toml`` with the settings of a workspace at its end, all else as it was."""
    table = f"[tool.hermpkg]\n{source_roots_line(workspace.source_roots)}\n"
    if workspace.build_names != BUILD_NAMES:
        table += f'{BUILD_NAME_SETTING} = "{workspace.build_names[0]}"\n'
    if text is None or not text.strip():
        return (text or "") + table
    newline = "\r\n" if "\r\n" in text else "\n"
    gap = "" if text.endswith("\n") else newline
    return text + gap + newline + table.replace("\n", newline)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFiles:
    """Files to be written below `root`, by their paths relative to it; the last one makes the workspace."""

    root: str
    texts: Mapping[str, str]

    def changed(self) -> list[str]:
        """The paths of those that are not there already with the same text."""
        return [path for path, text in self.texts.items() if self._present(path) != text.encode()]

    def in_the_way(self, *, but: Sequence[str]) -> list[str]:
        """The paths at which another file lies, or a folder."""
        return [
            path
            for path in self.changed()
            if path not in but and os.path.lexists(os.path.join(self.root, path))
        ]

    def write(self) -> None:
        """Write all, each at once. Where one cannot be written, those are removed that were not there.

        The file that makes the workspace comes last: before it, the others mean nothing to any program, and
        the next call takes them for its own. Raises LocalEnvironmentError.
        """
        new: list[str] = []
        try:
            for path in self.changed():
                target = os.path.realpath(os.path.join(self.root, path))
                if not os.path.exists(target):
                    new.append(target)
                mode = os.stat(target).st_mode & 0o7777 if os.path.exists(target) else None
                replace_file(target, self.texts[path].encode(), mode=mode)
        except BaseException as error:
            for target in new:
                with suppress(OSError):
                    os.unlink(target)
            if not isinstance(error, OSError):
                raise
            raise LocalEnvironmentError(
                f"cannot write {path}: {error.strerror or error}", facts=[("project", self.root)]
            ) from error

    def _present(self, path: str) -> bytes | None:
        try:
            return read_limited(os.path.join(self.root, path))
        except OSError:
            return None


def check_settings(before: str | None, after: str, path: str) -> None:
    """Check that a ``pyproject.toml`` says what it said, and the settings. Raises CommandLineError."""
    try:
        old, new = parse_toml((before or "").lstrip(_MARK)), parse_toml(after.lstrip(_MARK))
        is_right = "hermpkg" in new["tool"] and _is_kept(old, new)
    except (ValueError, RecursionError):
        is_right = False
    if not is_right:
        raise CommandLineError(
            f"{path} cannot be given the table [tool.hermpkg] at its end",
            next_step="correct the file, or add the table by hand, and call this again",
        )


def _is_kept(before: Mapping[str, object], after: Mapping[str, object]) -> bool:
    tool_before, tool_after = before.get("tool", {}), after.get("tool", {})
    assert isinstance(tool_before, dict)
    assert isinstance(tool_after, dict)
    rest = {name: value for name, value in tool_after.items() if name != "hermpkg"}
    return {**before, "tool": tool_before} == {**after, "tool": rest}
