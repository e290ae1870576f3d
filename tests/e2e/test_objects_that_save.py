"""Objects in the models of BUILD files that reduce themselves for packages, as an exporter's objects may."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from hermpkg_build import PackageImporter
from hermpkg_build.archive.reader import ArchiveReader

BUILD = """
python_modules(name = "modules", srcs = glob(["*.py"]))
"""
MODEL = """
model(name = "{name}_object", factory = "app.things:{name}", deps = [":modules"])
"""
PACKAGE = """
model_package(
    name = "{name}",
    models = {models},
    policy = [intern("app.**", exclude = "app.extra", allow_empty = True), extern("**")],
    deps = [":modules"],
)
"""
THINGS = """
    from app.words import greeting

    def again(importer, name):
        thing = Thing(None)
        thing.text = importer.load_text("saved", name)
        return thing

    class Thing:
        def __init__(self, text):
            self.text = text
        def __reduce_package__(self, exporter):
            name = f"{exporter.get_unique_id()}.txt"
            exporter.save_text("saved", name, self.text)
            return again, (name,)

    class Busy:
        name = "all.bin"
        def __init__(self, data=b"bytes"):
            self.data = data
        def __reduce_package__(self, exporter):
            exporter.save_binary("saved", self.name, self.data)
            exporter.save_pickle("saved", "inner.pkl", [Thing("inside"), greeting])
            exporter.save_source_string("made.code", "from app.extra import ANSWER\\nanswer = lambda: ANSWER")
            exporter.save_source_string("made.alone", "import nowhere", dependencies=False)
            exporter.save_source_string("made.folder", "from made.folder.part import one", is_package=True)
            exporter.save_source_string("made.folder.part", "one = 1")
            exporter.save_module("app.extra")
            exporter.add_dependency("json.tool")
            return at_last, ("made.code",)

    def at_last(importer, module):
        found = importer.load_pickle("saved", "inner.pkl")
        from_folder = importer.import_module("made.folder").one
        return importer.import_module(module).answer(), [found[0].text, found[1]()], from_folder

    class Other(Busy):
        def __reduce_package__(self, exporter):
            exporter.save_binary("saved", self.name, self.data)
            return dict, ()

    class Choosy:
        def __reduce_package__(self, exporter):
            exporter.extern("numpy")

    def deep():
        thing = Thing("one")
        return {"list": [(thing,), {"two": Thing("two")}], "again": thing, "set": {thing, Thing("three")}}

    def busy():
        return [Busy()]

    def same():
        return Other()

    def clash():
        return Other(b"others")

    def choosy():
        return {"a": [Choosy()]}
"""


@pytest.fixture
def things(workspace: Any) -> Any:
    workspace.write("pyproject.toml", "[tool.hermpkg]\n")
    workspace.write("app/__init__.py", "")
    workspace.write("app/words.py", "def greeting():\n    return 'hello'\n")
    workspace.write("app/extra.py", "ANSWER = 42\n")
    workspace.write("app/things.py", THINGS)
    return workspace


def declare(things: Any, **packages: list[str]) -> None:
    """Declare a `model_package` of each name, with the models of these factories."""
    factories = dict.fromkeys(name for names in packages.values() for name in names)
    text = BUILD + "".join(MODEL.format(name=name) for name in factories)
    for package, names in packages.items():
        models = {f"model/{name}.pkl": f":{name}_object" for name in names}
        text += PACKAGE.format(name=package, models=repr(models).replace("'", '"'))
    things.build_file(text)


def test_what_objects_save_is_packed_with_all_that_it_needs(things: Any) -> None:
    declare(things, both=["busy", "deep", "same"], all=["deep"])
    outcome = things.build("//app:both", "//app:all")
    assert outcome.code == 0, outcome.stderr
    path = str(things.root / "hermpkg-out/app/both.pt")
    with PackageImporter(path) as importer:
        assert importer.load_pickle("model", "busy.pkl") == [(42, ["inside", "hello"], 1)]
        found = importer.load_pickle("model", "deep.pkl")
        assert found["list"][0][0] is found["again"]
        assert found["again"] in found["set"]
        assert {thing.text for thing in found["set"]} == {"one", "three"}
        assert found["list"][1]["two"].text == "two"
    with ArchiveReader(path) as archive:
        assert b"json.tool" in archive.read(".data/extern_modules").split()
        assert "made/alone.py" in archive.names()
    assert things.run("verify", path).code == 0
    # Names are those of the targets, so that what a model saves is the same in every artifact.
    with ArchiveReader(path) as one, ArchiveReader(str(things.root / "hermpkg-out/app/all.pt")) as other:
        texts = {name for name in other.names() if name.startswith("saved/")}
        assert texts <= set(one.names())
        assert len(texts) == 3
    assert things.build("//app:both").statuses == {"//app:both": "up-to-date"}
    things.run("clean")
    again = things.build("//app:both").target
    assert again["sha256"] == outcome.json["targets"][0]["sha256"]


def test_two_models_that_save_other_bytes_under_one_name(things: Any) -> None:
    declare(things, both=["busy", "clash"])
    outcome = things.run("//app:both")
    assert outcome.code == 1
    assert "two parts of the artifact have one name" in outcome.stderr
    assert "saved/all.bin" in outcome.stderr


def test_policies_are_the_build_files(things: Any) -> None:
    declare(things, bad=["choosy"])
    outcome = things.run("//app:bad")
    assert outcome.code == 1
    assert 'model["a"][0]' in outcome.stderr
    assert "policies of modules are in the model_package()" in outcome.stderr


NETS = """
    import torch
    import torch.fx
    from app.words import scale

    torch.fx.wrap("scale")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 2)
        def forward(self, x):
            return scale(self.layer(x))

    def first():
        return torch.nn.Linear(2, 2)

    def shared():
        net = Net()
        graph = torch.fx.symbolic_trace(net)
        graph.whole = graph.graph
        scripts = torch.nn.Sequential(net.layer, torch.nn.Linear(2, 2, bias=False))
        return {"graph": graph, "script": torch.jit.script(scripts), "net": net}

    def script():
        return torch.jit.script(torch.nn.ReLU())
"""
USE = """
import sys
import torch
from hermpkg_build import PackageImporter
importer = PackageImporter(sys.argv[1])
found = importer.load_pickle("model", "shared.pkl")
x = torch.ones(1, 2)
assert torch.equal(found["graph"](x), found["net"](x))
assert torch.equal(found["script"](x), getattr(found["script"], "1")(found["net"].layer(x)))
found["net"].layer.weight.data.fill_(1)
assert torch.equal(getattr(found["script"], "0").weight, torch.ones(2, 2))
assert importer.load_pickle("model", "first.pkl")(x).shape == (1, 2)
"""


def test_graphs_and_torchscript_share_weights_with_the_rest(things: Any, tmp_path: Any) -> None:
    pytest.importorskip("torch")
    things.write("app/words.py", "def scale(x):\n    return x * 2\n")
    things.write("app/things.py", NETS)
    declare(things, nets=["first", "shared"], two=["script", "shared"])
    outcome = things.run("-k", "//app:nets", "//app:two")
    assert outcome.code == 1
    assert "TorchScript of one model only" in outcome.stderr
    (tmp_path / "app").mkdir()
    (tmp_path / "app/words.py").write_text("def scale(x):\n    return x * 1000\n")
    path = str(things.root / "hermpkg-out/app/nets.pt")
    subprocess.run([sys.executable, "-c", USE, path], check=True, cwd=tmp_path)
