"""Tensors of an artifact whose digest counts are of the bytes that were hashed, whatever their size."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from hermpkg_build import PackageExporter, PackageImporter
from hermpkg_build.archive.reader import COPIED
from hermpkg_build.errors import ArchiveError
from hermpkg_build.inspection.policies import smallest_policy
from hermpkg_build.trust.policy import TrustPolicy, TrustRule

COUNT = COPIED // 4 + 100_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of an artifact that is mapped where nothing forbids it."""
    path = tmp_path_factory.mktemp("large") / "large.pt"
    with PackageExporter(str(path)) as exporter:
        exporter.extern("torch.**")
        exporter.save_pickle("m", "m.pkl", {"w": torch.full((COUNT,), 1.5)})
    return path.read_bytes()


def write_over(path: Path) -> None:
    """Change a number in the middle, in place."""
    with open(path, "r+b") as file:
        file.seek(COPIED // 2)
        file.write(torch.full((8,), 2.5).numpy().tobytes())


@pytest.mark.parametrize("way", ["load_pickle", "load_tensors"])
def test_what_is_written_in_place_raises(large: bytes, tmp_path: Path, way: str) -> None:
    path = tmp_path / "large.pt"
    path.write_bytes(large)
    rule = TrustRule(sha256=hashlib.sha256(large).hexdigest(), externs={"torch.**": "*"})
    with PackageImporter(path, trust=TrustPolicy(rules=[rule])) as importer:
        load = getattr(importer, way)
        before = load("m", "m.pkl")["w"]
        write_over(path)
        with pytest.raises(ArchiveError, match="written over or replaced"):
            load("m", "m.pkl")
        assert torch.equal(before, torch.full((COUNT,), 1.5))


def test_control_without_a_digest_they_are_mapped(large: bytes, tmp_path: Path) -> None:
    path = tmp_path / "large.pt"
    path.write_bytes(large)
    rule = TrustRule(externs={"torch.**": "*"})
    with PackageImporter(path, trust=TrustPolicy(rules=[rule])) as importer:
        before = importer.load_pickle("m", "m.pkl")["w"]
        write_over(path)
        assert not torch.equal(before, torch.full((COUNT,), 1.5))


def test_weights_need_no_permission_but_for_torch(large: bytes, tmp_path: Path) -> None:
    path = tmp_path / "large.pt"
    path.write_bytes(large)
    rule = smallest_policy(str(path), any_digest=True).rule
    assert rule == TrustRule(artifacts="large.pt", externs={"torch.**": "*"})
