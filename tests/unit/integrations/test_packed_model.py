"""What an artifact holds as something to call: the right object, or words that lead to it."""

from __future__ import annotations

import pytest
import torch

from hermpkg_build import PackageImporter
from hermpkg_build.integrations.packed_model import ModelNotFoundError, PackedModel, TrainingModeWarning

LINEAR = torch.nn.Linear(2, 1).eval()


def test_the_only_pickle_is_the_model(opened):
    importer = opened({("anywhere.else", "it.pkl"): LINEAR})
    model = PackedModel(importer)
    assert model.target == ("anywhere.else", "it.pkl")
    assert torch.equal(model(torch.ones(1, 2)), LINEAR(torch.ones(1, 2)))


def test_of_several_it_is_the_one_of_pack_and_never_an_example(opened):
    objects = {("model", "model.pkl"): LINEAR, ("model", "example.pkl"): (1,), ("other", "model.pkl"): LINEAR}
    assert PackedModel(opened(objects)).target == ("model", "model.pkl")
    assert PackedModel(opened({("m", "a.pkl"): LINEAR, ("m", "example.pkl"): 1})).target == ("m", "a.pkl")


def test_where_several_could_be_meant_they_are_named(opened):
    with pytest.raises(ModelNotFoundError, match="which of its objects") as raised:
        PackedModel(opened({("a", "x.pkl"): LINEAR, ("b", "x.pkl"): LINEAR}))
    assert "('a', 'x.pkl')" in str(raised.value)
    assert "('b', 'x.pkl')" in str(raised.value)


@pytest.mark.parametrize(
    ("target", "method", "words"),
    [
        (("model", "other.pkl"), "", "no pickle model/other.pkl"),
        ("app.serve:nothing", "", "has no nothing"),
        ("app.serve", "", "names nothing"),
        (None, "missing.method", "no method 'missing.method'"),
        (None, "training", "no method 'training'"),
        (("plain", "text.pkl"), "", "cannot be called"),
    ],
)
def test_what_is_not_there_is_told(opened, target, method, words):
    importer = opened({("model", "model.pkl"): LINEAR, ("plain", "text.pkl"): "text"})
    with pytest.raises(ModelNotFoundError, match=words) as raised:
        PackedModel(importer, target, method)
    assert "net.pt" in str(raised.value) or "names nothing" in words


def test_functions_and_methods_are_called_and_coroutines_run_to_their_end(opened):
    importer = opened({("model", "model.pkl"): LINEAR})
    assert PackedModel(importer, "app.serve:same")(5) == 5
    assert PackedModel(importer, "app.serve:later")(6) == 6
    assert PackedModel(importer, method="weight.size")() == torch.Size([1, 2])


def test_autograd_records_only_where_it_is_asked_for_and_stays_as_it_was(opened):
    importer = opened({("model", "model.pkl"): LINEAR})
    assert not PackedModel(importer)(torch.ones(1, 2)).requires_grad
    assert PackedModel(importer, grad=True)(torch.ones(1, 2)).requires_grad
    assert torch.is_grad_enabled()


def test_a_model_in_training_mode_is_warned_of_and_called_as_it_is(opened):
    importer = opened({("model", "model.pkl"): torch.nn.Dropout(p=1.0)})
    with pytest.warns(TrainingModeWarning, match=r"model/model.pkl of .*net.pt was packed in training mode"):
        model = PackedModel(importer)
    assert model(torch.ones(3)).sum() == 0


def test_an_artifact_of_torch_package_works_too(tmp_path):
    from torch.package import PackageExporter

    path = str(tmp_path / "stock.pt")
    with PackageExporter(path) as exporter:
        exporter.extern("**")
        exporter.save_pickle("net", "m.pkl", LINEAR)
    model = PackedModel(PackageImporter(path))
    assert model.target == ("net", "m.pkl")
    assert model.uses_torch


def test_what_is_called_and_its_arguments_are_on_the_device(opened):
    importer = opened({("model", "model.pkl"): LINEAR})
    places = "def places(x, by): return [str(each.device) for each in (x, by['in'][0])]"
    x = torch.ones(1, 2)
    assert PackedModel(importer, device="meta").loaded.weight.device.type == "meta"
    assert torch.equal(PackedModel(importer, device="cpu")(x), LINEAR(x))
    assert (
        PackedModel(opened(source=places), "app.serve:places", device="meta")(x, by={"in": [x]})
        == ["meta"] * 2
    )
