"""Every example builds, passes its test, and opens with both importers where the originals are hidden."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from tests.e2e.followed_pages import commands_of

# Prints what models give for an image: that of the artifact, opened by each importer where a top-level module
# is hidden, and that of the original code with the artifact's weights.
OUTPUTS = """
import importlib, json, sys, torch

artifact, hidden, factory, argument = sys.argv[1:]

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == hidden:
            raise ModuleNotFoundError(name)

hide = Hide()
sys.meta_path.insert(0, hide)
models = []
for name in ("hermpkg_build", "torch.package"):
    importer = importlib.import_module(name).PackageImporter(artifact)
    models.append(importer.load_pickle("model", "model.pkl"))
assert hidden not in sys.modules
sys.meta_path.remove(hide)
module, _, function = factory.partition(":")
models.append(getattr(importlib.import_module(module), function)(json.loads(argument)))
models[-1].load_state_dict(models[0].state_dict())
assert len(set(map(type, models))) == 3
left = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
with torch.inference_mode():
    for model in models:
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


@pytest.mark.slow
def test_both_importers_give_what_the_original_gives(built):
    workspace, artifact, hidden, factory, argument = built
    completed = subprocess.run(
        [sys.executable, "-c", OUTPUTS, artifact, hidden, factory, json.dumps(argument)],
        cwd=workspace.root,
        env=workspace.environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    ours, stock, expected = completed.stdout.splitlines()
    assert len(expected) > 100
    assert ours == stock == expected


@pytest.mark.slow
def test_its_package_test_passes(built):
    outcome = built[0].run("test", "//...")
    assert outcome.code == 0, outcome.stderr
    assert "1 of 1 tests passed" in outcome.stdout
    assert built[0].build("//...").ran("make-model") == 0


QUESTIONS = ("inspect", "query", "why")


@pytest.mark.slow
def test_the_questions_that_pages_ask_of_the_vision_model_have_answers(built, repository):
    workspace, artifact, hidden, *_ = built
    if hidden != "models":
        pytest.skip("pages ask of the vision model")
    shutil.copy(artifact, workspace.root / "resnet.pt")
    pages = [*(repository / "docs").rglob("*.md"), repository / "README.md"]
    asked = {tuple(words) for page in pages for words in commands_of(page.read_text(encoding="utf-8"))}
    asked = {
        words
        for words in asked
        if words[0] in QUESTIONS and re.search("resnet|models:layers", " ".join(words))
    }
    assert len(asked) >= 8
    for words in sorted(asked):
        outcome = workspace.run(*words)
        assert outcome.code == 0, f"{words}\n{outcome.stderr}"


FOLLOWED = ("what-is-in-it", "get-the-tensors-out", "when-bytes-differ", "while-you-work", "scan-a-file")
"""How-to guides whose commands are about a model that is there, or a file of it."""

NOT_FOLLOWED = {
    "watch": "has no end",
    "verify --rebuild": "tests/e2e/test_verify_rebuild.py",
}


@pytest.mark.slow
def test_the_commands_of_how_to_guides_work(built, repository):
    workspace, artifact, hidden, *_ = built
    if hidden != "models":
        pytest.skip("pages ask of the vision model")
    for name in ("resnet", "model", "old", "new", "before", "after"):
        (workspace.root / f"{name}.pt").unlink(missing_ok=True)
        shutil.copy(artifact, workspace.root / f"{name}.pt")
    assert workspace.run("lock").code == 0
    ran = 0
    for page in FOLLOWED:
        for words in commands_of((repository / f"docs/how-to/{page}.md").read_text(encoding="utf-8")):
            if words[0] in NOT_FOLLOWED or f"{words[0]} {words[-1]}" in NOT_FOLLOWED:
                continue
            named = [f"{ran}.safetensors" if word == ".." else word for word in words]
            named = [str(workspace.root / "b.json") if word.startswith("/tmp/") else word for word in named]
            outcome = workspace.run(*named, *(["--no-open"] if words[0] == "look" else []))
            assert outcome.code in ({0, 3} if words[0] == "scan" else {0}), f"{words}\n{outcome.stderr}"
            ran += 1
    assert ran >= 15
