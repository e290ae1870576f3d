"""The build hook ``hermpkg`` of hatch: artifacts go into wheels, what they are built from into sdists."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.builders.wheel import WheelBuilder
from hatchling.plugin import hookimpl

from hermpkg_build.core.folders import OUTPUT_FOLDER
from hermpkg_build.errors import HermpkgError
from hermpkg_build.loading.wheel_settings import WheelPart, read_wheel_part
from hermpkg_build.wheels.builds import build_artifacts, places_of, put_in_tree, workspace_inputs
from hermpkg_build.wheels.packages import packages_of
from hermpkg_build.wheels.projects import find_project, source_folder

_NAME = "tool.hatch.build.hooks.hermpkg"
_OF_HATCH = ("dependencies", "require-runtime-dependencies", "require-runtime-features", "enable-by-default")
"""What hatch itself reads from the table of a hook."""


@hookimpl  # type: ignore[untyped-decorator]
def hatch_register_build_hook() -> type[ArtifactsHook]:
    """Tell hatch of the hook."""
    return ArtifactsHook


class ArtifactsHook(BuildHookInterface):  # type: ignore[misc]
    """Puts artifacts into wheels and editable installations, and what they are built from into sdists.

    The table of the hook says the same as ``[tool.hermpkg.wheel]``; where it says nothing, that counts.
    """

    PLUGIN_NAME = "hermpkg"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add to `build_data` what goes into the file. Ends the process with what is wrong."""
        if self.target_name not in ("wheel", "sdist"):
            return
        with self._told():
            parts = self._parts()
            # What is built by the way is no source, and hatch looks at no .gitignore but that of the project.
            self.build_config.build_reserved_paths.add(OUTPUT_FOLDER)
            if self.target_name == "sdist":
                targets = [target for part in parts for target in part.targets]
                inputs = workspace_inputs(targets, self.root) if targets else []
                build_data["force_include"].update({os.path.join(self.root, path): path for path in inputs})
                return
            for part in parts:
                self._put(part, build_data, editable=version == "editable")

    def _put(self, part: WheelPart, build_data: dict[str, Any], *, editable: bool) -> None:
        if editable:
            places = put_in_tree(part, self.root, self._source_folder(part.package))
        else:
            artifacts = build_artifacts(part, self.root)
            places = places_of(artifacts, part.package.replace(".", "/"))
            build_data["force_include"].update({artifacts[label]: places[label] for label in artifacts})
            # One may lie in the package already, where an editable install has put it.
            self.build_config.build_reserved_paths.update(places.values())
        for label, place in places.items():
            self.app.display_info(f"{label} -> {place}")

    def _parts(self) -> tuple[WheelPart, ...]:
        """Return what goes into the wheel, by the table of the hook or else that of the workspace."""
        own = {key: value for key, value in self.config.items() if key not in _OF_HATCH}
        if own:
            part = read_wheel_part(own, _NAME, os.path.join(self.root, "pyproject.toml"))
            if part.package:
                return (part,)
            raise HermpkgError(
                f"{_NAME} names no package", next_step='write for example package = "acme.artifacts"'
            )
        project = find_project(self.root)
        if not [part for part in project.parts if part.package]:
            raise HermpkgError(
                "no artifacts are named for the wheel",
                next_step=f'write\n[{_NAME}]\ntargets = ["//models:resnet"]\npackage = "acme.artifacts"',
            )
        return project.own_parts(packages_of(path for path, _ in self._files_of_wheel()))

    def _files_of_wheel(self) -> Iterator[tuple[str, str]]:
        """Give the files that hatch puts into the project's wheel: the path there, and on the disk."""
        builder = self.build_config.builder
        if self.target_name != "wheel":
            builder = WheelBuilder(self.root, metadata=self.metadata)
        for each in builder.recurse_included_files():
            yield str(each.distribution_path).replace(os.sep, "/"), str(each.path)

    def _source_folder(self, package: str) -> str:
        """Return the folder of a package's source, by where hatch has the files of its wheel from."""
        folder = package.replace(".", "/")
        for path, source in self._files_of_wheel():
            head, _, name = path.rpartition("/")
            if head == folder and os.path.basename(source) == name:
                return os.path.dirname(source)
        return source_folder(self.root, package)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except HermpkgError as error:
            self.app.abort(f"error: {error}")
