"""What a model object is made from and what making it gives, with their JSON forms."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.conditions import FactoryConditions
from hermpkg_build.core.digest import Digest
from hermpkg_build.pickles.pickled import GlobalReference, StoredStorage

# The files of the folder that the worker gets: what it reads, and what it leaves.
REQUEST = "request.json"
RESULT = "result.json"
PICKLE = "model.pkl"


def storage_file(key: int) -> str:
    """The name of the file with the bytes of a storage."""
    return f"{key}.storage"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """A factory, and everything that it may see.

    `factory` reads ``models.resnet:resnet18``; `arguments` are its keyword arguments. `modules`
    maps dotted names to the files of the workspace that it may import, `search_path` is where
    all else comes from. `source_roots` are relative to the workspace root. `conditions` are other
    than the usual ones to find out that they do not matter.
    """

    label: str
    factory: str
    arguments: Mapping[str, Json]
    seed: int
    weights: str | None = None
    modules: Mapping[str, str]
    workspace_root: str
    search_path: tuple[str, ...]
    source_roots: tuple[str, ...] = ("",)
    conditions: FactoryConditions = field(default_factory=FactoryConditions)

    def moved(self, workspace_root: str) -> ModelRequest:
        """The same request for the same files of the workspace, which lies elsewhere now."""
        before = os.path.join(self.workspace_root, "")

        def move(path: str) -> str:
            return os.path.join(workspace_root, path.removeprefix(before))

        return replace(
            self,
            weights=None if self.weights is None else move(self.weights),
            modules={name: move(path) for name, path in self.modules.items()},
            workspace_root=workspace_root,
        )

    def to_json(self) -> dict[str, Json]:
        """All fields by name."""
        return {
            "label": self.label,
            "factory": self.factory,
            "arguments": dict(self.arguments),
            "seed": self.seed,
            "weights": self.weights,
            "modules": dict(self.modules),
            "workspace_root": self.workspace_root,
            "search_path": list(self.search_path),
            "source_roots": list(self.source_roots),
            "conditions": self.conditions.to_json(),
        }

    @classmethod
    def from_json(cls, value: Any) -> ModelRequest:
        """The inverse of `to_json`."""
        return cls(
            label=value["label"],
            factory=value["factory"],
            arguments=value["arguments"],
            seed=value["seed"],
            weights=value["weights"],
            modules=value["modules"],
            workspace_root=value["workspace_root"],
            search_path=tuple(value["search_path"]),
            source_roots=tuple(value["source_roots"]),
            conditions=FactoryConditions.from_json(value["conditions"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedImport:
    """A module that was imported while the model was made, and what imported it first.

    `path` and `line` are the place of that import, relative to the workspace where it lies in it;
    `importer` is "" where the worker itself asked. `by_helper` says that it was a function of the
    environment, which may have asked on behalf of another module.
    """

    module: str
    importer: str
    path: str
    line: int
    by_helper: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedFiles:
    """What the making of a model asked the file system: sorted absolute paths.

    `read` are the files that were read, sources of modules included; `listed` the folders whose
    entries were asked for; `sought` the paths that were asked for and are no files.
    """

    read: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    sought: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """All fields by name."""
        return {"read": list(self.read), "listed": list(self.listed), "sought": list(self.sought)}

    @classmethod
    def from_json(cls, value: Any) -> ObservedFiles:
        """The inverse of `to_json`."""
        return cls(read=tuple(value["read"]), listed=tuple(value["listed"]), sought=tuple(value["sought"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelObject:
    """A pickled model whose bytes are in the content store.

    `globals`, `storages` and `key_offsets` are those of its PickledObject. `observed_modules` are
    the modules of workspace and environment that were imported, by name; `observed_files` is all
    else that the result depends on. `data_read` are those of these files that are no modules and
    lie on the search path, relative to its entries. `located_sources` are the modules whose source
    code has looked for on disk, by name.
    """

    pickle: Digest
    globals: tuple[GlobalReference, ...]
    storages: tuple[StoredStorage, ...]
    key_offsets: tuple[tuple[int, int], ...]
    observed_modules: tuple[ObservedImport, ...]
    observed_files: ObservedFiles
    data_read: tuple[str, ...] = ()
    located_sources: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """All fields by name."""
        return {
            "pickle": str(self.pickle),
            "globals": [[reference.module, reference.name] for reference in self.globals],
            "storages": [[str(stored.digest), stored.crc32] for stored in self.storages],
            "key_offsets": [list(pair) for pair in self.key_offsets],
            "observed_modules": [
                [o.module, o.importer, o.path, o.line, o.by_helper] for o in self.observed_modules
            ],
            "observed_files": self.observed_files.to_json(),
            "data_read": list(self.data_read),
            "located_sources": list(self.located_sources),
        }

    @classmethod
    def from_json(cls, value: Any) -> ModelObject:
        """The inverse of `to_json`. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            pickle=Digest.parse(value["pickle"]),
            globals=tuple(GlobalReference(module, name) for module, name in value["globals"]),
            storages=tuple(
                StoredStorage(digest=Digest.parse(digest), crc32=crc32) for digest, crc32 in value["storages"]
            ),
            key_offsets=tuple((offset, key) for offset, key in value["key_offsets"]),
            observed_modules=tuple(
                ObservedImport(module=module, importer=importer, path=path, line=line, by_helper=by_helper)
                for module, importer, path, line, by_helper in value["observed_modules"]
            ),
            observed_files=ObservedFiles.from_json(value["observed_files"]),
            data_read=tuple(value["data_read"]),
            located_sources=tuple(value["located_sources"]),
        )
