"""``init``: makes a workspace of a project as it is."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.folders import BUILD_NAMES
from hermpkg_build.core.source_roots import advice_on_root
from hermpkg_build.core.texts import listed
from hermpkg_build.core.toml_text import parse_toml
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.disk.files import read_limited
from hermpkg_build.errors import CommandLineError, WorkspaceError
from hermpkg_build.generate.decided import named_policies, told_by_reason
from hermpkg_build.generate.factory import factory_parts
from hermpkg_build.generate.project.build_names import choose_build_names
from hermpkg_build.generate.project.candidates import example_of, meant_instead_of, parameters_of
from hermpkg_build.generate.project.files import (
    CHECK,
    ArtifactText,
    CodeFolder,
    PlannedFiles,
    artifact_calls,
    build_file,
    check_settings,
    check_text,
    code_folders,
    modules_call,
    pickle_folder,
    sources_as_data,
    with_settings,
)
from hermpkg_build.generate.project.joined import joined_texts, refuse_taken_name
from hermpkg_build.generate.project.proposals import proposal
from hermpkg_build.generate.project.source_roots import (
    factory_file,
    name_by_setup_files,
    project_layout,
    roots_for_imports,
)
from hermpkg_build.generate.project.sources import ProjectSources, is_checkpoint
from hermpkg_build.generate.project.trial import Trial, TrialRequest, try_model
from hermpkg_build.loading.declared_modules import module_name
from hermpkg_build.loading.layout import Layout, project_name, project_root
from hermpkg_build.loading.workspace import Workspace, find_workspace

_PYPROJECT = "pyproject.toml"
_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class InitRequest:
    """What ``hermpkg init`` is told; `factory` is "" where it is to propose some. `weights` is a path."""

    directory: str
    factory: str
    arguments: Mapping[str, Json]
    weights: str
    weights_key: str | None
    weights_prefix: str | None
    example: str
    intern: Sequence[str]
    extern: Sequence[str]
    name: str
    force: bool
    cache_directory: str
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InitPlan:
    """The files that are going to make a workspace, and why they are as they are.

    `decided` are rows for people: what was decided, and why. `label` is the artifact's, `test` the test's.
    """

    root: str
    files: PlannedFiles
    decided: Sequence[tuple[str, str]]
    notes: Sequence[str]
    label: str
    test: str


def plan_init(request: InitRequest, tell: Callable[[str], None] = lambda _: None) -> InitPlan:
    """Plan the files, having made the model once, before which people are told by `tell`. Nothing is written.

    Raises CommandLineError, also where no factory is named, with those that may be meant; FactoryError where
    the factory fails.
    """
    return _Init(request).plan(tell)


class _Init:
    """One call of ``init``."""

    def __init__(self, request: InitRequest) -> None:
        self._request = request
        self._root = project_root(request.directory)
        self._text = _read(os.path.join(self._root, _PYPROJECT))
        self._document = self._parsed()
        self._is_workspace = isinstance(
            self._document.get("tool", {}), dict
        ) and "hermpkg" in self._document.get("tool", {})
        self._sources = ProjectSources(self._root)
        self._layout = self._found_layout()
        self._build_names, self._other_tool = self._chosen_names()

    def plan(self, tell: Callable[[str], None]) -> InitPlan:
        name = self._name()
        if not self._request.factory:
            self._refuse_second(name, "")
        if ":" not in self._request.factory:
            raise proposal("init", self._sources, self._layout.source_roots, self._request.factory)
        place, function = factory_parts(self._request.factory)
        path, module = self._found_factory(place)
        if not self._is_workspace:
            self._layout = roots_for_imports(path, self._layout, self._sources)
        module = self._module_by_layout(path, module)
        self._refuse_second(name, f"{module}:{function}", path)
        self._check_arguments(path, function)
        example = self._example(path, module)
        weights = self._weights()
        tell(f"{module}:{function} is run once, to see what it imports and reads")
        trial = try_model(
            TrialRequest(
                workspace=self._workspace(),
                files=self._sources.files,
                name=name,
                factory=f"{module}:{function}",
                arguments=self._request.arguments,
                weights=weights,
                weights_key=self._request.weights_key,
                weights_prefix=self._request.weights_prefix,
                example=":".join(example or ()),
                modules=[example[0]] if example else [],
                named=named_policies(self._request.intern, self._request.extern),
            ),
            self._request.cache_directory,
            self._request.jobs,
            tell,
        )
        called = None if trial.uncallable else example
        configs = sources_as_data(trial.sources_read, trial.used, self._layout.source_roots)
        resources = [path for path in (*trial.read, *configs) if _may_be_resource(path)]
        pickle = pickle_folder(trial.rules)
        folders = code_folders(trial.used, resources, self._sources, self._layout.source_roots)
        artifact = ArtifactText(
            name=name,
            pickle=pickle,
            factory=f"{module}:{function}",
            arguments=self._request.arguments,
            weights=weights,
            weights_key=self._request.weights_key,
            weights_prefix=self._request.weights_prefix,
            rules=trial.rules,
            requires=trial.requires,
            example=example,
            called=called,
            folders=folders,
            check=self._check_file(name, check_text(pickle, called)),
        )
        files = self._planned(artifact, trial, resources)
        return InitPlan(
            root=self._root,
            files=files,
            decided=[*self._decided(artifact, path, folders, trial)],
            notes=[*self._notes(trial, resources)],
            label=f"//:{name}",
            test=f"//:{name}_test",
        )

    def _parsed(self) -> dict[str, Any]:
        try:
            return parse_toml((self._text or "").removeprefix("\ufeff"))
        except ValueError as error:
            raise WorkspaceError(
                f"{_PYPROJECT} is not a TOML file: {error}", next_step="correct it, and call this again"
            ) from None

    def _found_layout(self) -> Layout:
        if self._is_workspace:
            roots = find_workspace(self._root).source_roots
            return Layout(source_roots=roots, reason=f"the workspace in {_PYPROJECT} is as it was")
        return project_layout(self._document, self._sources)

    def _chosen_names(self) -> tuple[tuple[str, ...], str]:
        """The names of BUILD files, and why not the usual ones, "" for no reason to tell."""
        if self._is_workspace:
            return find_workspace(self._root).build_names, ""
        return choose_build_names(self._root, self._sources.folders)

    def _name(self) -> str:
        given = (
            self._request.name
            or project_name(self._document)
            or name_by_setup_files(self._sources)
            or os.path.basename(self._root)
        )
        name = re.sub(r"[^A-Za-z0-9_.-]+", "_", given).strip("_.-")
        if self._request.name and name != self._request.name:
            raise CommandLineError(
                f"{self._request.name!r} cannot be the name of a target and of a file",
                next_step=f"--name {name or 'model'}",
            )
        return name or "model"

    def _refuse_second(self, name: str, factory: str, path: str = "") -> None:
        """Before anything runs, refuse an artifact that is there, or a misspelt factory in `path`."""
        if not self._is_workspace or self._request.force:
            return
        try:
            refuse_taken_name(self._workspace(), name, factory, is_asked=bool(self._request.name))
        except CommandLineError:
            module, _, function = factory.partition(":")
            meant = meant_instead_of(self._sources.tree(path), function) if path else ""
            if not meant:
                raise
            raise CommandLineError(
                f"{path} defines no {function}", next_step=f"did you mean '{module}:{meant}'?"
            ) from None

    def _workspace(self) -> Workspace:
        return Workspace(
            root=self._root, source_roots=self._layout.source_roots, build_names=self._build_names
        )

    def _planned(self, artifact: ArtifactText, trial: Trial, resources: Sequence[str]) -> PlannedFiles:
        """New files; where there are BUILD files already, these with what they lack."""
        files = PlannedFiles(root=self._root, texts=self._texts(artifact))
        if self._request.force:
            return files
        if artifact.check in files.in_the_way(but=[]):
            raise CommandLineError(
                "there is a file already where one is to be written",
                facts=[("file", artifact.check), ("project", self._root)],
                next_step="move it, or give the artifact another name with --name",
            )
        if not [*self._build_files(files, resources)]:
            return files
        calls = artifact_calls(replace(artifact, folders=()))
        joined = joined_texts(self._workspace(), calls, artifact.name, trial.used, resources)
        others = {path: files.texts[path] for path in (artifact.check, _PYPROJECT) if path in files.texts}
        return PlannedFiles(root=self._root, texts={**joined, **others})

    def _build_files(self, files: PlannedFiles, resources: Sequence[str]) -> Iterator[str]:
        """The BUILD files of the project, but for those that were written by a call like this one."""
        own = {*files.texts} - {*files.changed()}
        for folder in {*self._sources.folders, *map(os.path.dirname, resources)}:
            for name in self._build_names:
                path = os.path.join(folder, name).replace(os.sep, "/")
                if path not in own and os.path.isfile(os.path.join(self._root, path)):
                    yield path

    def _check_file(self, name: str, text: str) -> str:
        """The program of the test: one of its own where another file has its name."""
        there = _read(os.path.join(self._root, CHECK))
        is_free = there is None or (there == text and not self._is_workspace)
        return CHECK if is_free or self._request.force else f"check_{name}.py"

    def _found_factory(self, place: str) -> tuple[str, str]:
        """The file and the module of a factory, whose folder becomes a source root of a new workspace."""
        path, module, layout = factory_file(place, self._layout, self._sources)
        added = [root for root in layout.source_roots if root not in self._layout.source_roots]
        if added and self._is_workspace:
            raise CommandLineError(
                f"{place} is in {added[0]}, and modules of this workspace do not count from there",
                facts=[("project", self._root)],
                next_step=advice_on_root(added[0], self._layout.source_roots),
            )
        self._layout = layout
        return path, module

    def _check_arguments(self, path: str, function: str) -> None:
        needed = parameters_of(self._sources.tree(path), function)
        missing = [name for name in needed if name not in self._request.arguments]
        if missing:
            options = " ".join(f"--arg {name}=..." for name in missing)
            call = f"{function}({', '.join(f'{name}=...' for name in needed)})"
            raise CommandLineError(
                f"{self._request.factory} needs {', '.join(missing)}",
                next_step=f"give values in JSON:\n    hermpkg init {self._request.factory} {options}\n"
                "or, where they are no JSON, name a function that takes no arguments:\n"
                f"    def make():\n        return {call}",
            )

    def _module_by_layout(self, path: str, module: str) -> str:
        """The name of the factory's module, which more roots may have made shorter."""
        return module_name(path, self._layout.source_roots) or module

    def _example(self, path: str, module: str) -> tuple[str, str] | None:
        """The module and the function of an example: what was asked for, else one beside the factory."""
        if self._request.example:
            place, function = factory_parts(self._request.example, self._request.factory)
            _, module = self._found_factory(place)
            return module, function
        function = example_of(self._sources.tree(path))
        return (module, function) if function else None

    def _weights(self) -> str | None:
        if not self._request.weights:
            return None
        path = os.path.abspath(os.path.join(self._request.directory, self._request.weights))
        if not os.path.isfile(path):
            raise CommandLineError(
                f"there is no file {self._request.weights}", next_step="name the weights file"
            )
        inside = os.path.relpath(os.path.realpath(path), os.path.realpath(self._root)).replace(os.sep, "/")
        if inside.startswith("../"):
            raise CommandLineError(
                "the weights lie outside of the project, where no target can name them",
                facts=[("file", path), ("project", self._root)],
                next_step="move or copy the file into the project",
            )
        return inside

    def _texts(self, artifact: ArtifactText) -> dict[str, str]:
        """All the files, the one that makes the workspace last."""
        texts = {}
        at_root = artifact_calls(artifact)
        for folder in artifact.folders:
            if folder.path:
                texts[f"{folder.path}/{self._build_file_name(folder.path)}"] = build_file(
                    [modules_call(folder)]
                )
            else:
                at_root.insert(0, modules_call(folder))
        texts[self._build_file_name("")] = build_file(at_root, artifact.rules)
        texts[artifact.check] = check_text(artifact.pickle, artifact.called)
        if not self._is_workspace:
            after = with_settings(self._text, self._workspace())
            check_settings(self._text, after, _PYPROJECT)
            texts[_PYPROJECT] = after
        return texts

    def _build_file_name(self, folder: str) -> str:
        """``BUILD``; ``BUILD.bazel`` where there is one, or a folder that some systems take for the same.

        Or the name that BUILD files have in this workspace.
        """
        if self._build_names != BUILD_NAMES:
            return self._build_names[0]
        names = os.listdir(os.path.join(self._root, folder))
        taken = "BUILD.bazel" in names or any(
            name.lower() == "build" and os.path.isdir(os.path.join(self._root, folder, name))
            for name in names
        )
        return "BUILD.bazel" if taken else "BUILD"

    def _decided(
        self, artifact: ArtifactText, path: str, folders: Sequence[CodeFolder], trial: Trial
    ) -> Iterator[tuple[str, str]]:
        roots = " and ".join(root or "the project itself" for root in self._layout.source_roots)
        why = f" ({self._layout.reason})" if self._layout.reason else ""
        yield "modules count from", f"{roots}{why}"
        if self._other_tool:
            yield "BUILD files", f"are called {self._build_names[0]}: {self._other_tool}"
        yield "factory", f"{artifact.factory} ({path})"
        yield (
            "your code",
            listed(
                [folder.path or "the top of the project" for folder in folders if folder.has_code], _SHOWN
            ),
        )
        yield from told_by_reason(trial.decisions)
        if trial.matter:
            names = listed(trial.matter, _SHOWN)
            yield (
                "needed",
                f"{names}: the example did not load it, and the model is another, or fails, without",
            )
        read = [f"{folder.path}/{name}".lstrip("/") for folder in folders for name in folder.resources]
        if read:
            yield "resources", f"{listed(read, _SHOWN)}: the factory read them"
        yield "test", self._told_test(artifact, trial.uncallable)

    def _told_test(self, artifact: ArtifactText, uncallable: str) -> str:
        if artifact.example is None:
            return f"{artifact.check} loads the model: no example() stands beside its factory"
        example = f"{artifact.example[1]}() of {artifact.example[0]}"
        if uncallable:
            return f"{artifact.check} loads the model: no {uncallable} can be called, as with {example}"
        return f"{artifact.check} calls the model with {example}"

    def _notes(self, trial: Trial, resources: Sequence[str]) -> Iterator[str]:
        hidden = [path for path in trial.read if path not in resources]
        if hidden:
            yield f"the factory read {listed(hidden, _SHOWN)}, which is not in the artifact: it is a tool's"
        if not self._request.weights:
            yield from self._notes_on_weights(resources)
        if trial.untried:
            yield (
                f"the example did not load {listed(trial.untried, _SHOWN)}, and the model is another without"
                " all of that: which of it matters was not found out, so that all of it stays"
            )
        if trial.note:
            more = "; what an example() beside the factory shows it to do without stays outside, too"
            yield trial.note + ("" if trial.has_example else more)
        if trial.missed:
            yield (
                f"the factory looked for {listed(trial.missed, _SHOWN)} in the folder in which it runs, which"
                " has only declared files: list what it needs in the resources of a target"
            )

    def _notes_on_weights(self, resources: Sequence[str]) -> Iterator[str]:
        """What to tell where no weights were asked for, and the project has some."""
        read = [path for path in resources if is_checkpoint(os.path.join(self._root, path))]
        if read:
            once = f": with --weights {read[0]}, and a factory that does not read it, it is there once"
            yield (
                f"{listed(read, _SHOWN)} is packed beside the tensors of the model that were read from it"
                f"{once if len(read) == 1 else ''}"
            )
        elif unread := self._sources.checkpoints:
            yield (
                f"the factory did not read {listed(unread, _SHOWN)}: the model has the weights that it was"
                f" made with; to have those of a file: --weights {unread[0]}"
            )


def _may_be_resource(path: str) -> bool:
    """Whether a file that was read is one of the project's, and none of a tool's."""
    return path != _PYPROJECT and not any(part.startswith(".") for part in path.split("/"))


def _read(path: str) -> str | None:
    """The text of a file as it is; None where there is none."""
    try:
        return read_limited(path).decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise WorkspaceError(f"cannot read {path}: {error}") from error
