"""What BUILD files declared, kept whole for builds before which none of them nor a folder has changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from hermpkg_build.core.target import BuildFile
from hermpkg_build.loading.build_file_codec import decode_build_file, encode_build_file
from hermpkg_build.loading.rules import RULES_VERSION


class DeclaredFiles:
    """BUILD files by package, of which a build has found no target wrong that it depended on.

    They become targets when they are asked for.
    """

    def __init__(self, encoded: Mapping[str, Any]) -> None:
        self._encoded = encoded

    @classmethod
    def from_bytes(cls, data: bytes) -> DeclaredFiles | None:
        """Return the files that `declared_bytes` were made of; None where other rules have declared them.

        Raises ValueError, TypeError and KeyError for anything else.
        """
        version, files = json.loads(data)
        return cls({file["package"]: file for file in files}) if version == RULES_VERSION else None

    def paths(self) -> dict[str, str | None]:
        """Return the workspace paths of the files, by package."""
        return {package: file["path"] for package, file in self._encoded.items()}

    def __contains__(self, package: object) -> bool:
        return package in self._encoded

    def file(self, package: str) -> BuildFile:
        """Return the file of a package that is there."""
        return decode_build_file(self._encoded[package])


def declared_bytes(files: Iterable[BuildFile]) -> bytes:
    """Return BUILD files as bytes."""
    return json.dumps([RULES_VERSION, [encode_build_file(file) for file in files]]).encode()
