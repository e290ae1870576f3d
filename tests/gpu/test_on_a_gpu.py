"""Models on a GPU: packed, loaded, compiled, called from several processes. Skipped where torch sees none.

`make gpu` runs it by the Python that has a torch for the GPU, which needs pytest and packaging besides, and
nothing of the rest of the tests. HERMPKG_TEST_DEVICE=cpu tries the tests themselves.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from hermpkg_build import PackageExporter, PackageImporter, sys_importer

DEVICE = os.environ.get("HERMPKG_TEST_DEVICE", "cuda")

pytestmark = pytest.mark.skipif(
    DEVICE == "cuda" and not torch.cuda.is_available(), reason="torch sees no GPU here"
)

MODEL = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(8, 8)
        self.tied = torch.nn.Linear(8, 8, bias=False)
        self.tied.weight = self.first.weight
        self.register_buffer("numbers", torch.arange(6.0).to(torch.bfloat16))
        self.register_buffer("row", torch.arange(12.0).reshape(3, 4)[1])
        self.register_buffer("eighth", torch.ones(4).to(torch.float8_e4m3fn))

    def forward(self, x):
        return {"y": self.tied(torch.relu(self.first(x))), "numbers": self.numbers.float().sum()}

def make():
    torch.manual_seed(0)
    return Net().eval()

def make_on(device):
    return make().to(device)
"""

TRITON = """
import torch
import triton
import triton.language as tl

@triton.jit
def _doubled(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, 2 * tl.load(x + at, mask=at < n), mask=at < n)

def doubled(x):
    y = torch.empty_like(x)
    _doubled[(triton.cdiv(x.numel(), 128),)](x, y, x.numel(), BLOCK=128)
    return y
"""


def packed(folder: Path, device: str, name: str = "model.pt") -> str:
    """Pack the model from `device`, and return the path of the artifact."""
    source, path = str(folder / "source.pt"), str(folder / name)
    with PackageExporter(source) as exporter:
        exporter.extern("**")
        exporter.save_source_string("app", MODEL)
    with (
        PackageImporter(source) as importer,
        PackageExporter(path, importer=[importer, sys_importer]) as exporter,
    ):
        exporter.intern("app")
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", importer.import_module("app").make().to(device))
    return path


def records(path: str) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def test_a_model_packs_to_the_bytes_of_the_same_on_the_cpu_but_for_its_device(tmp_path: Path) -> None:
    here, there = (records(packed(tmp_path, device, f"{device}.pt")) for device in ("cpu", DEVICE))
    assert here.keys() == there.keys()
    differing = {name for name in here if here[name] != there[name]} - {".data/manifest.json"}
    assert differing == ({"model/model.pkl"} if DEVICE == "cuda" else set())
    assert here["model/model.pkl"].count(b"cpu") == there["model/model.pkl"].count(DEVICE.encode())
    assert records(packed(tmp_path, DEVICE, "again.pt")) == there


@pytest.mark.parametrize("packed_on", ["cpu", DEVICE])
@pytest.mark.parametrize("asked", [None, "cpu", DEVICE, {"cpu": DEVICE}], ids=repr)
def test_it_loads_to_where_it_was_or_is_asked_for(tmp_path: Path, packed_on: str, asked) -> None:
    with PackageImporter(packed(tmp_path, packed_on)) as importer:
        model = importer.load_pickle("model", "model.pkl", map_location=asked)
        tensors = importer.load_tensors("model", "model.pkl", map_location=asked or "cpu")
    reference = {**_reference().state_dict()}
    expected = asked.get(packed_on, packed_on) if isinstance(asked, dict) else asked or packed_on
    assert {value.device.type for value in model.state_dict().values()} == {expected}
    for name, value in model.state_dict().items():
        assert torch.equal(value.cpu().float(), reference[name].float())
        assert torch.equal(tensors[name].cpu().float(), reference[name].float())
    assert model.tied.weight is model.first.weight


def test_a_build_makes_the_same_file_in_the_warm_process_and_anew(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.hermpkg]\n", encoding="utf-8")
    (tmp_path / "BUILD").write_text(
        'load("@hermpkg//rules:defs.bzl", "deny", "intern", "model", "model_package", "python_modules")\n'
        'python_modules(name="modules", srcs=["app.py"])\n'
        f'model(name="net", factory="app:make_on", args={{"device": "{DEVICE}"}}, deps=[":modules"])\n'
        'model_package(name="packed", models={"model/model.pkl": ":net"}, deps=[":modules"],\n'
        '    policy=[intern("app"), deny("**")])\n',
        encoding="utf-8",
    )
    made = []
    for edit, cache in (("", "one"), ("\nEDITED = 1\n", "one"), ("\nEDITED = 1\n", "two")):
        (tmp_path / "app.py").write_text(MODEL + edit, encoding="utf-8")
        out = str(tmp_path / f"{len(made)}.pt")
        words = ["--cache-dir", str(tmp_path / cache), "build", "--out", out, "//:packed"]
        subprocess.run([sys.executable, "-m", "hermpkg_build", *words], cwd=tmp_path, check=True)
        made.append(records(out))
    assert made[0] != made[1] == made[2]
    assert DEVICE.encode() in made[1]["model/model.pkl"]


@pytest.mark.skipif(DEVICE == "cpu", reason="needs Triton's compiler, and a GPU")
def test_packaged_code_compiles_and_kernels_of_packaged_modules_run(tmp_path: Path) -> None:
    with PackageImporter(packed(tmp_path, "cpu")) as importer:
        model = importer.load_pickle("model", "model.pkl", map_location=DEVICE)
        x = torch.randn(4, 8, device=DEVICE)
        assert torch.allclose(torch.compile(model, fullgraph=True)(x)["y"], model(x)["y"], atol=1e-5)
    path = str(tmp_path / "kernel.pt")
    with PackageExporter(path) as exporter:
        exporter.extern("**")
        exporter.save_source_string("kernels", TRITON)
    with PackageImporter(path) as importer:
        x = torch.randn(1000, device=DEVICE)
        assert torch.equal(importer.import_module("kernels").doubled(x), 2 * x)


def test_packages_share_a_device(tmp_path: Path) -> None:
    paths = [packed(tmp_path, "cpu", "one.pt"), packed(tmp_path, DEVICE, "two.pt")]
    importers = [PackageImporter(path) for path in paths]
    models = [each.load_pickle("model", "model.pkl", map_location=DEVICE) for each in importers]
    x = torch.randn(4, 8, device=DEVICE)
    one, two = (model(x)["y"] for model in models)
    assert type(models[0]) is not type(models[1])
    assert torch.equal(one, two)


def test_workers_of_a_pool_share_it_and_answer_on_the_cpu(tmp_path: Path) -> None:
    from hermpkg_build.serving import Batch, Pool

    path, x = packed(tmp_path, "cpu"), torch.randn(4, 8)
    expected = _reference()(x)
    for options in ({"workers": 2}, {"workers": 2, "batch": Batch(size=4)}):
        with Pool(path, device=DEVICE, load=[("model", "model.pkl")], **options) as pool:
            for result in pool.map(("model", "model.pkl"), [x] * 20):
                assert result["y"].device.type == result["numbers"].device.type == "cpu"
                assert torch.allclose(result["y"], expected["y"], atol=1e-4)
            names = pool.call(("model", "model.pkl"), method="state_dict")
            assert {value.device.type for value in names.values()} == {"cpu"}


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="counts memory by /proc")
def test_one_tensor_at_a_time_is_on_its_way(tmp_path: Path) -> None:
    """What is loaded passes through the host's memory once, and none of it stays there."""
    each, count = 32 << 20, 16
    path = str(tmp_path / "large.pt")
    with PackageExporter(path) as exporter:
        exporter.extern("**")
        tensors = {str(number): torch.full((each,), number, dtype=torch.uint8) for number in range(count)}
        exporter.save_pickle("model", "model.pkl", tensors)
    program = f"""
import torch
from hermpkg_build import PackageImporter

def own():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("RssAnon:"))

torch.zeros(1 << 20, device={DEVICE!r}).to("cpu")  # The device's own memory is there.
importer = PackageImporter({path!r})
before = own()
loaded = importer.load_pickle("model", "model.pkl", map_location={DEVICE!r})
assert all(bool((value == int(name)).all()) for name, value in loaded.items())
print(own() - before)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(ended.stdout) < 2 * each


def _reference() -> torch.nn.Module:
    names: dict[str, object] = {}
    exec(MODEL, names)
    made: torch.nn.Module = names["make"]()  # type: ignore[operator]
    return made
