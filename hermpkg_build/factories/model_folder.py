"""Model objects as folders: the outputs of an action that makes one elsewhere, for actions that use it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hermpkg_build.core.canonical_json import dumps, loads
from hermpkg_build.core.json_codec import from_json, to_json
from hermpkg_build.dataclass import replace
from hermpkg_build.factories.make import make_model_object
from hermpkg_build.factories.request import ModelObject, ModelRequest, ObservedFiles
from hermpkg_build.store.content import ContentStore

DESCRIPTION = "model.json"
_STORE = ".store"


def make_model_folder(request: ModelRequest, folder: str) -> ModelObject:
    """Run the factory; leave its object in `folder`, each content in a file named by its hash.

    Raises what `make_model_object` raises.
    """
    # Inside the output, so that contents of any size are renamed and not copied.
    store = os.path.join(os.path.abspath(folder), _STORE)
    content = ContentStore(store)
    try:
        model = make_model_object(request, content)
        for digest in model.contents:
            path = content.path_of(digest)
            assert path is not None
            os.rename(path, os.path.join(folder, digest.hash))
    finally:
        shutil.rmtree(store, ignore_errors=True)
    # Where files lay on this machine must not make two equal objects differ.
    described = replace(model, observed_files=ObservedFiles())
    Path(folder, DESCRIPTION).write_bytes(dumps(to_json(described)))
    return model


def read_model_folder(folder: str) -> ModelObject:
    """The object that `make_model_folder` left in `folder`."""
    return from_json(ModelObject, loads(Path(folder, DESCRIPTION).read_bytes()))
