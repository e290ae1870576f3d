"""What an artifact holds as something to call: found by name, loaded once, with or without autograd."""

from __future__ import annotations

import inspect
import operator
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

from hermpkg_build.archive.layout import resource_record_name
from hermpkg_build.archive.pickled_models import EXAMPLE, example_record, model_meant, pickled_models
from hermpkg_build.core.module_names import top_of
from hermpkg_build.errors import HermpkgError
from hermpkg_build.runtime.importer import PackageImporter
from hermpkg_build.serving.tensors import moved

Target: TypeAlias = "tuple[str, str] | str"
"""A pickle by package and resource, or a packaged function or class: ``"app.serve:predict"``."""


class ModelNotFoundError(HermpkgError, LookupError):
    """An artifact does not hold what is to be called, or holds several that could be meant."""


class TrainingModeWarning(UserWarning):
    """Warns that a model was packed in training mode, and is called in that mode."""


class PackedModel:
    """The object that `target` names in an open artifact, or a method of it, to be called.

    Without a target it is the artifact's only pickle, or else ``("model", "model.pkl")``. `method` may have
    dots. With `grad` autograd records calls, as it does where the object is called as it is. With a `device`
    its tensors are loaded to that, those of arguments are put there, and those of results on the CPU.

    >>> import torch
    >>> from hermpkg_build import PackageExporter
    >>> with PackageExporter("linear.pt") as exporter:
    ...     exporter.extern("**")
    ...     exporter.save_pickle("model", "model.pkl", torch.nn.Identity().eval())
    >>> model = PackedModel(PackageImporter("linear.pt"))
    >>> model(torch.ones(2)), str(model)
    (tensor([1., 1.]), 'model/model.pkl of linear.pt')

    Raises ModelNotFoundError, and what loading raises.
    """

    def __init__(
        self,
        importer: PackageImporter,
        target: Target | None = None,
        method: str = "",
        *,
        grad: bool = False,
        device: str | None = None,
    ) -> None:
        self._device = device
        self.target: Target = target_in(importer, target)
        self.uses_torch: bool = any(top_of(name) == "torch" for name in importer.extern_modules)
        self._importer = importer
        self._method = method
        self._grad = grad
        self.loaded: Any = _loaded(importer, self.target, device)
        self.function: Callable[..., Any] = self._function()
        if getattr(self.loaded, "training", False) is True:
            warnings.warn(
                f"{self} was packed in training mode, and is called in it: call eval() before you pack",
                TrainingModeWarning,
                stacklevel=2,
            )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it; a coroutine is run to its end."""
        if self._device is not None:
            args, kwargs = moved((args, kwargs), self._device)
        with self._autograd():
            result = self.function(*args, **kwargs)
            if inspect.iscoroutine(result):
                import asyncio

                result = asyncio.run(result)
            return result if self._device is None else moved(result, "cpu")

    def __str__(self) -> str:
        return f"{_shown(self.target, self._method)} of {self._importer.filename}"

    def signature(self) -> inspect.Signature | None:
        """Return what arguments it takes; None where Python cannot say."""
        function = self.function
        forward = getattr(function, "forward", None)
        if "torch" in {top_of(cls.__module__) for cls in type(function).__mro__} and callable(forward):
            function = forward  # That of a torch.nn.Module's own call takes anything.
        try:
            return inspect.signature(function)
        except (TypeError, ValueError):
            return None

    def has_example(self) -> bool:
        """Whether the artifact has recorded the arguments of a call."""
        return has_example(self._importer, self.target)

    def example(self) -> Any:
        """Load the recorded arguments of a call, as `pack` takes them. Raises RecordNotFoundError."""
        return self._importer.load_pickle(self.target[0], EXAMPLE)

    def _function(self) -> Callable[..., Any]:
        try:
            found: Any = operator.attrgetter(self._method)(self.loaded) if self._method else self.loaded
        except AttributeError:
            found = None
        if not callable(found):
            kind = type(self.loaded).__qualname__
            raise ModelNotFoundError(
                f"the object in the artifact has no method {self._method!r}"
                if self._method
                else "the object in the artifact cannot be called",
                facts=[("object", f"{_shown(self.target)} of {self._importer.filename}, a {kind}")],
                next_step="name one of its methods: method=...",
            )
        function: Callable[..., Any] = found
        return function

    def _autograd(self) -> AbstractContextManager[object]:
        if not self.uses_torch:
            return nullcontext()
        import torch

        context: AbstractContextManager[object] = torch.set_grad_enabled(self._grad)
        return context


def target_in(importer: PackageImporter, target: Target | None) -> Target:
    """Return `target` if the artifact holds it, or what it holds where that is None.

    Nothing is loaded. Raises ModelNotFoundError.
    """
    records = {*importer.record_names()}
    if isinstance(target, str):
        module, colon, name = target.partition(":")
        if not (module and colon and name):
            raise ModelNotFoundError(
                f"{target!r} names nothing in an artifact",
                next_step='name a pickle, ("model", "model.pkl"), or a function, "app.serve:predict"',
            )
        return target
    if target is not None:
        package, resource = target
        if resource_record_name(package, resource) in records:
            return package, resource
        raise _not_found(importer, f"the artifact has no pickle {package}/{resource}")
    if (meant := model_meant(_pickles(importer))) is not None:
        return meant
    raise _not_found(importer, "the artifact does not say which of its objects is the model")


def has_example(importer: PackageImporter, target: Target) -> bool:
    """Whether the arguments of a call of `target` are recorded, in a pickle beside its own."""
    return not isinstance(target, str) and example_record(target[0]) in importer.record_names()


def _loaded(importer: PackageImporter, target: Target, device: str | None) -> Any:
    if not isinstance(target, str):
        return importer.load_pickle(*target, map_location=device)
    module, _, name = target.partition(":")
    try:
        return operator.attrgetter(name)(importer.import_module(module))
    except AttributeError:
        raise ModelNotFoundError(
            f"the module {module} has no {name}", facts=[("file", importer.filename)]
        ) from None


def _pickles(importer: PackageImporter) -> Sequence[tuple[str, str]]:
    return pickled_models(importer.record_names(), importer.read_record)


def _not_found(importer: PackageImporter, summary: str) -> ModelNotFoundError:
    pickles = _pickles(importer)
    facts = [("file", importer.filename), *(("pickle", repr(each)) for each in pickles[:10])]
    step = (
        f"say which: model={pickles[0]!r}"
        if pickles
        else 'name a packaged function: model="app.serve:predict"'
    )
    return ModelNotFoundError(summary, facts=facts, next_step=step)


def _shown(target: Target, method: str = "") -> str:
    name = target if isinstance(target, str) else "/".join(target)
    return f"{name}.{method}" if method else name
