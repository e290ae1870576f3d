"""``init``: projects of many shapes become workspaces whose artifacts run elsewhere."""

from __future__ import annotations

import shutil
import sys
import zipfile

import pytest

from hermpkg_build import PackageImporter
from tests.e2e.project_shapes import SHAPES, TORCH


@pytest.fixture
def project(tmp_path, make_workspace):
    """Makes the project of a shape, with its own cache."""

    def make(shape):
        made = make_workspace(tmp_path / shape.folder, tmp_path / "cache")
        for path, text in shape.files.items():
            made.write(path, text)
        if "weights.pt" in shape.words:
            save_weights(made)
        return made

    return make


def save_weights(workspace):
    import torch

    torch.save({"inner.weight": torch.eye(3), "inner.bias": torch.zeros(3)}, workspace.root / "weights.pt")


@pytest.mark.parametrize("name", SHAPES)
def test_a_project_becomes_a_workspace_in_one_call(project, tmp_path, name):
    shape = SHAPES[name]
    made = project(shape)
    before = shape.files.get("pyproject.toml", "")
    outcome = made.run("init", shape.factory, *shape.words)
    assert outcome.code == 0, outcome.stdout + outcome.stderr
    assert "warning" not in outcome.stderr
    assert outcome.stdout.endswith(
        f"from now on:\n  hermpkg //:{shape.name}\n  hermpkg test //:{shape.name}_test\n"
    )
    settings = (made.root / "pyproject.toml").read_text()
    assert settings.startswith(before)
    assert f"[tool.hermpkg]\nsource-roots = {shape.roots}\n" in settings

    again = made.run("init", shape.factory, *shape.words)
    assert again.code == 2, again.stderr
    built = made.build(f"//:{shape.name}")
    assert built.target["status"] == "up-to-date"

    artifact = shutil.copy(made.root / built.target["path"], tmp_path / "moved.pt")
    shutil.rmtree(made.root)
    with zipfile.ZipFile(artifact) as archive:
        records = {record.partition("/")[2] for record in archive.namelist()}
    assert {*shape.packed} <= records
    assert records.isdisjoint(shape.absent)
    with PackageImporter(artifact) as importer:
        model = importer.load_pickle("model", "model.pkl")
        if "torch" in sys.modules and TORCH in "".join(shape.files.values()):
            assert model.inner.weight.shape[0] in (2, 3)
        else:
            assert model("you").lower() in ("hello you", "héllo you")
