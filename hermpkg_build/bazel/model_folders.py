"""The contents of model objects that other actions made, and the undeclared files that a factory read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from hermpkg_build.core.digest import Digest
from hermpkg_build.factories.request import ModelObject


class DeclaredContents:
    """Contents in files that stay where they are: inputs of an action, which do not change.

    `models` are the model objects by the folder that each lies in. The bytes are those that Bazel took
    from the action which made them, so that they are hashed only where they are read.
    """

    def __init__(self, models: Mapping[str, ModelObject]) -> None:
        self._files = {
            digest: os.path.join(folder, digest.hash)
            for folder, model in models.items()
            for digest in model.contents
        }

    def get_bytes(self, digest: Digest) -> bytes | None:
        """See `Contents`."""
        path = self._files.get(digest)
        data = None if path is None else Path(path).read_bytes()
        return data if data is not None and Digest.of(data) == digest else None

    def path_of(self, digest: Digest) -> str | None:
        """See `Contents`."""
        return self._files.get(digest)

    def put_file(self, path: str, digest: Digest) -> None:
        """See `Contents`; the file stays where it is."""
        self._files[digest] = path


def undeclared_reads(model: ModelObject, known: Iterable[str]) -> list[str]:
    """The files that the factory read and that lie below none of the `known` folders."""
    prefixes = tuple(os.path.join(folder, "") for folder in known)
    return [path for path in model.observed_files.read if not path.startswith(prefixes)]
