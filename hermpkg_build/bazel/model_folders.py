"""Model objects as folders: what the modelling action leaves and the assembling one packs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from hermpkg_build.core.canonical_json import dumps, loads
from hermpkg_build.core.digest import Digest
from hermpkg_build.objects.model import ModelObject, ModelRequest, ObservedFiles, make_model_object
from hermpkg_build.store.cas import ContentStore

_DESCRIPTION = "model.json"
_STORE = ".store"


def make_model_folder(request: ModelRequest, folder: str) -> ModelObject:
    """Run the factory; leave its object in `folder`, each content in a file named by its hash.

    Raises what `make_model_object` raises.
    """
    # Inside of the output, so that contents of any size are renamed and not copied.
    store = os.path.join(os.path.abspath(folder), _STORE)
    content = ContentStore(store)
    try:
        model = make_model_object(request, content)
        for digest in contents_of(model):
            path = content.path_of(digest)
            assert path is not None
            os.rename(path, os.path.join(folder, digest.hash))
    finally:
        shutil.rmtree(store, ignore_errors=True)
    # Where files lay on this machine must not make two equal objects differ.
    kept = replace(model, observed_files=ObservedFiles())
    Path(folder, _DESCRIPTION).write_bytes(dumps(kept.to_json()))
    return model


def read_model_folder(folder: str) -> ModelObject:
    """The object that `make_model_folder` left in `folder`."""
    return ModelObject.from_json(loads(Path(folder, _DESCRIPTION).read_bytes()))


def contents_of(model: ModelObject) -> tuple[Digest, ...]:
    """The digests of its pickle and storages, each once."""
    return tuple(dict.fromkeys([model.pickle, *(storage.digest for storage in model.storages)]))


class DeclaredContents(ContentStore):
    """A content store over files that stay where they are: inputs of an action, which do not change.

    Nothing is ever written to its root.
    """

    def __init__(self, models: Mapping[str, ModelObject], *, root: str) -> None:
        super().__init__(root)
        self._files = {
            digest: os.path.join(folder, digest.hash)
            for folder, model in models.items()
            for digest in contents_of(model)
        }

    def put_file(self, path: str, digest: Digest, *, move: bool = False) -> None:  # noqa: ARG002 - see the class
        """Remember where the bytes with this digest lie."""
        self._files[digest] = path

    def get_bytes(self, digest: Digest) -> bytes | None:
        """See ContentStore."""
        path = self._files.get(digest)
        data = None if path is None else Path(path).read_bytes()
        return data if data is not None and Digest.of(data) == digest else None

    def path_of(self, digest: Digest) -> str | None:
        """See ContentStore; the bytes are those that Bazel took from the action which made them."""
        return self._files.get(digest)


def undeclared_reads(model: ModelObject, known: Iterable[str]) -> list[str]:
    """The files that the factory read and that lie below none of the `known` folders."""
    prefixes = tuple(os.path.join(folder, "") for folder in known)
    return [path for path in model.observed_files.read if not path.startswith(prefixes)]
