"""Whatever is removed from the cache, a build gives the same bytes; also while other builds run."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hermpkg_build.engine.build import build_targets
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.opening import open_build
from hermpkg_build.engine.results import BuildRequest
from hermpkg_build.loading.workspace import find_workspace
from hermpkg_build.store.content import SEALED_NS, ContentStore
from hermpkg_build.store.pruning import prune_cache

BUILD = """
load("@hermpkg//rules:defs.bzl", "intern", "model", "model_package", "python_modules")
python_modules(name = "modules", srcs = glob(["**/*.py"]))
model(name = "made", factory = "pkg.b:make", deps = [":modules"])
model_package(
    name = "one",
    models = {"model/model.pkl": ":made"},
    deps = [":modules"],
    modules = ["pkg.a"],
    policy = [intern("pkg.**")],
    resources = {"pkg/r.txt": "r.txt"},
)
"""


class Place:
    """A workspace with a package and its model, built once, with a copy of the cache as that left it."""

    def __init__(self, folder: Path) -> None:
        self.root, self.cache, self.kept = folder / "w", folder / "cache", folder / "kept"
        for path, text in {
            "pyproject.toml": "[tool.hermpkg]\n",
            "pkg/BUILD": BUILD,
            "pkg/a.py": "import pkg.b\n",
            "pkg/b.py": "class Thing: pass\ndef make(): return [Thing(), 'x' * 100]\n",
            "pkg/__init__.py": "",
            "pkg/r.txt": "text",
        }.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)
        self.digest = self.build()
        shutil.copytree(self.cache, self.kept)

    def build(self) -> str:
        """Build without the outputs and notes of an earlier build; the digest of the artifact."""
        shutil.rmtree(self.root / "hermpkg-out", ignore_errors=True)
        request = BuildRequest(patterns=("//...",), directory=str(self.root))
        with open_build(find_workspace(str(self.root)), request, str(self.cache), BuildObserver()) as opened:
            (target,) = [target for target in build_targets(opened).targets if target.path]
        data = (self.root / target.path).read_bytes()
        assert hashlib.sha256(data).hexdigest() == target.sha256
        return target.sha256

    def restore(self) -> list[Path]:
        """Put the cache back as it was; the files in it."""
        shutil.rmtree(self.cache)
        shutil.copytree(self.kept, self.cache)
        return sorted(path for path in self.cache.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("loss"))


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_build_after_any_deletion_gives_the_same_bytes(place: Place, data: st.DataObject) -> None:
    files = place.restore()
    assert len(files) > 3
    gone = data.draw(st.sets(st.sampled_from(range(len(files)))))
    for number in gone:
        files[number].unlink()
    assert place.build() == place.digest
    assert place.build() == place.digest, "what the second build recalls is right too"


def test_a_build_after_pruning_gives_the_same_bytes(place: Place) -> None:
    place.restore()
    assert prune_cache(str(place.cache), max_bytes=0).removed_entries
    assert place.build() == place.digest


def test_a_build_while_the_cache_is_pruned_gives_the_same_bytes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each look into the cache, all that a process which holds nothing may remove is removed."""
    for path in place.restore():
        os.utime(path, ns=(SEALED_NS - 1, path.stat().st_mtime_ns))
    pruned = 0
    really = ContentStore.path_of

    def prune_first(store: ContentStore, digest: object) -> str | None:
        nonlocal pruned
        pruned += prune_cache(str(place.cache), max_bytes=0).removed_entries
        return really(store, digest)  # type: ignore[arg-type]

    monkeypatch.setattr(ContentStore, "path_of", prune_first)
    assert place.build() == place.digest
    assert pruned
    assert os.path.isdir(place.cache)
