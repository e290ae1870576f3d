"""Every example builds, passes its test, and opens with both importers where the originals are hidden."""

import json
import shutil
import subprocess
import sys

import pytest

# Prints what a model gives for an image. With a third word, a top-level module to hide, the model is that
# of the artifact, opened by the importer that the second word names; without, that of the original code
# with the artifact's weights.
OUTPUTS = """
import importlib, json, sys, torch

artifact, importer_module, hidden, factory = sys.argv[1:]

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == hidden:
            raise ModuleNotFoundError(name)

hide = Hide()
sys.meta_path.insert(0, hide)
importer = importlib.import_module(importer_module).PackageImporter(artifact)
if factory:
    module, _, function = factory.partition(":")
    sys.meta_path.remove(hide)
    original = getattr(importlib.import_module(module), function)(json.loads(sys.stdin.read()))
    sys.meta_path.insert(0, hide)
model = importer.load_pickle("model", "model.pkl")
if factory:
    original.load_state_dict(model.state_dict())
    model = original
left = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
with torch.inference_mode():
    if hidden == "kornia":
        found = model({"image0": left, "image1": left.roll(8, 3)})
        print(json.dumps({name: value.tolist() for name, value in sorted(found.items())}))
    else:
        print(json.dumps(model(left.expand(1, 3, 64, 64)).tolist()))
"""

EXAMPLES = [
    ("vision", "//models:resnet", "models", "models.resnet:resnet18", 1000),
    ("matching", "//matching:loftr", "kornia", "matching.factory:loftr", 0.0),
]


@pytest.fixture(scope="module", params=EXAMPLES, ids=[row[0] for row in EXAMPLES])
def built(request, make_workspace, repository, tmp_path_factory):
    """A copy of an example, built; with its facts."""
    name, label, hidden, factory, argument = request.param
    root = tmp_path_factory.mktemp(name) / "a copy"
    shutil.copytree(repository / "examples" / name, root, ignore=shutil.ignore_patterns("hermpkg-out"))
    workspace = make_workspace(root, root.parent / "cache")
    target = workspace.build(label).target
    return workspace, root / target["path"], hidden, factory, argument


def outputs(built, importer_module: str, *, original: bool = False) -> object:
    """What the model gives, as the program above prints it."""
    workspace, artifact, hidden, factory, argument = built
    completed = subprocess.run(
        [sys.executable, "-c", OUTPUTS, artifact, importer_module, hidden, factory if original else ""],
        input=json.dumps(argument),
        cwd=workspace.root if original else workspace.root.parent,
        env=workspace.environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return json.loads(completed.stdout)


@pytest.mark.slow
def test_both_importers_give_what_the_original_gives(built):
    expected = outputs(built, "hermpkg_build", original=True)
    assert outputs(built, "hermpkg_build") == expected
    assert outputs(built, "torch.package") == expected


@pytest.mark.slow
def test_its_package_test_passes(built):
    outcome = built[0].run("test", "//...")
    assert outcome.code == 0, outcome.stderr
    assert "1 of 1 tests passed" in outcome.stdout
    assert built[0].build("//...").ran("make-model") == 0
