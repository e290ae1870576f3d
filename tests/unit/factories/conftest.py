"""A workspace of modules on disk, and model objects made from it."""

from __future__ import annotations

import pickle
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.factories.make import make_model_object
from hermpkg_build.factories.request import ModelObject, ModelRequest
from hermpkg_build.store.content import ContentStore


class ModelWorkspace:
    """Files of a workspace, all of whose modules are deps unless they are named in `undeclared`."""

    def __init__(self, root: Path, content: ContentStore) -> None:
        self.root = root
        self.content = content
        self.undeclared: set[str] = set()

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file

    def request(
        self, factory: str, *, seed: int = 0, weights: str | None = None, **options: Any
    ) -> ModelRequest:
        arguments: Mapping[str, Any] = options.pop("arguments", {})
        return ModelRequest(
            label="//models:net",
            factory=factory,
            arguments=arguments,
            seed=seed,
            weights=str(self.root / weights) if weights else None,
            modules=options.pop("modules", None) or self.modules(),
            workspace_root=str(self.root),
            search_path=tuple(path for path in sys.path if path),
            **options,
        )

    def modules(self) -> dict[str, str]:
        found = {}
        for path in sorted(self.root.rglob("*.py")):
            name = ".".join(path.relative_to(self.root).with_suffix("").parts).removesuffix(".__init__")
            if name not in self.undeclared:
                found[name] = str(path)
        return found

    def make(self, factory: str, **options: Any) -> ModelObject:
        return make_model_object(self.request(factory, **options), self.content)

    def bytes_of(self, made: ModelObject) -> bytes:
        data = self.content.get_bytes(made.pickle)
        assert data is not None
        return data

    def load(self, made: ModelObject) -> Any:
        return pickle.loads(self.bytes_of(made))


@pytest.fixture(autouse=True)
def _in_processes_of_their_own(real_processes: None) -> None:
    """How these begin and end is tested here."""


@pytest.fixture
def models(tmp_path: Path) -> ModelWorkspace:
    root = tmp_path / "a workspace"
    root.mkdir()
    return ModelWorkspace(root, ContentStore(str(tmp_path / "cache")))
