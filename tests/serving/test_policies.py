"""Pools under a policy of a digest: all workers use what was judged, which is in memory once."""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from hermpkg_build import HermpkgError, PackageExporter
from hermpkg_build.serving import Pool
from hermpkg_build.trust.policy import TrustPolicy, TrustRule

pytestmark = [
    pytest.mark.usefixtures("warm_torch"),
    pytest.mark.skipif(sys.platform != "linux", reason="memory is told by Linux only"),
]

SIZE = 32 << 20
WEIGHT = ("model", "weight.pkl")
SOURCE = """
def own():
    # The bytes that only this process has.
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("Anonymous:"))
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policies é") / "large.pt"
    with PackageExporter(str(path)) as exporter:
        exporter.extern("**")
        exporter.save_source_string("app", SOURCE)
        exporter.save_pickle(*WEIGHT, torch.ones(SIZE // 4))
    return path


def policy_for(path: Path) -> TrustPolicy:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return TrustPolicy(rules=[TrustRule(sha256=digest, allow_all=True)])


@pytest.mark.parametrize("kind", ["no policy", "a digest", "a digest of a folder"])
def test_workers_have_no_copies_of_the_weights(artifact, tmp_path, kind):
    policy = None if kind == "no policy" else policy_for(artifact)
    path = artifact
    if kind == "a digest of a folder":
        with zipfile.ZipFile(artifact) as file:
            file.extractall(tmp_path)
        (path,) = tmp_path.iterdir()
    with Pool(path, 2, load=["app:own"], trust=policy) as pool:
        for worker in range(2):
            before = pool.bind("app:own", worker=worker)()
            assert pool.bind(WEIGHT, method="sum", worker=worker)().item() == SIZE // 4
            after = pool.bind("app:own", worker=worker)()
            assert after - before < SIZE // 2


def test_what_is_written_into_the_file_shows_in_no_worker(artifact, tmp_path):
    path = tmp_path / "large.pt"
    data = artifact.read_bytes()
    path.write_bytes(data)
    with Pool(path, 1, load=["app:own"], trust=policy_for(path)) as pool:
        with path.open("r+b") as file:
            file.write(bytes(len(data)))
        assert pool.call(WEIGHT, method="sum").item() == SIZE // 4
        path.write_bytes(b"")
        assert pool.call(WEIGHT, method="sum").item() == SIZE // 4
        # Another opener would open what is there now.
        with pytest.raises(HermpkgError):
            pool.swap()
        assert pool.call(WEIGHT, method="sum").item() == SIZE // 4


def test_a_file_with_another_digest_is_refused(artifact, tmp_path):
    path = tmp_path / "large.pt"
    data = bytearray(artifact.read_bytes())
    data[data.index(b"\0\0\x80?" * 100)] ^= 1
    path.write_bytes(data)
    with pytest.raises(HermpkgError):
        Pool(path, 1, trust=policy_for(artifact))
    assert os.path.getsize(path) == len(data)
