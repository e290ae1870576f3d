"""Tensors, TorchScript and graph modules in packages."""

import io
import os
import pickle
import subprocess
import sys
import types
import zipfile

import pytest

torch = pytest.importorskip("torch")

from hermpkg_build import PackageExporter, PackageImporter, PackagingError, sys_importer  # noqa: E402
from hermpkg_build.errors import LocalEnvironmentError  # noqa: E402
from hermpkg_build.exporter.destination import FileDestination, MemoryRoom  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:TypedStorage is deprecated")


def storages_of(records: dict[str, bytes]) -> list[str]:
    return sorted(name for name in records if name.endswith(".storage"))


def test_storages_are_numbered_in_order_and_shared_by_pickles(project):
    base = torch.arange(6.0)
    other = torch.ones(3, dtype=torch.int64)

    def save(exporter):
        exporter.save_pickle("t", "a.pkl", [base[:2], base[2:]])
        exporter.save_pickle("t", "b.pkl", [other, base])

    records = project.records(save)
    assert storages_of(records) == [".data/0.storage", ".data/1.storage"]
    assert records[".data/0.storage"] == base.numpy().tobytes()
    assert records[".data/1.storage"] == other.numpy().tobytes()
    importer = PackageImporter(io.BytesIO(project.exported), check="off")
    first, second = importer.load_pickle("t", "a.pkl"), importer.load_pickle("t", "b.pkl")
    second[1].zero_()
    assert not first[0].any()
    assert torch.equal(second[0], other)


NO_ROOM = MemoryRoom(one=0, all_together=0)


@pytest.mark.parametrize("room", [FileDestination.room, NO_ROOM])
def test_tensors_are_saved_as_they_were(project, monkeypatch, tmp_path, room):
    monkeypatch.setattr(FileDestination, "room", room)
    tensor, empty = torch.arange(1000.0), torch.empty(0)
    path = tmp_path / "t.pt"
    with PackageExporter(path) as exporter:
        exporter.save_pickle("t", "a.pkl", [tensor, empty])
        tensor.zero_()
        exporter.save_pickle("t", "b.pkl", torch.ones(5))
        assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == []
    loaded = PackageImporter(path, verify="all").load_pickle("t", "a.pkl")
    assert torch.equal(loaded[0], torch.arange(1000.0))
    assert loaded[1].shape == (0,)


def test_a_tensor_for_which_there_was_no_room_can_be_saved_again(tmp_path, monkeypatch):
    monkeypatch.setattr(FileDestination, "room", NO_ROOM)
    folder = tmp_path / "out"
    folder.mkdir()
    tensor = torch.arange(3)
    with PackageExporter(folder / "t.pt") as exporter:
        folder.rmdir()
        with pytest.raises(LocalEnvironmentError, match="no room for tensors"):
            exporter.save_pickle("t", "t.pkl", tensor)
        folder.mkdir()
        exporter.save_pickle("t", "t.pkl", tensor)
    assert torch.equal(PackageImporter(folder / "t.pt").load_pickle("t", "t.pkl"), tensor)


def test_temporaries_do_not_share_storages(project):
    importer = project.load(
        lambda e: [e.save_pickle("t", f"{i}.pkl", torch.full((4,), float(i))) for i in range(50)]
    )
    for number in range(50):
        assert torch.equal(importer.load_pickle("t", f"{number}.pkl"), torch.full((4,), float(number)))


def scripted():
    torch.manual_seed(0)
    return torch.jit.script(torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Tanh()))


@pytest.mark.parametrize("script_first", [True, False])
def test_torchscript_shares_storages_with_eager_tensors(project, script_first):
    module = scripted()
    weight = module[0].weight
    extra = torch.ones(7)

    def save(exporter):
        if script_first:
            exporter.save_pickle("m", "s.pkl", module)
        exporter.save_pickle("m", "e.pkl", {"w": weight, "extra": extra})
        if not script_first:
            exporter.save_pickle("m", "s.pkl", module)

    records = project.records(save)
    assert len(storages_of(records)) == 3  # weight, bias, extra
    importer = PackageImporter(io.BytesIO(project.exported), check="off")
    eager = importer.load_pickle("m", "e.pkl")
    assert torch.equal(eager["w"], weight)
    assert torch.equal(eager["extra"], extra)
    x = torch.ones(2, 3)
    assert torch.equal(importer.load_pickle("m", "s.pkl")(x), module(x))


def test_torchscript_gives_the_same_bytes_and_no_place_of_this_machine(project):
    module = scripted()
    one, other = (project.export(lambda e: e.save_pickle("m", "s.pkl", [module, module])) for _ in range(2))
    assert one == other
    assert b"site-packages" not in one
    assert not any("debug_pkl" in name for name in project.records(lambda e: e.save_pickle("m", "s", module)))


_SCRIPTED = """
import sys, torch
from hermpkg_build import PackageExporter
with PackageExporter(sys.argv[1]) as exporter:
    exporter.save_pickle("m", "m.pkl", torch.jit.script(torch.nn.Conv2d(2, 2, 1)))
"""


def test_torchscript_of_two_processes_has_the_same_code(tmp_path, project):
    sources = []
    for seed in ("1", "2", "3"):
        out = tmp_path / f"{seed}.pt"
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", _SCRIPTED, str(out)], env=environment, check=True)
        with zipfile.ZipFile(out) as archive:
            assert archive.testzip() is None
            (name,) = [name for name in archive.namelist() if name.endswith("conv.py")]
            sources.append(archive.read(name))
        assert (
            PackageImporter(out, verify="all").load_pickle("m", "m.pkl")(torch.ones(1, 2, 3, 3)).numel() == 18
        )
    assert sources[0].count(b"Final[") > 2
    assert sources[1:] == sources[:1] * 2


def test_torchscript_can_be_exported_again(project):
    module = scripted()
    first = project.load(lambda e: e.save_pickle("m", "s.pkl", module))
    again = first.load_pickle("m", "s.pkl")
    second = project.load(lambda e: e.save_pickle("m", "s.pkl", again), importer=(first, sys_importer))
    x = torch.ones(2, 3)
    assert torch.equal(second.load_pickle("m", "s.pkl")(x), module(x))


@pytest.mark.parametrize("opened_with", [PackageImporter, torch.package.PackageImporter])
def test_one_class_of_torchscript_in_several_shapes(project, opened_with):
    """Torch names the code of the second ``linear/___torch_mangle_0.py``, beside ``linear.py``."""
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2, bias=False)).eval()
    traced = torch.jit.trace(module, torch.ones(1, 2))
    records = project.records(lambda e: e.save_pickle("m", "m.pkl", [traced]))
    assert any("___torch_mangle" in name for name in records)
    (loaded,) = opened_with(io.BytesIO(project.exported)).load_pickle("m", "m.pkl")
    assert torch.equal(loaded(torch.ones(3, 2)), module(torch.ones(3, 2)))


@pytest.mark.parametrize("opened_with", [PackageImporter, torch.package.PackageImporter])
def test_a_graph_module_that_holds_its_own_graph(project, opened_with):
    graph = torch.fx.symbolic_trace(torch.nn.Linear(2, 2))
    graph.train_graph, graph.eval_graph = graph.graph, torch.fx.symbolic_trace(torch.nn.Linear(2, 2)).graph
    project.export(lambda e: (e.extern("**"), e.save_pickle("m", "m.pkl", [graph, graph.train_graph])))
    loaded, kept = opened_with(io.BytesIO(project.exported)).load_pickle("m", "m.pkl")
    assert torch.equal(loaded(torch.ones(3, 2)), graph(torch.ones(3, 2)))
    assert loaded.train_graph is kept
    assert [node.op for node in kept.nodes] == [node.op for node in graph.graph.nodes]
    assert len(loaded.eval_graph.nodes) == len(graph.eval_graph.nodes)


def test_graph_modules_of_own_modules(project):
    project.module(
        "net",
        """\
        import torch
        class Leaf(torch.nn.Module):
            def forward(self, x):
                return x + 1
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.leaf = Leaf()
                self.fc = torch.nn.Linear(3, 3)
            def forward(self, x):
                return helper(self.leaf(self.fc(x)))
        def helper(x):
            return x * 2
        torch.fx.wrap("helper")
        """,
    )
    import net

    traced = torch.fx.symbolic_trace(net.Net())

    def save(exporter):
        exporter.intern("net")
        exporter.save_pickle("m", "a.pkl", traced)
        exporter.save_pickle("m", "b.pkl", traced)

    importer = project.load(save)
    x = torch.ones(1, 3)
    loaded = importer.load_pickle("m", "a.pkl")
    assert torch.equal(loaded(x), traced(x))
    assert importer.file_structure().has_file("fx-generated/_0.py")
    assert not importer.file_structure().has_file("fx-generated/_1.py")
    second = project.load(
        lambda e: (e.intern("net"), e.save_pickle("m", "a.pkl", loaded)), importer=(importer, sys_importer)
    )
    assert torch.equal(second.load_pickle("m", "a.pkl")(x), traced(x))


def test_torch_is_extern_without_a_word(project):
    exporter = PackageExporter(io.BytesIO())
    exporter.save_pickle("m", "m.pkl", torch.nn.Linear(2, 2))
    assert "torch" in {name.partition(".")[0] for name in exporter.externed_modules()}
    exporter.close()


def test_what_torch_saves_for_an_object_was_saved_where_the_object_was(project):
    project.module("ops", "def double(x):\n    return x * 2\n")
    import ops
    import torch.fx

    graph = torch.fx.Graph()
    graph.output(graph.call_function(ops.double, (graph.placeholder("x"),)))
    module = torch.fx.GraphModule(torch.nn.Module(), graph)
    with pytest.raises(PackagingError) as caught:
        project.export(lambda e: e.save_pickle("m", "m.pkl", module))
    chains = [broken.chain for broken in caught.value.broken if broken.module == "ops"]
    assert chains[0][0] == "save_source_string"
    assert __file__ in chains[0][1]


def test_an_exported_program_is_refused_with_its_path_and_the_way_to_save_it(project):
    program = torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),))
    with pytest.raises(
        pickle.PicklingError, match=r"m\.program: a pickle has not all .* torch\.export\.save"
    ):
        project.export(
            lambda e: (e.extern("**"), e.save_pickle("m", "m.pkl", types.SimpleNamespace(program=program)))
        )
