"""The setuptools command ``package_model``: builds artifacts, alone or as a part of ``build`` for wheels.

``python setup.py package_model --targets //models:resnet --output-dir dist/models`` puts artifacts into a
folder. With ``targets`` and ``package`` in ``[tool.hermpkg.wheel]`` of pyproject.toml, or in
``[package_model]`` of setup.cfg, the artifacts become data of that package in every wheel.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from setuptools import Command, Distribution
from setuptools.errors import ExecError, OptionError

from hermpkg_build.dataclass import replace

from distutils import log  # isort: skip # setuptools' own, once that is imported; its levels have changed

from hermpkg_build.errors import HermpkgError, WorkspaceError
from hermpkg_build.loading.wheel_settings import WheelPart, read_patterns
from hermpkg_build.wheels.builds import (
    artifact_names,
    build_artifacts,
    packages_among,
    put_artifacts,
    put_in_tree,
    workspace_inputs,
)
from hermpkg_build.wheels.packages import OwnPackages
from hermpkg_build.wheels.projects import Project, find_project

NAME = "package_model"
_INPUTS = "package_model_inputs"
_DEFAULT_OUTPUT = os.path.join("dist", "models")
_EXAMPLE = "//models:resnet"
_FLAGS = ("verify", "rebuild")
_PUT = ".package_model.json"
"""In the folder that setuptools keeps from build to build: what was put into the folder of the wheel."""


def join_build(distribution: Distribution) -> None:
    """Make `package_model` a sub-command of ``build``, and `package_model_inputs` one of ``sdist``.

    setuptools calls this for each distribution. They run only for projects that name targets and a package.
    """
    distribution.cmdclass.setdefault(_INPUTS, package_model_inputs)
    for command, name in (("build", NAME), ("sdist", _INPUTS)):
        # A project's own class may have made a list of its own from that of setuptools.
        own = distribution.get_command_class(command)
        if all(known != name for known, _ in own.sub_commands):
            own.sub_commands = [*own.sub_commands, (name, _is_configured)]


def _is_configured(command: Command) -> bool:
    """Whether a wheel gets artifacts: settings of a workspace above count for the project of the package."""
    given = command.distribution.get_option_dict(NAME)
    targets, package = (given[option][1] if option in given else None for option in ("targets", "package"))
    with _told():
        project = find_project(os.getcwd())
        packages = _own_packages(command.distribution)
        if any(part.package for part in _parts(project, packages, targets, package)):
            return True
    for part in project.parts:
        if part.package and packages.touches(part.package):
            # Parts of a namespace package can be other projects.
            command.warn(
                f"no artifacts in this project: {part.package} is none of its packages, nor below one"
            )
    return False


def _parts(
    project: Project, packages: OwnPackages, targets: str | Sequence[str] | None, package: str | None
) -> tuple[WheelPart, ...]:
    """Return what is to be built, by the options `targets` and `package` as far as given, or by the settings.

    Raises HermpkgError, ValueError.
    """
    own = project.own_parts(packages) or tuple(part for part in project.parts if not part.package)
    if targets is None and package is None:
        return own
    told = own[0] if len(own) == 1 else WheelPart(targets=())
    if targets is not None:
        told = replace(told, targets=read_patterns(targets if isinstance(targets, str) else list(targets)))
    if package is not None:
        told = replace(told, package=package)
    return (told,) if told.targets else ()


def _some_artifact() -> str:
    """The label of an artifact of the workspace, for a next step; an example where none can be found."""
    with suppress(HermpkgError):
        return next((str(target.label) for target in packages_among(["//..."], os.getcwd())), _EXAMPLE)
    return _EXAMPLE


def _own_packages(distribution: Distribution) -> OwnPackages:
    names = frozenset(str(name) for name in distribution.packages or ())
    folder_of = distribution.get_command_obj("build_py")
    folder_of.ensure_finalized()
    return OwnPackages(
        named=names,
        regular=frozenset(
            name
            for name in names
            if os.path.isfile(os.path.join(folder_of.get_package_dir(name), "__init__.py"))
        ),
        modules=frozenset(map(str, distribution.py_modules or ())) - names,
    )


class package_model_inputs(Command):  # type: ignore[misc]  # noqa: N801 - commands are named by their classes
    """Put the files that artifacts are built from into a source distribution.

    They go into the archive only: what is named in SOURCES.txt, which ``get_source_files`` of a command adds
    to, becomes data of wheels where it lies in a package.
    """

    description = "add what artifacts are built from to a source distribution (hermpkg)"
    user_options: ClassVar[list[tuple[str, str | None, str]]] = []

    def initialize_options(self) -> None:
        """Do nothing: there are no options."""

    def finalize_options(self) -> None:
        """Do nothing: there are no options."""

    def run(self) -> None:
        """Add the files to the list of ``sdist``. Raises ExecError."""
        inputs = self.get_finalized_command(NAME).workspace_inputs()
        files = self.get_finalized_command("sdist").filelist
        files.extend(inputs)
        files.sort()
        files.remove_duplicates()


class package_model(Command):  # type: ignore[misc]  # noqa: N801 - commands are named by their classes
    """Build hermpkg artifacts, into a folder or into a package of the wheel."""

    description = "build models and their code into reproducible artifacts (hermpkg)"
    user_options: ClassVar[list[tuple[str, str | None, str]]] = [
        ("targets=", "t", "target patterns, with blanks or commas between them"),
        ("output-dir=", "d", f"put the artifacts there (default: {_DEFAULT_OUTPUT}, or the package)"),
        ("package=", "p", "the package of the wheel whose data the artifacts become"),
        ("build-lib=", "b", "the folder that the wheel is made of"),
        ("cache-dir=", None, "keep cached work there"),
        ("verify", None, "check the artifacts: intact, and fit for this machine"),
        ("rebuild", None, "build them again under other conditions, which must change nothing"),
    ]
    boolean_options: ClassVar[list[str]] = list(_FLAGS)

    editable_mode: bool = False
    build_lib: str

    def initialize_options(self) -> None:
        """Set every option to what it is before it is given."""
        self.targets: str | Sequence[str] | None = None
        self.output_dir: str | None = None
        self.package: str | None = None
        self.build_lib = ""
        self.cache_dir: str | None = None
        self.verify: Any = None
        self.rebuild: Any = None
        self.parts: tuple[WheelPart, ...] = ()

    def finalize_options(self) -> None:
        """Fill in what is not given from pyproject.toml. Raises OptionError where targets are missing."""
        if not self.build_lib:
            self.build_lib = self.get_finalized_command("build_py").build_lib
        with _told():
            packages = _own_packages(self.distribution)
            parts = _parts(find_project(os.getcwd()), packages, self.targets, self.package)
        if not parts:
            label = _some_artifact()
            raise OptionError(
                f"{NAME} needs targets: --targets {label}, or in pyproject.toml\n"
                f'[tool.hermpkg.wheel]\ntargets = ["{label}"]'
            )
        self.parts = tuple(
            replace(
                part,
                output_dir=part.output_dir if self.output_dir is None else self.output_dir,
                verify=part.verify if self.verify is None else bool(self.verify),
                rebuild=part.rebuild if self.rebuild is None else bool(self.rebuild),
            )
            for part in parts
        )

    def run(self) -> None:
        """Build the artifacts and put them where they belong. Raises ExecError where that fails."""
        put: list[str] = []
        with _told():
            for part in self.parts:
                for label, place in self._put(part).items():
                    self.announce(f"{label} -> {place}", level=log.INFO)
                    if self._is_in_wheel(part):
                        put.append(os.path.relpath(place, self.build_lib))
        if not self.editable_mode:
            self._remove_others(put)

    def workspace_inputs(self) -> list[str]:
        """Build the artifacts, and list the files of the project that they are built from.

        Raises ExecError where the build fails, or where the workspace does not begin at the project.
        """
        targets = [target for part in self.parts for target in part.targets]
        with _told():
            return workspace_inputs(targets, os.getcwd(), cache_dir=self.cache_dir or "")

    def get_outputs(self) -> list[str]:
        """List the artifacts in the folder that the wheel is made of."""
        with _told():
            return [
                os.path.join(self.build_lib, *part.package.split("."), name)
                for part in self.parts
                if self._is_in_wheel(part)
                for name in artifact_names(part.targets, os.getcwd())
            ]

    def get_output_mapping(self) -> dict[str, str]:
        """Map files of the wheel to those in the source tree, for editable installations."""
        if not self.editable_mode:
            return {}
        source = self.get_finalized_command("build_py").get_package_dir
        mapping = {}
        for path in self.get_outputs():
            folder, name = os.path.split(os.path.relpath(path, self.build_lib))
            mapping[path] = os.path.join(source(folder.replace(os.sep, ".")), name)
        return mapping

    def _put(self, part: WheelPart) -> dict[str, str]:
        """Build the artifacts of a part and put them where they belong; the paths by their labels."""
        project, cache_dir = os.getcwd(), self.cache_dir or ""
        if self.editable_mode and self._is_in_wheel(part):
            return put_in_tree(part, project, self._folder(part), cache_dir=cache_dir)
        return put_artifacts(build_artifacts(part, project, cache_dir=cache_dir), self._folder(part))

    def _is_in_wheel(self, part: WheelPart) -> bool:
        return bool(part.package) and not part.output_dir

    def _folder(self, part: WheelPart) -> str:
        """Return where the artifacts of a part go."""
        if part.output_dir:
            return part.output_dir
        if not part.package:
            return _DEFAULT_OUTPUT
        if self.editable_mode:
            return str(self.get_finalized_command("build_py").get_package_dir(part.package))
        return os.path.join(self.build_lib, *part.package.split("."))

    def _remove_others(self, put: Sequence[str]) -> None:
        """Remove what an earlier build put into the folder of the wheel, and this one did not.

        setuptools makes the next wheel of the same folder: what has another name by then would stay in it.
        """
        noted = os.path.join(os.path.dirname(os.path.abspath(self.build_lib)), _PUT)
        before: dict[str, list[str]] = {}
        with suppress(OSError, ValueError), open(noted, encoding="utf-8") as file:
            before = json.load(file)
        folder = os.path.basename(self.build_lib)
        for name in before.get(folder, ()):
            if name not in put:
                with suppress(OSError):
                    os.unlink(os.path.join(self.build_lib, name))
        if put or folder in before:
            os.makedirs(os.path.dirname(noted), exist_ok=True)
            with open(noted, "w", encoding="utf-8") as file:
                json.dump({**before, folder: list(put)}, file)


@contextmanager
def _told() -> Iterator[None]:
    """Raise the errors of hermpkg as errors of setuptools, which ends the process with their text."""
    try:
        yield
    except WorkspaceError as error:
        raise OptionError(str(error)) from error
    except (HermpkgError, ValueError) as error:
        raise ExecError(str(error)) from error
