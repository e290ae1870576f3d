"""Runs an example through a model, in the process that packs it and in the one that checks the package.

Both processes use this module, so that they do the same.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from hermpkg_build.core.example_call import Arguments
from hermpkg_build.dataclass import dataclass
from hermpkg_build.factories.standard_modules import is_real, put_back, real_modules

SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchSettings:
    """What the numbers of a model depend on besides its code, in one process."""

    threads: int
    grad: bool
    dtype: str
    matmul: str
    deterministic: bool

    @classmethod
    def here(cls) -> TorchSettings | None:
        """The settings of this process; None where torch is not loaded."""
        torch = _real("torch")
        if torch is None:
            return None
        return cls(
            threads=torch.get_num_threads(),
            grad=torch.is_grad_enabled(),
            dtype=str(torch.get_default_dtype()).removeprefix("torch."),
            matmul=torch.get_float32_matmul_precision(),
            deterministic=torch.are_deterministic_algorithms_enabled(),
        )

    def use(self) -> None:
        """Make them those of this process."""
        import torch

        torch.set_num_threads(self.threads)
        torch.set_grad_enabled(self.grad)
        torch.set_default_dtype(getattr(torch, self.dtype))
        torch.set_float32_matmul_precision(self.matmul)
        # This imports torch's compiler, which takes as long as the rest of torch.
        if torch.are_deterministic_algorithms_enabled() != self.deterministic:
            torch.use_deterministic_algorithms(self.deterministic)


def run(model: Any, arguments: Arguments) -> Any:
    """What the model gives for the arguments, with fixed seeds.

    The random numbers of the process go on afterwards as if nothing had been run, and the buffers of a
    torch.nn.Module are as they were; so are modules that the model has hidden or faked meanwhile.
    """
    positional, named = arguments
    modules = real_modules()
    with fixed_seeds(), _buffers_kept(model):
        try:
            return model(*positional, **named)
        finally:
            put_back(modules)


@contextmanager
def fixed_seeds() -> Iterator[None]:
    """A context in which random numbers begin anew; afterwards they go on as if it had not been."""
    torch = _real("torch")
    numpy = _real("numpy")
    state = random.getstate()
    numpys = numpy.random.get_state() if numpy is not None else None
    torchs = torch.get_rng_state() if torch is not None else None
    devices = torch.cuda.get_rng_state_all() if torch is not None and torch.cuda.is_initialized() else None
    try:
        random.seed(SEED)
        if numpy is not None:
            numpy.random.seed(SEED)
        if torch is not None:
            torch.manual_seed(SEED)
        yield
    finally:
        random.setstate(state)
        if numpy is not None:
            numpy.random.set_state(numpys)
        if torch is not None:
            torch.set_rng_state(torchs)
        if devices is not None:
            torch.cuda.set_rng_state_all(devices)


@contextmanager
def _buffers_kept(model: Any) -> Iterator[None]:
    """Keep what a call changes in a module that learns statistics while it runs."""
    buffers = getattr(model, "named_buffers", None)
    kept: Mapping[str, Any] = {}
    if callable(buffers) and getattr(model, "training", False):
        kept = {name: (buffer, buffer.detach().clone()) for name, buffer in buffers()}
    try:
        yield
    finally:
        if kept:
            import torch

            with torch.no_grad():
                for buffer, before in kept.values():
                    buffer.copy_(before)


# ---- outputs as plain values

Leaf: TypeAlias = "tuple[str, Any]"
_PLAIN = (str, bytes, int, float, complex, bool, type(None))
_DEEPEST = 40


def leaves_of(value: Any) -> list[Leaf]:
    """The parts of a value that can be compared in another process, each with the path to it.

    A part is a tensor, an array of numpy as a tensor, a plain value, or the name of a type where nothing
    more is known of an object. Names of types have no module: a package has its own.
    """
    return [*_leaves(value, "output", ())]


def _real(name: str) -> Any:
    """The module `name`, if it is loaded, and none that only has its name."""
    module = sys.modules.get(name)
    return module if is_real(module) else None


def _leaves(value: Any, path: str, above: Sequence[int]) -> Iterator[Leaf]:
    torch = _real("torch")
    numpy = _real("numpy")
    if isinstance(value, _PLAIN):
        yield path, value
    elif torch is not None and isinstance(value, torch.Tensor):
        yield path, _plain_tensor(value)
    elif numpy is not None and isinstance(value, numpy.ndarray) and value.dtype.hasobject:
        # Its bytes are addresses.
        yield f"{path}:array", (str(value.dtype), value.shape)
        yield from _leaves(value.tolist(), path, above)
    elif numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        yield path, ("array", str(value.dtype), value.shape, value.tobytes())
    elif id(value) in above or len(above) > _DEEPEST:
        yield path, f"<{type(value).__qualname__} again>"
    else:
        inside = (*above, id(value))
        yield f"{path}:type", type(value).__qualname__
        for step, part in _parts(value):
            yield from _leaves(part, path + step, inside)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((f"[{index}]", part) for index, part in enumerate(value))
    elif isinstance(value, (set, frozenset)):
        yield ".elements", sorted(map(repr, value))
    elif isinstance(value, type) or callable(value):
        return
    else:
        attributes = dict(getattr(value, "__dict__", {}))
        slots = {name for cls in type(value).__mro__ for name in _slots(cls)}
        attributes.update({name: getattr(value, name) for name in sorted(slots) if hasattr(value, name)})
        yield from ((f".{name}", part) for name, part in attributes.items())


def _slots(cls: type) -> Sequence[str]:
    slots = cls.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _plain_tensor(tensor: Any) -> Any:
    """The tensor in main memory, of torch's own class, without the graph that led to it."""
    import torch

    tensor = tensor.detach()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    return tensor.cpu().as_subclass(torch.Tensor).resolve_conj().resolve_neg().clone()
