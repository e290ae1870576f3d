"""`hermpkg tensors` lists what pickles have of tensors, and writes them as safetensors; nothing runs."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from hermpkg_build.errors import ExitCode

torch = pytest.importorskip("torch")
load_file = pytest.importorskip("safetensors.torch").load_file


def tied() -> dict[str, object]:
    weight = torch.arange(12.0).reshape(3, 4)
    return {"b": weight, "a": weight, "turned": weight.t(), "half": weight.half(), "none": torch.empty(0, 2)}


@pytest.fixture(scope="module")
def of_the_artifact(make_workspace, tmp_path_factory) -> bytes:
    """What the command writes of the artifact with the tensors of `tied`."""
    folder = tmp_path_factory.mktemp("artifact")
    outcome = make_workspace(folder / "w", folder / "cache").run(
        "tensors", str(saved(folder, "artifact")), "--to", str(folder / "one.safetensors")
    )
    assert outcome.code == 0, outcome.stderr
    return (folder / "one.safetensors").read_bytes()


def saved(folder: Path, form: str) -> Path:
    """A file with the tensors of `tied`."""
    path = folder / f"my model {form}.pt"
    if form == "artifact":
        from hermpkg_build import PackageExporter as Exporter
    else:
        from torch.package import PackageExporter as Exporter
    if form in ("artifact", "torch.package"):
        with Exporter(str(path)) as exporter:
            exporter.extern("**")
            exporter.save_pickle("model", "model.pkl", tied())
    elif form == "pickle":
        path.write_bytes(pickle.dumps(tied()))
    elif form == "old pickle":
        path.write_bytes(pickle.dumps(tied(), protocol=0))
    else:
        torch.save(tied(), path, _use_new_zipfile_serialization=form == "torch.save")
    return path


FORMS = ["artifact", "torch.package", "torch.save", "torch.save of old", "pickle", "old pickle"]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("form", FORMS)
def test_files_of_every_form_give_the_same_bytes(app, tmp_path, of_the_artifact, form):
    out = tmp_path / "out.safetensors"
    outcome = app.run("tensors", str(saved(tmp_path, form)), "--to", str(out))
    assert outcome.code == 0, outcome.stderr
    assert "share data" in outcome.stderr
    assert out.read_bytes() == of_the_artifact
    written = load_file(out)
    assert written.keys() == tied().keys()
    assert all(torch.equal(written[name], tensor) for name, tensor in tied().items())


def test_a_listing(app, tmp_path):
    outcome = app.run("tensors", str(saved(tmp_path, "artifact")))
    assert outcome.code == 0, outcome.stderr
    lines = outcome.stdout.splitlines()
    assert "b       float32[3, 4]" in lines[0]
    assert lines[1].split("  ")[-1] == "the same as b"
    (one,) = app.run("tensors", str(saved(tmp_path, "artifact")), "--json").json["pickles"]
    assert [tensor["name"] for tensor in one["tensors"]] == ["b", "a", "turned", "half", "none"]


@pytest.mark.parametrize("form", ["artifact", "torch.save", "torch.save of old"])
def test_a_device_that_is_not_the_cpu_is_told(app, tmp_path, monkeypatch, form):
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:1")
    (one,) = app.run("tensors", str(saved(tmp_path, form)), "--json").json["pickles"]
    assert {tensor["note"] for tensor in one["tensors"]} == {"on cuda:1"}


def test_what_cannot_be_written_is_named_and_nothing_is_lost(app, tmp_path):
    path, out = tmp_path / "model.pt", tmp_path / "out.safetensors"
    torch.save(
        {"x": torch.ones(1), "s": torch.ones(2).to_sparse(), "z": torch.ones(1, dtype=torch.complex128)}, path
    )
    mine = '       0{"mine":{"data_offsets":[0,0]}}'
    out.write_text(mine)
    refused = app.run("tensors", str(path), "--to", str(out))
    assert refused.code == ExitCode.BUILD_FAILED
    assert "s:    safetensors has no sparse tensors" in refused.stderr
    assert "z:    safetensors has no type for elements of complex128" in refused.stderr
    assert out.read_text() == mine
    partial = app.run("tensors", str(path), "--to", str(out), "--partial", "--json")
    assert partial.json["left_out"].keys() == {"s", "z"}
    assert load_file(out).keys() == {"x"}


def test_one_of_several_pickles_is_chosen(app, tmp_path):
    from hermpkg_build import PackageExporter

    path = tmp_path / "two.pt"
    with PackageExporter(str(path)) as exporter:
        exporter.extern("**")
        exporter.save_pickle("model", "a.pkl", {"a": torch.ones(1)})
        exporter.save_pickle("other.place", "b.pkl", {"b": torch.ones(1)})
    refused = app.run("tensors", str(path), "--to", "out.safetensors")
    assert refused.code == ExitCode.COMMAND_LINE
    assert f"hermpkg tensors {path} model a.pkl --to out.safetensors" in refused.stderr
    outcome = app.run("tensors", str(path), "other.place", "b.pkl", "--to", "out.safetensors")
    assert outcome.code == 0, outcome.stderr
    assert load_file(app.root / "out.safetensors").keys() == {"b"}


def test_little_data_that_is_shown_many_times_is_not_written(app, tmp_path):
    path = tmp_path / "bomb.pt"
    torch.save({"x": torch.zeros(1).expand(1 << 40)}, path)
    outcome = app.run("tensors", str(path), "--to", "out.safetensors")
    assert outcome.code == ExitCode.BUILD_FAILED
    assert "more space than their data explains" in outcome.stderr
    assert not (app.root / "out.safetensors").exists()


def test_hostile_pickles_leave_no_mark_and_names_steer_no_terminal(app, tmp_path):
    class Marks:
        def __reduce__(self) -> object:
            return os.system, (f"touch {tmp_path / 'mark'}",)

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"x": Marks(), "\x1b[31mred\n": torch.ones(2)}))
    outcome = app.run("tensors", str(path))
    assert outcome.code == 0, outcome.stderr
    assert "\x1b" not in outcome.stdout
    assert "float32[2]" in outcome.stdout
    assert not (tmp_path / "mark").exists()


def test_it_needs_no_torch(tmp_path):
    path = saved(tmp_path, "torch.save")
    code = "import sys; sys.modules['torch'] = None\nfrom hermpkg_build.cli.main import main\n"
    code += f"sys.exit(main(['tensors', {str(path)!r}]))"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, cwd=tmp_path)


def test_files_without_tensors(app, tmp_path):
    (tmp_path / "empty.pkl").write_bytes(b"")
    (tmp_path / "junk.pkl").write_bytes(b"\x80\x04junk")
    (tmp_path / "one.pkl").write_bytes(pickle.dumps([1]))
    for name in ("empty.pkl", "junk.pkl", "absent.pkl"):
        outcome = app.run("tensors", str(tmp_path / name))
        assert (outcome.code, "a bug in hermpkg" in outcome.stderr) == (ExitCode.BUILD_FAILED, False)
    outcome = app.run("tensors", str(tmp_path / "one.pkl"), "--to", "x")
    assert outcome.code == ExitCode.BUILD_FAILED
    assert "no tensors" in outcome.stderr


def test_a_safetensors_file_is_said_to_be_one(app, tmp_path):
    from safetensors.torch import save_file

    save_file({"weight": torch.ones(2)}, tmp_path / "net.safetensors")
    outcome = app.run("tensors", str(tmp_path / "net.safetensors"))
    assert outcome.code == ExitCode.BUILD_FAILED
    assert "one of safetensors" in outcome.stderr


def test_a_file_without_tensors_is_written_over_as_one_with_some_is(app, tmp_path):
    torch.save({"a": torch.ones(2).to_sparse()}, tmp_path / "sparse.pt")
    for _ in range(2):
        outcome = app.run("tensors", str(tmp_path / "sparse.pt"), "--partial", "--to", "none.safetensors")
        assert outcome.code == 0, outcome.stderr
