"""Weights files that cannot be used, and what is said of them."""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import pickle
import resource
import textwrap
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.errors import ActionError, Location
from hermpkg_build.factories.checkpoints import read_checkpoint
from hermpkg_build.factories.state_dicts import as_options
from hermpkg_build.factories.weights import load_weights

torch = pytest.importorskip("torch")
numpy = pytest.importorskip("numpy")
safetensors_torch = pytest.importorskip("safetensors.torch")


def model() -> Any:
    return torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("weights")
    state = dict(model().state_dict())
    torch.save({f"student.{key}": value for key, value in state.items()}, root / "wrapped.pt")
    torch.save({**state, "0.weight": torch.ones(3, 3), "extra": torch.ones(1)}, root / "misfit.pt")
    torch.save(state, root / "old.pt", _use_new_zipfile_serialization=False)
    torch.save([1, 2], root / "list.pt")
    torch.save(Fraction(1, 2), root / "object.pt")
    (root / "code.pt").write_bytes(pickle.dumps(print))
    (root / "torn.pt").write_bytes((root / "wrapped.pt").read_bytes()[:200])
    (root / "empty.pt").write_bytes(b"")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n"
    (root / "pointer.pt").write_text(pointer)
    (root / "torn.safetensors").write_bytes(b"\x09\0\0\0\0\0\0\0{}")
    (root / "weights.txt").write_text("x")
    with zipfile.ZipFile(root / "zip.pt", "w") as archive:
        archive.writestr("a", "b")
    return root


@pytest.mark.parametrize(
    ("name", "summary", "fact", "next_step"),
    [
        ("wrapped.pt", "the weights do not fit the model", "missing", 'weights_prefix = "student."'),
        ("misfit.pt", "the weights do not fit the model", "unexpected", "--arg NAME=VALUE"),
        ("misfit.pt", "the weights do not fit the model", "shapes", "--arg NAME=VALUE"),
        ("list.pt", "the weights file holds a list, not a state dict", "", "torch.save"),
        ("object.pt", "the weights file holds an object, not a state dict", "", "model.state_dict()"),
        ("code.pt", "the weights file holds more than tensors", "reason", "model.state_dict()"),
        ("torn.pt", "the weights file cannot be read", "reason", "complete"),
        ("empty.pt", "the weights file cannot be read", "reason", "complete"),
        ("torn.safetensors", "the weights file cannot be read", "reason", "complete"),
        ("pointer.pt", "a pointer of Git LFS", "", "git lfs pull --include models/pointer.pt"),
        ("missing.safetensors", "the weights file cannot be read", "reason", "there is no such file"),
        ("zip.pt", "the weights file cannot be read", "reason", "complete"),
        ("weights.txt", "the weights file holds more than tensors", "reason", "model.state_dict()"),
    ],
)
def test_weights_that_cannot_be_used(files: Path, name: str, summary: str, fact: str, next_step: str) -> None:
    with pytest.raises(ActionError) as caught:
        load_weights(model(), str(files / name), shown=f"models/{name}")
    assert summary in caught.value.summary
    assert caught.value.location == Location(f"models/{name}")
    assert next_step in caught.value.next_step
    assert not fact or fact in dict(caught.value.facts)


@pytest.mark.parametrize("parts", [(), ("state_dict",), ("epochs", "last", "net.")])
def test_what_differs_is_told_of_the_part_that_is_meant(tmp_path: Path, parts: tuple[str, ...]) -> None:
    """A model made with other arguments has the names of a checkpoint and not its shapes."""
    state: Any = dict(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 3)).state_dict())
    for part in reversed(parts):
        state = {f"{part}{key}": value for key, value in state.items()} if "." in part else {part: state}
    torch.save({**state, "epoch": 3} if parts else state, tmp_path / "last.ckpt")
    with pytest.raises(ActionError, match="weights do not fit") as caught:
        load_weights(model(), str(tmp_path / "last.ckpt"), shown="last.ckpt", voice=as_options)
    facts = dict(caught.value.facts)
    assert facts["shapes"].splitlines() == [
        "1.bias: (3,) in the file, (2,) in the model",
        "1.weight: (3, 2) in the file, (2, 2) in the model",
    ]
    assert "missing" not in facts
    assert ("part" in facts) == bool(parts)
    assert not parts or f"--weights-key {'.'.join(p for p in parts if not p.endswith('.'))}" in facts["part"]


def test_an_old_file_without_a_zip_is_read(files: Path) -> None:
    loaded = model()
    load_weights(loaded, str(files / "old.pt"), shown="old.pt")
    again = torch.load(files / "old.pt", weights_only=True)
    assert torch.equal(loaded[0].weight, again["0.weight"])


class Settings:
    """An object of the training, whose class the reader lacks."""

    def __reduce__(self) -> Any:
        return exit, (3,)


def checkpoint(**parts: Any) -> dict[str, Any]:
    training = {
        "best": numpy.float64(1),
        "when": datetime.datetime(2020, 1, 2),
        "args": Settings(),
        "epoch": 1,
    }
    return {**training, **parts}


@pytest.mark.parametrize("name", ["last.ckpt", "best.pth.tar", "checkpoint"])
@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 4}])
def test_checkpoints_of_trainings_are_read_for_their_tensors(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    right = {key: torch.full_like(value, 3) for key, value in model().state_dict().items()}
    part = {**{f"net.{key}": value for key, value in right.items()}, "loss.weight": torch.ones(1)}
    torch.save(checkpoint(state_dict=part, plain={"model.ema": right}), tmp_path / name, **options)
    for key, prefix in (("state_dict", "net."), ("plain.model.ema", "")):
        loaded = model()
        load_weights(loaded, str(tmp_path / name), shown=name, key=key, prefix=prefix)
        assert all(torch.equal(value, right[key]) for key, value in loaded.state_dict().items())
    with pytest.raises(ActionError, match="weights do not fit") as caught:
        load_weights(model(), str(tmp_path / name), shown=name)
    assert caught.value.next_step.splitlines() == [
        "give one of these, which fit:",
        '    weights_key = "state_dict", weights_prefix = "net.",',
        '    weights_key = "plain.model.ema",',
    ]
    for key in ("nowhere", "state_dict.nowhere", "epoch"):
        with pytest.raises(ActionError, match="not a state dict") as caught:
            load_weights(model(), str(tmp_path / name), shown=name, key=key)
        assert 'weights_key = "state_dict"' in caught.value.next_step


RIGHT = 3.0


def right(prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}{key}": torch.full_like(value, RIGHT) for key, value in model().state_dict().items()}


def whole() -> Any:
    made = model()
    made.load_state_dict(right())
    return made


USUAL: dict[str, Any] = {
    "model_state_dict": lambda: {"epoch": 1, "model_state_dict": right(), "optimizer": {"state": {0: 1}}},
    "state_dict of DDP": lambda: {"state_dict": right("module.")},
    "compiled DDP": lambda: right("_orig_mod.module."),
    "DDP of compiled": lambda: {"model": right("module._orig_mod.")},
    "a compiled part": lambda: {key.replace("0.", "0._orig_mod."): value for key, value in right().items()},
    "a compiled part in DDP": lambda: {
        f"module.{key.replace('0.', '0._orig_mod.')}": value for key, value in right().items()
    },
    "Lightning": lambda: {"state_dict": right("model."), "hyper_parameters": Settings()},
    "saved whole": whole,
    "saved whole in a checkpoint": lambda: {"model": whole(), "args": Settings()},
    "saved whole in DataParallel": lambda: torch.nn.DataParallel(whole()),
}


@pytest.mark.parametrize("name", USUAL)
def test_the_usual_forms_of_a_checkpoint_are_used(tmp_path: Path, name: str) -> None:
    torch.save(USUAL[name](), tmp_path / "last.ckpt")
    loaded = model()
    load_weights(loaded, str(tmp_path / "last.ckpt"), shown="last.ckpt")
    assert all((value == RIGHT).all() for value in loaded.state_dict().values())


@pytest.mark.parametrize(
    "parts",
    [
        {"model": right(), "model_ema": right()},  # Which of them is a decision.
        {"model": {"0.weight": torch.ones(3, 3)}, "teacher": right()},  # Fits, and is another model.
        {"state_dict": {**right("model."), "loss.weight": torch.ones(1)}},  # Would leave out a tensor.
    ],
)
def test_what_could_be_meant_otherwise_is_named_and_not_taken(tmp_path: Path, parts: dict[str, Any]) -> None:
    torch.save(parts, tmp_path / "last.ckpt")
    with pytest.raises(ActionError) as caught:
        load_weights(model(), str(tmp_path / "last.ckpt"), shown="last.ckpt", voice=as_options)
    assert "--weights-key" in caught.value.next_step


def test_buffers_that_are_not_kept_are_no_part_of_a_module_saved_whole(tmp_path: Path) -> None:
    saved = whole()
    saved[0].register_buffer("passing", torch.ones(1), persistent=False)
    saved[0].register_buffer("kept", torch.ones(1))
    torch.save(saved, tmp_path / "whole.pt")
    loaded = model()
    loaded[0].register_buffer("kept", torch.zeros(1))
    load_weights(loaded, str(tmp_path / "whole.pt"), shown="whole.pt")
    assert loaded[0].kept == 1


def shards(folder: Path, **changed: str) -> Path:
    places = {}
    for number, (key, value) in enumerate(right().items()):
        name = f"model-{number}.safetensors"
        safetensors_torch.save_file({key: value}, folder / name)
        places[key] = name
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": {**places, **changed}}))
    return index


def test_an_index_stands_for_the_files_that_it_names(tmp_path: Path) -> None:
    index = shards(tmp_path)
    for path in (index, tmp_path):
        loaded = model()
        load_weights(loaded, str(path), shown=path.name, has_shards=True)
        assert (loaded[1].bias == RIGHT).all()


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_an_index_in_a_target_is_told_how_to_join_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    index = shards(tmp_path)
    if kind == "bin":
        places = json.loads(index.read_text())["weight_map"]
        for name in {*places.values()}:
            torch.save(
                safetensors_torch.load_file(tmp_path / name), tmp_path / name.replace("safetensors", "bin")
            )
            (tmp_path / name).unlink()
        index = tmp_path / "pytorch_model.bin.index.json"
        named = {key: name.replace("safetensors", "bin") for key, name in places.items()}
        index.write_text(json.dumps({"weight_map": named}))
    with pytest.raises(ActionError, match="an index of shards names other files") as caught:
        load_weights(model(), str(index), shown=index.name)
    monkeypatch.chdir(tmp_path)
    exec(textwrap.dedent(caught.value.next_step.partition("\n")[2]), {})
    loaded = model()
    joined = "model.safetensors" if kind == "safetensors" else "model.pt"
    load_weights(loaded, joined, shown=joined)
    assert (loaded[1].bias == RIGHT).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"9.weight": "model-0.safetensors"}, "lack tensors"),
        ({"0.weight": "../model-0.safetensors"}, "does not lie beside it"),
        ({"0.weight": "gone.safetensors"}, "cannot be read"),
    ],
)
def test_an_index_that_is_wrong_is_told(tmp_path: Path, changed: dict[str, str], message: str) -> None:
    index = shards(tmp_path, **changed)
    with pytest.raises(ActionError) as caught:
        load_weights(model(), str(index), shown=index.name, has_shards=True)
    assert message in str(caught.value)


def test_a_folder_of_several_files_is_told(tmp_path: Path) -> None:
    for name in ("a.pt", "b.pt"):
        torch.save(right(), tmp_path / name)
    with pytest.raises(ActionError, match="several files"):
        load_weights(model(), str(tmp_path), shown="here", has_shards=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ActionError, match="no weights"):
        load_weights(model(), str(empty), shown="here", has_shards=True)


def test_what_is_no_tensor_beside_the_tensors_is_left_out(tmp_path: Path) -> None:
    torch.save(checkpoint(**model().state_dict()), tmp_path / "flat.bin")
    load_weights(model(), str(tmp_path / "flat.bin"), shown="flat.bin")
    torch.save(checkpoint(**model().state_dict(), more=torch.ones(1)), tmp_path / "more.bin")
    with pytest.raises(ActionError) as caught:
        load_weights(model(), str(tmp_path / "more.bin"), shown="more.bin")
    assert list(caught.value.facts) == [("unexpected", "more")]


def test_safetensors_of_any_name_are_known_by_their_beginning(tmp_path: Path) -> None:
    state = {key: torch.full_like(value, 2) for key, value in model().state_dict().items()}
    safetensors_torch.save_file(state, tmp_path / "weights.bin")
    loaded = model()
    load_weights(loaded, str(tmp_path / "weights.bin"), shown="weights.bin")
    assert torch.equal(loaded[1].weight, state["1.weight"])


def test_no_message_has_escapes(files: Path) -> None:
    with pytest.raises(ActionError) as caught:
        load_weights(model(), str(files / "code.pt"), shown="code.pt")
    assert "\x1b" not in str(caught.value)


def test_what_has_no_state_dict_takes_no_weights(files: Path) -> None:
    with pytest.raises(ActionError, match="the factory returned a list, which has no load_state_dict"):
        load_weights([1], str(files / "old.pt"), shown="old.pt")


def test_a_number_that_no_object_has_takes_no_memory(tmp_path: Path) -> None:
    """A table as long as that number would take 1.6 GB."""
    path = tmp_path / "w.pt"
    saved = io.BytesIO()
    torch.save({"a": right(), "b": {1}}, saved, _use_new_zipfile_serialization=False)
    data = saved.getvalue()
    place = data.rindex(b"}q")
    path.write_bytes(data[:place] + b"}r\xff\xff\xff\x05}0q" + data[place + 2 :])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(ActionError):
        read_checkpoint(str(path), path.name)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20
