"""The cache of evaluated BUILD files: what each declared, by everything that its evaluation looked at."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.core.json_codec import from_json, to_json
from hermpkg_build.core.target import BuildFile
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import LabelError
from hermpkg_build.loading.build_file_codec import decode_build_file, encode_build_file
from hermpkg_build.loading.bzl_labels import bzl_path
from hermpkg_build.loading.glob import GlobCall, GlobError
from hermpkg_build.loading.packages import Packages
from hermpkg_build.loading.rules import RULES_VERSION

if TYPE_CHECKING:
    from hermpkg_build.disk.source_tree import SourceTree
    from hermpkg_build.store.action_cache import ActionCache


@dataclass(frozen=True, slots=True, kw_only=True)
class BzlLoad:
    """A load statement of a file of `package`: `label` is the file at the workspace path `path`."""

    JSON_ARRAY: ClassVar = True

    package: str
    label: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedFile:
    """A BUILD file, all load statements behind it, and its globs with their results."""

    build_file: BuildFile
    loads: tuple[BzlLoad, ...]
    globs: Mapping[GlobCall, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _LookedAt:
    """What the evaluation of a BUILD file looked at besides its text."""

    loads: tuple[BzlLoad, ...]
    globs: tuple[GlobCall, ...]


class EvaluationCache:
    """Evaluated files in an action cache, found in two steps.

    Which .bzl files and globs a BUILD file looks at is known only once it has been evaluated. So the digest
    of its text leads to those that it looked at the last time, and their digests and results as they are
    now lead to what it declares. A load or a glob that fails now is a miss.
    """

    def __init__(self, cache: ActionCache, root: str, tree: SourceTree, packages: Packages) -> None:
        self._cache = cache
        self._root = root
        self._tree = tree
        self._packages = packages

    def get(self, package: str, path: str) -> BuildFile | None:
        """Return what the BUILD file at `path` declares, if that is known."""
        try:
            text_key = self._text_key(package, path)
            seen = self._cache.get(text_key)
            if seen is None:
                return None
            looked = from_json(_LookedAt, seen.facts)
            if any(
                bzl_path(load.label, load.package, self._packages, self._tree) != load.path
                for load in looked.loads
            ):
                return None
            globs = {call: self._packages.glob(package, call) for call in looked.globs}
            known = self._cache.get(self._full_key(text_key, looked.loads, globs))
            return None if known is None else decode_build_file(known.facts)
        except (LabelError, GlobError, OSError):
            return None
        except (KeyError, TypeError, ValueError, AttributeError):
            _log_damaged(path)
            return None

    def put(self, file: EvaluatedFile) -> None:
        """Keep an evaluated file. Raises LocalEnvironmentError where the cache cannot be written."""
        from hermpkg_build.store.action_cache import ActionResult

        text_key = self._text_key(file.build_file.package, file.build_file.path)
        looked = _LookedAt(loads=file.loads, globs=tuple(file.globs))
        full_key = self._full_key(text_key, file.loads, file.globs)
        self._cache.put(full_key, ActionResult(outputs={}, facts=encode_build_file(file.build_file)))
        self._cache.put(text_key, ActionResult(outputs={}, facts=to_json(looked)))

    def _text_key(self, package: str, path: str) -> Digest:
        digest = str(self._digest(path))
        return fingerprint(["what a BUILD file looks at", RULES_VERSION, package, path, digest])

    def _full_key(
        self, text_key: Digest, loads: Sequence[BzlLoad], globs: Mapping[GlobCall, Sequence[str]]
    ) -> Digest:
        return fingerprint(
            [
                "what a BUILD file declares",
                str(text_key),
                [[to_json(load), str(self._digest(load.path))] for load in loads],
                [[to_json(call), list(names)] for call, names in globs.items()],
            ]
        )

    def _digest(self, path: str) -> Digest:
        return self._tree.digest(os.path.join(self._root, path))


def _log_damaged(path: str) -> None:
    import logging

    logging.getLogger(__name__).info("the cache entry for %s is damaged, treated as a miss", path)
