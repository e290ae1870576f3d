"""Which functions are proposed as factories, by their sources."""

from __future__ import annotations

import ast

import pytest

from hermpkg_build.generate.project.candidates import candidates, example_of, meant_instead_of

CLASSES = """
from torch import nn
import torch

class Base(nn.Module): pass
class Net(Base): pass
class Data(torch.utils.data.Dataset): pass
"""


def found(project, text, **files):
    sources = project({"app/net.py": CLASSES + text, **{f"{k}.py": v for k, v in files.items()}})
    return [each for each in candidates(sources, ("",)) if not each.factory.endswith((":Base", ":Net"))]


@pytest.mark.parametrize(
    "text",
    [
        "def f() -> Net: ...",
        "def f() -> 'Net': ...",
        "def f() -> nn.Module: ...",
        "def f():\n    return Net()",
        "def f():\n    return Net().eval()",
        "def f():\n    net = Net()\n    net.load()\n    return net",
        "def f():\n    if 1:\n        net = Net()\n    return net.to('cpu')",
        "def f():\n    return nn.Sequential(nn.Linear(1, 2))",
        "def f():\n    return BertModel.from_pretrained('bert')",
        "def f():\n    return PeftModel.from_pretrained(g(), 'adapters').eval()",
        "def f():\n    model = pl.Lit.load_from_checkpoint('x.ckpt')\n    return model.eval()",
        "def f():\n    return zoo.create_model('resnet')",
        "def f():\n    return {'a': Net(), 'b': Net()}",
        "def f():\n    return MODELS.build({'type': 'Net'}).eval()",
        "def f(path):\n    model, _ = fit(path)\n    return model",
        "def trained():\n    return fit(Net())",
        "def init_detector(): ...",
        "def build_model(): ...",
        "def get_my_network(): ...",
    ],
)
def test_what_makes_a_model_is_proposed(project, text):
    assert len(found(project, text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "def f(): ...",
        "def f():\n    return Data()",
        "def f():\n    return BertTokenizerFast.from_pretrained('bert')",
        "def f():\n    return frame.from_records([])",
        "def _f() -> Net: ...",
        "def f():\n    def inner():\n        return Net()\n    return inner",
        "def load_modelling_data(): ...",
        "def f():\n    return loss",
        "def f():\n    return LOSSES.build({'type': 'L1'})",
        "def retrained(): ...",
    ],
)
def test_what_makes_none_is_not(project, text):
    assert found(project, text) == []


def test_the_likeliest_comes_first_and_tests_never(project):
    text = "def make_model(a): ...\ndef f(x, y=1, *, z) -> Net: ...\n"
    made = found(project, text, test_net="def make_model(): ...\n", broken="def (")
    assert [each.factory for each in made] == ["app.net:f", "app.net:make_model"]
    assert made[0].needed == ("x", "z")


def test_what_models_are_made_of_comes_after_models(project):
    layers = """
from torch import nn
def FeedForward(dim):
    return nn.Sequential(nn.Linear(dim, dim))
class Attention(nn.Module): ...
class Transformer(nn.Module):
    def __init__(self, dim):
        self.layers = [Attention(), FeedForward(dim)]
"""
    made = candidates(project({"net.py": layers}), ("",))
    assert [each.factory for each in made] == ["net:Transformer", "net:Attention", "net:FeedForward"]


def test_what_can_be_run_as_it_is_comes_before_what_needs_arguments(project):
    """By whatever other functions it makes the model; classes come behind, also those that need nothing."""
    text = """
from app.net import Net
def from_config(config) -> Net: ...
def prepared(config="a.yaml"):
    return from_config(config).eval()
class Head(Net): ...
"""
    proposed = candidates(project({"app/net.py": CLASSES, "app/api.py": text}), ("",))
    assert [each.factory for each in proposed[:3]] == [
        "app.api:prepared",
        "app.api:from_config",
        "app.api:Head",
    ]
    assert proposed[0].reason == "returns what from_config gives"


def test_classes_come_last_with_what_they_need(project):
    sources = project(
        {"net.py": "from torch import nn\nclass Net(nn.Module):\n    def __init__(self, a, b=1): ..."}
    )
    (only,) = candidates(sources, ("",))
    assert (only.factory, only.needed) == ("net:Net", ("a",))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("def example(): ...", "example"),
        ("def make_example_inputs(n=1): ...", "make_example_inputs"),
        ("def dummy_input(): ...", "dummy_input"),
        ("def example(x): ...", ""),
        ("def examples_of(): ...", ""),
        ("example = 1", ""),
    ],
)
def test_an_example_is_a_function_that_needs_nothing(text, name):
    assert example_of(ast.parse(text)) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("def make_net(): ...", "make_net"),
        ("class MakeNet: ...\nclass make_nets: ...", "make_nets"),
        ("def make_net(): ...\nmake_nte = make_net", ""),
        ("def make_net(): ...\nfrom other import make as make_nte", ""),
        ("def make_net(): ...\nfrom other import *", ""),
        ("def other(): ...", ""),
    ],
)
def test_a_misspelt_function_is_one_that_the_module_does_not_bind(text, name):
    assert meant_instead_of(ast.parse(text), "make_nte") == name


def test_what_torch_hub_calls_is_proposed(project):
    """Before what needs arguments."""
    text = "from app.net import net as _net\ndef small(**options):\n    return _net(4)\ndef _help(): ...\n"
    proposed = found(project, "def net(width):\n    return Net(width)\n", hubconf=text)
    assert [each.factory for each in proposed] == ["hubconf:small", "app.net:net"]
