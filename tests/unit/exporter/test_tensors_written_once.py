"""Tensors are written where they stay when they are saved: artifacts are the same bytes, without a copy."""

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from hermpkg_build import PackageExporter, PackageImporter  # noqa: E402
from hermpkg_build.archive import writer  # noqa: E402
from hermpkg_build.archive.reader import ArchiveReader  # noqa: E402
from hermpkg_build.errors import LocalEnvironmentError  # noqa: E402
from hermpkg_build.exporter.destination import FileDestination, MemoryRoom, StreamDestination  # noqa: E402
from hermpkg_build.inspection.verify.layout_audit import audit_layout  # noqa: E402
from hermpkg_build.pickles.storages import storage_digest  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:TypedStorage is deprecated")

NO_ROOM = MemoryRoom(one=0, all_together=0)
SMALL = MemoryRoom(one=1000, all_together=5000)
SIZES = st.sampled_from([0, 1, 63, 999, 1001, 4096, 300_000])


def save(exporter, saves, *, scripted=False):
    """Save tensors of so many bytes, one pickle each, the last tensor of one in the next again."""
    shared = []
    for number, sizes in enumerate(saves):
        tensors = [torch.full((size,), at, dtype=torch.uint8) for at, size in enumerate(sizes)]
        exporter.save_pickle("t", f"{number}.pkl", [*shared, *tensors])
        shared = tensors[-1:]
        if scripted:
            exporter.save_pickle("s", f"{number}.pkl", torch.jit.script(torch.nn.Linear(3, 3)))
        for tensor in tensors[:-1]:
            tensor.zero_()


def streamed(saves, **options) -> bytes:
    stream = io.BytesIO()
    with PackageExporter(stream) as exporter:
        save(exporter, saves, **options)
    return stream.getvalue()


@settings(max_examples=25, deadline=None)
@given(
    saves=st.lists(st.lists(SIZES, max_size=13), min_size=1, max_size=3),
    room=st.sampled_from([NO_ROOM, SMALL, FileDestination.room]),
)
def test_a_file_has_the_bytes_of_a_stream(tmp_path_factory, saves, room):
    path = tmp_path_factory.mktemp("out") / "t.pt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileDestination, "room", room)
        patch.setattr(writer, "append_slice", None)  # Nothing is copied from anywhere.
        with PackageExporter(path) as exporter:
            save(exporter, saves)
        patch.undo()
        patch.setattr(StreamDestination, "room", room)
        assert path.read_bytes() == streamed(saves)
    with ArchiveReader(path) as reader:
        assert [*audit_layout(reader)] == []


@pytest.mark.parametrize("room", [NO_ROOM, FileDestination.room])
def test_torchscript_among_them_makes_no_difference(tmp_path, monkeypatch, room):
    saves = [[300_000, 5], [400_000]]
    torch.manual_seed(0)
    expected = streamed(saves, scripted=True)
    monkeypatch.setattr(FileDestination, "room", room)
    torch.manual_seed(0)
    with PackageExporter(tmp_path / "t.pt") as exporter:
        save(exporter, saves, scripted=True)
    assert (tmp_path / "t.pt").read_bytes() == expected


def test_an_export_that_fails_leaves_nothing(tmp_path):
    exporter = PackageExporter(tmp_path / "t.pt")
    save(exporter, [[1 << 20]])
    exporter.__exit__(RuntimeError, RuntimeError(), None)
    assert [*tmp_path.iterdir()] == []


def test_a_file_that_could_not_be_completed_is_completed_later(tmp_path, monkeypatch):
    path: Path = tmp_path / "t.pt"
    exporter = PackageExporter(path)
    save(exporter, [[1 << 20, 10]])
    path.mkdir()
    with pytest.raises(LocalEnvironmentError, match="cannot be written"):
        exporter.close()
    path.rmdir()
    exporter.close()
    assert path.read_bytes() == streamed([[1 << 20, 10]])
    assert [*tmp_path.iterdir()] == [path]


def test_an_artifact_is_exported_anew_over_itself(tmp_path):
    """Its tensors are mapped from the file that is replaced."""
    path = tmp_path / "t.pt"
    with PackageExporter(path) as exporter:
        save(exporter, [[1 << 20, 17 << 20]])
    before = path.read_bytes()
    with PackageImporter(path) as importer:
        loaded = importer.load_pickle("t", "0.pkl")
        with PackageExporter(path) as exporter:
            exporter.save_pickle("t", "0.pkl", loaded)
        assert not loaded[0].any()
    assert path.read_bytes() == before


def kinds_of_tensors():
    """Tensors of every kind of storage, each larger than what waits in memory."""
    torch.manual_seed(0)
    large = torch.rand(512, 512)
    made = {
        "plain": large,
        "tied": large[:256].t(),
        "float8": large.to(torch.float8_e4m3fn).repeat(2, 1),
        "quantized": torch.quantize_per_channel(
            torch.rand(512, 1024),
            torch.full((512,), 0.1),
            torch.zeros(512, dtype=torch.int64),
            0,
            torch.qint8,
        ),
        "nibbles": torch.quantize_per_tensor(torch.rand(1024, 1024), 0.1, 0, torch.quint4x2),
        "sparse": (large - 0.5).relu().to_sparse(),
        "rows": large.to_sparse_csr(),
        "complex": torch.rand(256, 256, dtype=torch.complex64),
    }
    for name in ("bits8", "float4_e2m1fn_x2", "float8_e8m0fnu"):  # torch itself can save no others, as uint4.
        if hasattr(torch, name):
            bits = torch.randint(0, 255, (1024, 512), dtype=torch.uint8)
            made[name] = bits.view(getattr(torch, name))
    return made


def bits_of(tensor):
    if tensor.is_quantized:
        return storage_digest(tensor.untyped_storage()), tensor.qscheme()
    if tensor.layout is torch.sparse_coo:
        return shown_bits_of(tensor._indices()), shown_bits_of(tensor._values())
    if tensor.layout is torch.sparse_csr:
        return tuple(map(shown_bits_of, (tensor.crow_indices(), tensor.col_indices(), tensor.values())))
    return storage_digest(tensor.untyped_storage()), tensor.dtype, tensor.shape, tensor.stride()


def shown_bits_of(part):
    """What a part of a sparse tensor shows: torch leaves unwritten what else there is of its memory."""
    return bits_of(part.clone()), part.stride()


@pytest.mark.filterwarnings("ignore")
def test_every_kind_of_tensor_comes_back_bit_by_bit(tmp_path):
    tensors = kinds_of_tensors()
    path = tmp_path / "t.pt"
    with PackageExporter(path) as exporter:
        exporter.extern("**")
        exporter.save_pickle("t", "t.pkl", tensors)
    stream = io.BytesIO()
    with PackageExporter(stream) as exporter:
        exporter.extern("**")
        exporter.save_pickle("t", "t.pkl", tensors)
    assert path.read_bytes() == stream.getvalue()
    loaded = PackageImporter(path, verify="all").load_pickle("t", "t.pkl")
    for name, tensor in tensors.items():
        assert bits_of(loaded[name]) == bits_of(tensor), name
    loaded["plain"][0, 0] = 7
    assert loaded["tied"][0, 0] == 7
