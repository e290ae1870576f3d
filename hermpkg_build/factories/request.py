"""A request for a model object, and the object that is made: values with JSON forms."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.conditions import FactoryConditions
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.json_codec import OMITTED
from hermpkg_build.core.manifest import RecordKind
from hermpkg_build.dataclass import dataclass, field, replace
from hermpkg_build.pickles.pickled import GlobalReference, StoredStorage

# The files that a worker leaves in its folder.
RESULT = "result.json"
PICKLE = "model.pkl"
EXIT_FULL = 74
"""The exit code of a worker that cannot even leave a result, because the disk is full."""


EXIT_COLD = 75
"""The exit code of a worker whose factory must be run in a process in which nothing was imported ahead."""
EXIT_PLAIN = 76
"""The exit code of a worker whose factory must be run where classes have their lines as plain numbers."""

BASELINE = "baseline"
"""Compute with what every processor of the architecture has; the other choice is ``native``."""


def saved_file(digest: Digest) -> str:
    """The name of the file with the bytes of a record that was saved beside the model."""
    return f"{digest.hash}.saved"


def storage_file(key: int) -> str:
    """The name of the file with the bytes of a storage."""
    return f"{key}.storage"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """A factory, and everything that it may see.

    `factory` reads ``models.resnet:resnet18``; `arguments` are its keyword arguments. `modules`
    maps dotted names to the files of the workspace that it may import, `search_path` is where
    all other modules come from. `source_roots` are relative to the workspace root, and so are `own_paths`,
    the folders in which the interpreter would find modules of the workspace besides. `resources` are files
    that the factory finds by their paths from the workspace root, in the folder it runs in. `conditions` are
    unusual where a build is to show that they do not matter. `cpu` is "baseline" or "native": see
    `factories.processor`. `example` names the function of an example that the model is called with when it is
    saved, to see what that imports and gives. The modules `hidden`, and the distributions, are as if not
    installed. With `plain_lines` classes have their lines as plain numbers: see `factories.line_of_class`.
    """

    label: str
    factory: str
    arguments: Mapping[str, Json]
    seed: int
    weights: str | None = None
    weights_key: str = ""
    weights_prefix: str = ""
    modules: Mapping[str, str]
    workspace_root: str
    search_path: tuple[str, ...]
    source_roots: tuple[str, ...] = ("",)
    own_paths: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    cpu: str = BASELINE
    example: str = field(default="", metadata=OMITTED)
    hidden: tuple[str, ...] = field(default=(), metadata=OMITTED)
    hidden_distributions: tuple[str, ...] = field(default=(), metadata=OMITTED)
    plain_lines: bool = field(default=False, metadata=OMITTED)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedImport:
    """A module that was imported while the model was made, and the place that imported it first.

    `path` and `line` are the place of that import, relative to the workspace where it lies in it;
    `importer` is "" where the worker itself asked. `by_helper` says that it was a function of the
    environment, which may have asked on behalf of another module. Where only the code of that place's module
    counts, `source` is the hash of its text, and `instruction` says which of the code's instructions it was:
    see `engine.code_states`.
    """

    JSON_ARRAY: ClassVar = True

    module: str
    importer: str
    path: str
    line: int
    by_helper: bool = False
    source: str = ""
    instruction: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedFiles:
    """The paths for which a factory asked the file system: absolute and sorted.

    `read` are the files that were read, sources of modules included; `code` the sources of the workspace that
    were only run, so that comments in them count for nothing; `listed` the folders whose entries were asked
    for; `sought` the paths that were asked for and do not lead to files.

    Of what was `read`, and of the `code` after it, `marks` tell each file from a later one, as it was before
    it was read; 0 where that is not known. `gone` are those of the paths that led to files before.
    """

    read: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    sought: tuple[str, ...] = ()
    marks: tuple[int, ...] = field(default=(), compare=False, metadata=OMITTED)
    gone: tuple[str, ...] = field(default=(), metadata=OMITTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRecord:
    """A record that an object of the model saved beside it: a pickle, a resource, or one of TorchScript's.

    `globals` and `key_offsets` are those of a pickle; its keys count among the model's storages.
    """

    name: str
    kind: RecordKind
    digest: Digest
    globals: tuple[GlobalReference, ...] = ()
    key_offsets: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedBeside:
    """What the objects of a model saved for its artifact when they reduced themselves.

    `sources` are texts of modules by dotted name, with ``.__init__`` at the end for packages; `modules`
    are packed whatever the policy says, and `dependencies` as it says; of those among `without_imports`
    the imports are not followed.
    """

    records: tuple[SavedRecord, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    without_imports: tuple[str, ...] = ()

    @property
    def has_torchscript(self) -> bool:
        """Whether TorchScript is among the records."""
        return any(record.kind is RecordKind.FRAMEWORK for record in self.records)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelObject:
    """A pickled model whose bytes are in the content store.

    `globals`, `storages` and `key_offsets` are those of its PickledObject. `observed_modules` are
    the modules of workspace and environment that were imported, by name; `observed_files` all other
    files that the result depends on. `data_read` are those of these files that are not modules,
    relative to the entry of the search path or the source root that they lie in. `workspace_reads` are those
    of the workspace, relative to its root, but for files that the request names; `missed` are relative paths
    that were looked for where the factory runs, and that lead nowhere there.
    `located_sources` are the modules whose sources code has looked for on disk, by name. `computed_on` is the
    platform that its numbers may depend on, and `unpinned` are the features of the processor that a library
    used although it was told not to. `beside` is what its objects saved besides. `aliases` are the names
    under which code put modules into ``sys.modules`` besides their own, each with the module's own. `output`
    is the hash of what the model gave for its example, "" where there is none or it failed. `uncallable` is
    the type of a model that cannot be called with its example, as nobody can call it.
    """

    pickle: Digest
    globals: tuple[GlobalReference, ...]
    storages: tuple[StoredStorage, ...]
    key_offsets: tuple[tuple[int, int], ...]
    observed_modules: tuple[ObservedImport, ...]
    observed_files: ObservedFiles
    data_read: tuple[str, ...] = ()
    workspace_reads: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    located_sources: tuple[str, ...] = ()
    computed_on: str = ""
    unpinned: tuple[str, ...] = ()
    beside: SavedBeside = field(default=SavedBeside(), metadata=OMITTED)
    aliases: tuple[tuple[str, str], ...] = field(default=(), metadata=OMITTED)
    output: str = field(default="", metadata=OMITTED)
    uncallable: str = field(default="", metadata=OMITTED)

    @property
    def contents(self) -> tuple[Digest, ...]:
        """The digests of its pickle, storages and other records, each once."""
        storages = (storage.digest for storage in self.storages)
        records = (record.digest for record in self.beside.records)
        return tuple(dict.fromkeys([self.pickle, *storages, *records]))
