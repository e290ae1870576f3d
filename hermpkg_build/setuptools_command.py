"""The setuptools command ``package_model``: builds artifacts, alone or as a part of ``build`` for wheels.

``python setup.py package_model --targets //models:resnet --output-dir dist/models`` puts artifacts into a
folder. With ``targets`` and ``package`` in ``[tool.hermpkg.setuptools]`` of pyproject.toml, or in
``[package_model]`` of setup.cfg, the artifacts become data of that package in every wheel.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from setuptools import Command, Distribution
from setuptools.errors import ExecError, OptionError

NAME = "package_model"
_INPUTS = "package_model_inputs"
_DEFAULT_OUTPUT = os.path.join("dist", "models")
_FLAGS = ("verify", "rebuild")


def join_build(distribution: Distribution) -> None:
    """Make `package_model` a sub-command of ``build``, and `package_model_inputs` one of ``sdist``.

    setuptools calls this for each distribution. They run only for projects that name targets and a package.
    """
    from setuptools.command.build import build
    from setuptools.command.sdist import sdist

    distribution.cmdclass.setdefault(_INPUTS, package_model_inputs)
    for command, name in ((build, NAME), (sdist, _INPUTS)):
        if all(known != name for known, _ in command.sub_commands):
            command.sub_commands.append((name, _is_configured))


def _is_configured(command: Command) -> bool:
    """Whether a wheel gets artifacts: settings of a workspace above count for the project of the package."""
    given = command.distribution.get_option_dict(NAME)
    settings = _settings()
    if not all(option in given or option in settings for option in ("targets", "package")):
        return False
    if "package" in given or os.path.samefile(_workspace_root(), os.getcwd()):
        return True
    package, own = str(settings["package"]), command.distribution.packages or ()
    parts = package.split(".")
    if any(".".join(parts[:length]) in own for length in range(1, len(parts) + 1)):
        return True
    if any(name.partition(".")[0] == parts[0] for name in own):
        # Parts of a namespace package can be other projects.
        command.warn(f"no artifacts in this project: {package} is none of its packages, nor below one")
    return False


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
        """Add the files to the list of ``sdist``. Raises what `package_model.workspace_inputs` raises."""
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

    def finalize_options(self) -> None:
        """Fill in what is not given from pyproject.toml. Raises OptionError where targets are missing."""
        settings = _settings()
        for option in ("targets", "package", "output_dir", *_FLAGS):
            if getattr(self, option) is None:
                setattr(self, option, settings.get(option.replace("_", "-")))
        if not self.build_lib:
            self.build_lib = self.get_finalized_command("build_py").build_lib
        if isinstance(self.targets, str):
            self.targets = re.split(r"[\s,]+", self.targets.strip())
        if not self.targets or not all(self.targets):
            raise OptionError(
                f"{NAME} needs targets: --targets //models:resnet, or in pyproject.toml\n"
                '[tool.hermpkg.setuptools]\ntargets = ["//models:resnet"]'
            )

    def run(self) -> None:
        """Build the artifacts and put them where they belong. Raises ExecError where that fails."""
        targets = self._hermpkg("build")["targets"]
        artifacts = {target["label"]: target["path"] for target in targets if target["path"]}
        if not artifacts:
            raise OptionError(f"no model_package among {' '.join(self.targets or ())}")
        if self.verify or self.rebuild:
            self._hermpkg("verify", *(["--rebuild"] if self.rebuild else []))
        folder = self._folder()
        root = _workspace_root()
        places = {label: os.path.join(folder, os.path.basename(path)) for label, path in artifacts.items()}
        _check_places(places)
        os.makedirs(folder, exist_ok=True)
        for label, path in artifacts.items():
            target = places[label]
            shutil.copyfile(os.path.join(root, path), target)
            # Whatever the umask: the mode is a part of a wheel's bytes.
            os.chmod(target, 0o644)
            self.announce(f"{label} -> {target}", level=logging.INFO)

    def workspace_inputs(self) -> list[str]:
        """Build the artifacts, and list the files of the project that they are built from.

        Raises ExecError where the build fails, or where the workspace does not begin at the project.
        """
        root, project = _workspace_root(), os.getcwd()
        if not os.path.samefile(root, project):
            raise ExecError(
                "a source distribution cannot hold what the artifacts are built from: the workspace\n"
                f"{root} begins outside of the project {project}.\nMake wheels of the project itself: "
                "python -m build --wheel, uv build --wheel, or pip wheel ."
            )
        return list(self._hermpkg("build", "--inputs")["inputs"])

    def get_outputs(self) -> list[str]:
        """List the artifacts in the folder that the wheel is made of."""
        if self.output_dir or not self.package:
            return []
        folder = os.path.join(self.build_lib, *self.package.split("."))
        return [os.path.join(folder, name) for name in self._names()]

    def get_output_mapping(self) -> dict[str, str]:
        """Map files of the wheel to those in the source tree, for editable installations."""
        if not self.editable_mode:
            return {}
        folder = self._folder()
        return {path: os.path.join(folder, os.path.basename(path)) for path in self.get_outputs()}

    def _names(self) -> list[str]:
        """List the file names of the artifacts, without building them. Raises OptionError."""
        from hermpkg_build.core.target import ModelPackage
        from hermpkg_build.disk.source_tree import SourceTree
        from hermpkg_build.errors import HermpkgError
        from hermpkg_build.loading.loader import Loader
        from hermpkg_build.loading.requested import load_requested
        from hermpkg_build.loading.workspace import find_workspace

        try:
            loader = Loader(find_workspace(os.getcwd()), SourceTree())
            requested = load_requested(loader, list(self.targets or ()))
        except HermpkgError as error:
            raise OptionError(str(error)) from error
        targets = [requested.targets[label] for label in requested.labels]
        return [os.path.basename(target.output) for target in targets if isinstance(target, ModelPackage)]

    def _folder(self) -> str:
        """Return where the artifacts go."""
        if self.output_dir:
            return self.output_dir
        if not self.package:
            return _DEFAULT_OUTPUT
        if self.editable_mode:
            return str(self.get_finalized_command("build_py").get_package_dir(self.package))
        return os.path.join(self.build_lib, *self.package.split("."))

    def _hermpkg(self, command: str, *options: str) -> Mapping[str, Any]:
        """Run the command line tool on the targets, and return its JSON."""
        words = ["--json", *([f"--cache-dir={self.cache_dir}"] if self.cache_dir else [])]
        words += [command, *options, "--", *(self.targets or ())]
        completed = subprocess.run(
            [sys.executable, "-m", "hermpkg_build", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=False,
            # The project's folder is none to import from.
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )
        try:
            value: Mapping[str, Any] = json.loads(completed.stdout)
        except ValueError:
            value = {}
        if completed.returncode:
            raise ExecError(f"hermpkg {command} failed: {_why(value, completed.returncode)}")
        return value


def _check_places(places: Mapping[str, str]) -> None:
    """Raise OptionError where two artifacts would have one place."""
    owners: dict[str, str] = {}
    for label, place in places.items():
        if owners.setdefault(place, label) != label:
            raise OptionError(
                f"{owners[place]} and {label} would both be {place}: "
                'give one of them another name with out = "..." in its BUILD file'
            )


def _why(value: Mapping[str, Any], code: int) -> str:
    """Return the reason in one line, from what the tool gave as JSON."""
    if "error" in value:
        return str(value["error"]["summary"])
    failed = [check for check in value.get("checks", ()) if not check["passed"]]
    if failed:
        return "; ".join(f"{check['subject']}: {check['summary']}" for check in failed)
    return f"exit code {code}"


def _workspace_root() -> str:
    from hermpkg_build.loading.workspace import find_workspace

    return find_workspace(os.getcwd()).root


def _settings() -> Mapping[str, Any]:
    """Return the table ``[tool.hermpkg.setuptools]`` of the workspace; empty where there is none."""
    from hermpkg_build.errors import WorkspaceError
    from hermpkg_build.loading.workspace import NoWorkspaceError, find_workspace

    try:
        table = find_workspace(os.getcwd()).settings.get("setuptools", {})
    except NoWorkspaceError:
        return {}
    except WorkspaceError as error:
        # A wheel without its artifact must not come of it.
        raise OptionError(str(error)) from error
    if not isinstance(table, Mapping):
        raise OptionError("tool.hermpkg.setuptools is a table")
    return table
