"""What crosses between versions of torch and Python: objects, and what tells whether they are the same."""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import fractions
import functools
import ipaddress
import operator
import pathlib
import random
import re
import types
import typing
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import crossed_code
import torch
from torch import nn

Look = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An object that `make` gives; what `look` says of it as JSON is the same wherever it is loaded."""

    make: Callable[[], Any]
    look: Look


def tensor_facts(tensor: Any) -> Any:
    """Say what a tensor is, and what is in it."""
    dense = (
        tensor.dequantize()
        if tensor.is_quantized
        else tensor.to_dense()
        if tensor.layout != torch.strided
        else tensor
    )
    if dense.is_complex():
        dense = torch.view_as_real(dense.resolve_conj().to(torch.complex64))
    values = dense.detach().to(torch.float64).tolist()
    return [str(tensor.dtype), str(tensor.layout), list(tensor.shape), bool(tensor.requires_grad), values]


def facts(value: Any) -> Any:
    """Say what a value is, as JSON that no version words in its own way."""
    if isinstance(value, torch.Tensor):
        return tensor_facts(value)
    if isinstance(value, Mapping):
        return [[str(key), facts(each)] for key, each in value.items()]
    if isinstance(value, (list, tuple)):
        return [facts(each) for each in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return repr(value)


def output(*inputs: Any) -> Look:
    """Look at what a model computes, and at its state."""

    def look(model: Any) -> Any:
        with torch.no_grad():
            return [facts(model.eval()(*inputs)), facts(model.state_dict())]

    return look


def of(name: str) -> Look:
    """Look at the name of the type, which is `name`, and at the value."""

    def look(value: Any) -> Any:
        assert type(value).__name__ == name, type(value)
        return facts(value)

    return look


X = torch.linspace(-1, 1, 12).reshape(3, 4)
IMAGE = torch.linspace(-1, 1, 128).reshape(1, 2, 8, 8)
WORDS = torch.tensor([[0, 1, 4]])
TENSORS = torch.arange(24.0).reshape(4, 6)


def trained() -> list[Any]:
    """Give a model and an optimiser that has state."""
    net = crossed_code.Net()
    optimiser = torch.optim.AdamW(net.parameters(), lr=0.1)
    net(X).sum().backward()
    optimiser.step()
    return [net, optimiser, torch.optim.lr_scheduler.StepLR(optimiser, 3)]


def trained_facts(parts: list[Any]) -> Any:
    """Step once more: the state is there, and the parameters are those of the model."""
    net, optimiser, _ = parts
    optimiser.zero_grad()
    net.eval()(X).sum().backward()
    optimiser.step()
    return facts(net(X))


MODELS = {
    "a packed class": Subject(make=crossed_code.Net, look=output(X)),
    "tied weights": Subject(make=crossed_code.Tied, look=output(WORDS)),
    "convolutions": Subject(
        make=lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        ),
        look=output(IMAGE),
    ),
    "a transformer": Subject(
        make=lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 2), look=output(X)
    ),
    "a recurrent network": Subject(make=lambda: nn.LSTM(4, 3, 2), look=output(X)),
    "a parametrised weight": Subject(
        make=lambda: nn.utils.parametrizations.weight_norm(nn.Linear(4, 2)), look=output(X)
    ),
    "lists and dictionaries of parameters": Subject(
        make=lambda: nn.ModuleDict(
            {
                "list": nn.ParameterList([torch.ones(2)]),
                "dict": nn.ParameterDict({"a": torch.zeros(1)}),
                "parts": nn.ModuleList([nn.Linear(1, 1)]),
            }
        ),
        look=lambda model: facts(model.state_dict()),
    ),
    "a hook": Subject(
        make=lambda: _with_hook(nn.Linear(4, 2)),
        look=output(X),
    ),
    "a loss": Subject(
        make=lambda: nn.CrossEntropyLoss(torch.tensor([1.0, 2.0, 3.0, 4.0])),
        look=lambda loss: facts(loss(X, torch.tensor([0, 1, 3]))),
    ),
    "an optimiser": Subject(make=trained, look=trained_facts),
    "a traced graph of torch.fx": Subject(
        make=lambda: torch.fx.symbolic_trace(nn.Sequential(nn.Linear(4, 2), nn.ReLU())), look=output(X)
    ),
    "TorchScript": Subject(make=lambda: torch.jit.script(crossed_code.Tied()), look=output(WORDS)),
    "a TorchScript trace": Subject(
        make=lambda: torch.jit.trace(crossed_code.Net().eval(), X), look=output(X)
    ),
    "a quantised model": Subject(
        make=lambda: torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 2)), {nn.Linear}),
        look=lambda model: facts(model(X)),
    ),
    "a distribution": Subject(
        make=lambda: torch.distributions.Normal(torch.zeros(2), torch.ones(2)),
        look=lambda made: facts(made.log_prob(torch.ones(2))),
    ),
    "a data set": Subject(
        make=lambda: torch.utils.data.TensorDataset(X, X * 2), look=lambda made: facts([*made])
    ),
}


def _with_hook(model: Any) -> Any:
    model.register_forward_hook(crossed_code.doubled)
    return model


TENSOR_KINDS: dict[str, Callable[[], Any]] = {
    "tensors of old types": lambda: [
        torch.ones(3, dtype=dtype)
        for dtype in (
            *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.complex128),
            *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
        )
    ],
    "half complex tensors": lambda: torch.ones(3, dtype=torch.complex64).to(torch.complex32),
    "float8 tensors": lambda: [torch.ones(3).to(torch.float8_e4m3fn), torch.ones(3).to(torch.float8_e5m2)],
    "unsigned tensors": lambda: [
        torch.ones(3, dtype=dtype) for dtype in (torch.uint16, torch.uint32, torch.uint64)
    ],
    "views": lambda: [TENSORS, TENSORS.t(), TENSORS[1:, ::2], TENSORS[0, 0], torch.zeros(3, 0)],
    "conjugates": lambda: [(X.to(torch.complex64) * 1j).conj()],
    "sparse tensors": lambda: [torch.eye(3).to_sparse(), torch.eye(3).to_sparse_csr()],
    "quantised tensors": lambda: [
        torch.quantize_per_tensor(torch.ones(4), 0.5, 1, torch.quint8),
        torch.quantize_per_channel(torch.ones(2, 2), torch.ones(2), torch.zeros(2), 0, torch.qint8),
    ],
    "parameters": lambda: [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2), requires_grad=False)],
}

OF_TORCH: dict[str, Subject] = {
    "a tensor without data": Subject(
        make=lambda: torch.empty(2, 3, device="meta", dtype=torch.float16),
        look=lambda made: [str(made.dtype), list(made.shape), made.is_meta],
    ),
    "a generator": Subject(
        make=lambda: torch.Generator().manual_seed(5), look=lambda made: facts(torch.rand(3, generator=made))
    ),
    "types, sizes, devices": Subject(
        make=lambda: [
            torch.float16,
            torch.Size([2]),
            torch.device("cpu"),
            torch.strided,
            torch.channels_last,
        ],
        look=lambda made: [str(each) for each in made],
    ),
    "functions": Subject(
        make=lambda: [nn.functional.relu, torch.add, torch.Tensor.mul],
        look=lambda made: [facts(made[0](X)), facts(made[1](X, X)), facts(made[2](X, X))],
    ),
    "an untyped storage": Subject(
        make=lambda: torch.ones(2).untyped_storage(), look=lambda made: list(bytes(made.tolist()))
    ),
}

VALUES: dict[str, Subject] = {
    "an enum": Subject(make=lambda: crossed_code.Color.RED, look=lambda made: [made.name, made.value]),
    "a flag": Subject(
        make=lambda: crossed_code.Rights.READ | crossed_code.Rights.RUN,
        look=lambda made: [type(made).__name__, int(made)],
    ),
    "a data class": Subject(make=crossed_code.Config, look=of("Config")),
    "a data class with slots": Subject(make=crossed_code.Slotted, look=of("Slotted")),
    "a named tuple": Subject(make=lambda: crossed_code.Point(1, 2), look=of("Point")),
    "a partial": Subject(
        make=lambda: functools.partial(crossed_code.scaled, factor=3.0), look=lambda made: facts(made(X))
    ),
    "paths": Subject(
        make=lambda: [pathlib.Path("a/b"), pathlib.PurePosixPath("/c"), pathlib.PureWindowsPath("d\\e")],
        look=lambda made: [[type(each).__name__, str(each)] for each in made],
    ),
    "dates": Subject(
        make=lambda: [
            datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.timezone.utc),
            datetime.date(2026, 1, 2),
            datetime.timedelta(days=1, seconds=2),
        ],
        look=facts,
    ),
    "numbers": Subject(
        make=lambda: [decimal.Decimal("1.5"), fractions.Fraction(1, 3), 1 + 2j, 10**40, float("-inf")],
        look=lambda made: [str(each) for each in made],
    ),
    "collections": Subject(
        make=lambda: [
            collections.OrderedDict(a=1),
            collections.defaultdict(list, a=[1]),
            collections.Counter("aab"),
            collections.deque([1], maxlen=3),
            frozenset({1}),
            range(2, 8, 2),
            slice(1, 2),
            bytearray(b"x"),
            array.array("d", [1.0]),
            types.SimpleNamespace(a=1),
        ],
        look=lambda made: [type(each).__name__ for each in made] + [repr(each) for each in made[3:]],
    ),
    "addresses and ids": Subject(
        make=lambda: [ipaddress.ip_address("::1"), ipaddress.ip_network("10.0.0.0/8"), uuid.UUID(int=5)],
        look=lambda made: [str(each) for each in made],
    ),
    "a pattern": Subject(
        make=lambda: re.compile(r"(?P<word>\w+) \d", re.IGNORECASE | re.ASCII),
        look=lambda made: [made.pattern, int(made.flags), bool(made.match("A 1"))],
    ),
    "a random number generator": Subject(make=lambda: random.Random(3), look=lambda made: made.random()),
    "operators": Subject(
        make=lambda: [
            operator.itemgetter(1),
            operator.attrgetter("real"),
            operator.methodcaller("upper"),
            len,
        ],
        look=lambda made: [made[0]([1, 2]), made[1](5), made[2]("a"), made[3]([])],
    ),
    "annotations": Subject(
        make=lambda: [list[int], typing.Optional[int], typing.Callable[[int], str], dict[str, typing.Any]],  # noqa: UP045
        look=lambda made: [
            str(typing.get_origin(each) is not None) + str(len(typing.get_args(each))) for each in made
        ],
    ),
    "a union of types": Subject(
        make=lambda: int | str, look=lambda made: [t.__name__ for t in made.__args__]
    ),
    "exceptions": Subject(
        make=lambda: [ValueError("a", 1), FileNotFoundError(2, "no", "x"), KeyError("k")],
        look=lambda made: [repr(each.args) + type(each).__name__ for each in made],
    ),
}


def _numpy() -> dict[str, Subject]:
    try:
        import numpy
    except ImportError:
        return {}
    return {
        "arrays of numpy": Subject(
            make=lambda: [
                numpy.arange(6.0).reshape(2, 3).T,
                numpy.array(["a", "bc"]),
                numpy.array([None, 1]),
            ],
            look=lambda made: [[str(each.dtype), each.tolist()] for each in made],
        ),
        "scalars and types of numpy": Subject(
            make=lambda: [
                numpy.float32(1.5),
                numpy.dtype("int16"),
                numpy.float64,
                numpy.dtype([("a", "f4")]),
            ],
            look=lambda made: [float(made[0]), str(made[1]), made[2].__name__, made[3].names[0]],
        ),
        "a generator of numpy": Subject(
            make=lambda: numpy.random.default_rng(5), look=lambda made: made.random()
        ),
        "functions of numpy": Subject(
            make=lambda: [numpy.sum, numpy.add, numpy.linalg.norm],
            look=lambda made: [float(made[0]([1, 2])), float(made[1](1, 2)), float(made[2]([3, 4]))],
        ),
    }


def made(name: str) -> Any:
    """Make the object of one subject: the factory of what is built."""
    torch.manual_seed(0)
    return SUBJECTS[name].make()


SUBJECTS: dict[str, Subject] = {
    **MODELS,
    **{name: Subject(make=make, look=facts) for name, make in TENSOR_KINDS.items()},
    **OF_TORCH,
    **VALUES,
    **_numpy(),
}
