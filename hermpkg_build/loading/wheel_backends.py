"""Tells which build backend makes the wheels of a project, and whether it puts artifacts into them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hermpkg_build.dataclass import dataclass

OWN = "hermpkg_build.backend"
"""The build backend that puts artifacts into what any other makes."""

BACKENDS: Mapping[str, str] = {
    "flit-core": "flit_core.buildapi",
    "hatchling": "hatchling.build",
    "maturin": "maturin",
    "meson-python": "mesonpy",
    "pbr": "pbr.build",
    "pdm-backend": "pdm.backend",
    "poetry-core": "poetry.core.masonry.api",
    "poetry-dynamic-versioning": "poetry_dynamic_versioning.backend",
    "py-build-cmake": "py_build_cmake.build",
    "scikit-build-core": "scikit_build_core.build",
    "setuptools": "setuptools.build_meta",
    "uv-build": "uv_build",
}
"""The backends of distributions that ``build-system.requires`` can name."""

_BEHIND: Mapping[str, str] = {"pbr": "setuptools", "poetry-dynamic-versioning": "poetry-core"}
"""The distributions of backends that others, which must be named beside them, stand before."""

_ASKING = ("setuptools", "hatchling", "pdm")
"""The backends, by their top-level modules, that ask plugins which are installed."""

_DISTRIBUTION = "hermpkg-build"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSystem:
    """What a ``pyproject.toml`` says of the backend: `requires` as they are written, and its name."""

    requires: tuple[str, ...] = ("setuptools",)
    backend: str = "setuptools.build_meta"
    is_in_tree: bool = False

    @property
    def named(self) -> frozenset[str]:
        """The names of the distributions that are required, normalised."""
        return frozenset(_name_of(each) for each in self.requires)

    @property
    def delegates(self) -> tuple[str, ...]:
        """The backends that the requirements stand for."""
        behind = {_BEHIND[name] for name in self.named & _BEHIND.keys()}
        return tuple(BACKENDS[name] for name in sorted((self.named & BACKENDS.keys()) - behind))


def build_system(document: Mapping[str, Any]) -> BuildSystem:
    """Read the build system from a ``pyproject.toml``, without trusting its form.

    >>> build_system({"build-system": {"requires": ["uv_build>=0.9"], "build-backend": "uv_build"}}).delegates
    ('uv_build',)
    """
    table = document.get("build-system")
    if not isinstance(table, dict):
        return BuildSystem()
    requires, backend = table.get("requires"), table.get("build-backend")
    return BuildSystem(
        requires=tuple(each for each in requires if isinstance(each, str))
        if isinstance(requires, list)
        else (),
        backend=backend if isinstance(backend, str) else "setuptools.build_meta",
        is_in_tree="backend-path" in table,
    )


def why_no_artifacts(
    document: Mapping[str, Any], *, other_backend: str = "", other_hooks: bool = False
) -> str:
    """Tell why wheels of the project with this ``pyproject.toml`` get no artifacts, and what to write.

    "" where they do, and where a backend in the source tree makes them, of which nothing is known.
    `other_backend` is what settings say that our own backend stands before; `other_hooks` says that hooks of
    hatch can stand in another file.
    """
    system = build_system(document)
    backend = system.backend.partition(":")[0]
    top = backend.partition(".")[0]
    if system.is_in_tree:
        return ""
    if backend != OWN and top not in _ASKING:
        return f"{system.backend} puts no artifacts into wheels; write\n{_block(system, OWN)}"
    if backend == OWN and not (other_backend or system.delegates):
        return f"{OWN} needs another backend, which build-system.requires must name"
    if _DISTRIBUTION not in system.named:
        return f"build-system.requires does not name {_DISTRIBUTION}; write\n{_block(system, system.backend)}"
    if top == "hatchling" and not other_hooks and not _has_hatch_hook(document):
        return "hatch runs only hooks that are named; write\n[tool.hatch.build.hooks.hermpkg]"
    return ""


def _has_hatch_hook(document: Mapping[str, Any]) -> bool:
    build = _table(document, "tool", "hatch", "build")
    targets = [each for each in _table(build, "targets").values() if isinstance(each, dict)]
    return any(isinstance(_table(each, "hooks").get("hermpkg"), dict) for each in (build, *targets))


def _table(value: Any, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _block(system: BuildSystem, backend: str) -> str:
    """Return the table to write, with all that is required."""
    own: Sequence[str] = () if _DISTRIBUTION in system.named else (_DISTRIBUTION,)
    requires = json.dumps([*system.requires, *own], ensure_ascii=False)
    block = f"[build-system]\nrequires = {requires}\nbuild-backend = {json.dumps(backend)}"
    if backend == OWN and system.delegates != (system.backend,):
        # What the requirements stand for is another one, which would make other wheels.
        block += f"\n[tool.hermpkg.wheel]\nbackend = {json.dumps(system.backend)}"
    return block


def _name_of(requirement: str) -> str:
    """Return the normalised name that a requirement begins with."""
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    return re.sub(r"[-_.]+", "-", match[1].rstrip("._-")).lower() if match else ""
