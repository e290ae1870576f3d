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
