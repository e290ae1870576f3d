"""Makes calls of one artifact in a worker, alone or together."""

from __future__ import annotations

import inspect
import operator
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Literal, NamedTuple

from hermpkg_build.archive.pickled_models import EXAMPLE, example_record
from hermpkg_build.core.example_call import Arguments, arguments_of
from hermpkg_build.runtime.importer import PackageImporter
from hermpkg_build.serving.channel import Part
from hermpkg_build.serving.inside.batches import alike
from hermpkg_build.serving.inside.joining import Joiner
from hermpkg_build.serving.raised import pack_raised
from hermpkg_build.serving.requests import Callee, Parameter, Target
from hermpkg_build.serving.tensors import moved
from hermpkg_build.serving.transfer import pack, unpack

Outcome = tuple[Literal["value", "raised"], list[Part]]
"""How a call ended, and the parts with its result or exception."""

_OWN_FRAMES = 2
"""Of this module, in the traceback of an exception that a call raises."""


class _Asked(NamedTuple):
    """A call that was read: its arguments, and what makes its answer of the result."""

    arguments: Arguments
    answer: Callable[[Any], Any]


class Runner:
    """Calls what an artifact holds; each pickle is loaded once. With `grad`, autograd records calls.

    `version` is what answers to requests say of it. With a `device`, pickles and arguments have their tensors
    there, and results on the CPU.
    """

    def __init__(
        self, importer: PackageImporter, *, grad: bool, version: int = 1, device: str | None = None
    ) -> None:
        self._device = device
        self._importer = importer
        self._prefix = importer.id()
        self._grad = grad
        self._version = version
        self._objects: dict[Target, Any] = {}
        self._parameters: dict[Callee, list[Parameter]] = {}
        self._joiners: defaultdict[Callee, Joiner] = defaultdict(Joiner)

    def load(self, target: Target) -> Any:
        """Return the object of a target."""
        if target not in self._objects:
            if isinstance(target, str):
                module, _, name = target.partition(":")
                found = operator.attrgetter(name)(self._importer.import_module(module))
            else:
                found = self._importer.load_pickle(*target, map_location=self._device)
            self._objects[target] = found
        return self._objects[target]

    def run(self, callee: Callee, parts: Sequence[Part]) -> Outcome:
        """Make one call, whose arguments are in `parts`."""
        try:
            asked = self._asked(callee, parts)
            return self._finished(asked.answer(self._call(callee, asked.arguments)))
        except BaseException as error:  # noqa: BLE001 -- it is the caller's to see
            return "raised", pack_raised(error, frames_of_ours=_OWN_FRAMES)
        finally:
            _flush()

    def run_together(
        self, callee: Callee, calls: Sequence[Sequence[Part]], begin: Callable[[int], None]
    ) -> tuple[list[Outcome], str]:
        """Make calls together that can be, and the others one by one; `begin` is told of each of these.

        Return the outcomes, and why none can be made together, if that is so.
        """
        outcomes: dict[int, Outcome] = {}
        asked = [self._asked_or_wrong(callee, parts) for parts in calls]
        for indices in alike([None if each is None else each.arguments for each in asked]):
            begin(indices[0])
            group = [each for index in indices if (each := asked[index]) is not None]
            outcomes.update(zip(indices, self._run_joined(callee, group), strict=False))
        for index, parts in enumerate(calls):
            if index not in outcomes:
                begin(index)
                outcomes[index] = self.run(callee, parts)
        return [outcomes[index] for index in range(len(calls))], self._joiners[callee].apart

    def _asked_or_wrong(self, callee: Callee, parts: Sequence[Part]) -> _Asked | None:
        """Read a call; what is wrong with one is told when it is made alone."""
        with suppress(Exception):
            return self._asked(callee, parts)
        return None

    def _run_joined(self, callee: Callee, calls: Sequence[_Asked]) -> list[Outcome]:
        """Make calls as one; return nothing where they are to be made one by one."""
        try:
            results = self._joiners[callee].results(
                partial(self._call, callee), [asked.arguments for asked in calls]
            )
            return [
                self._finished(asked.answer(result))
                for asked, result in zip(calls, results, strict=bool(results))
            ]
        except BaseException:  # noqa: BLE001 -- one of the calls is wrong: it alone shall fail
            return []
        finally:
            _flush()

    def _asked(self, callee: Callee, parts: Sequence[Part]) -> _Asked:
        given: Arguments = unpack(parts, self._prefix, self._device)
        if not callee.infers:
            return _Asked(given, _itself)
        from hermpkg_build.serving.protocol.calls import read_call

        if callee not in self._parameters:
            self._parameters[callee] = _parameters(self._called(callee))
        arguments, answer = read_call(given[0][0], self._parameters[callee], self._version)
        return _Asked(arguments if self._device is None else moved(arguments, self._device), answer)

    def _called(self, callee: Callee) -> Any:
        called = self.load(callee.target)
        if callee.method:
            called = operator.attrgetter(callee.method)(called)
        elif not callable(called):
            raise TypeError(
                f"{callee} is a {type(called).__name__}, which cannot be called: name a method of it"
            )
        return called

    def _call(self, callee: Callee, arguments: Arguments) -> Any:
        called = self._called(callee)
        if callee.describe:
            return _parameters(called)
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.set_grad_enabled(self._grad)
        if callee.example:
            if not self._has_example(callee.target):
                return None
            example = self._importer.load_pickle(callee.target[0], EXAMPLE, map_location=self._device)
            arguments = arguments_of(example)
        args, kwargs = arguments
        result = called(*args, **kwargs)
        if inspect.iscoroutine(result):
            import asyncio

            result = asyncio.run(result)
        return _description(called, arguments, result) if callee.example else result

    def _has_example(self, target: Target) -> bool:
        return not isinstance(target, str) and example_record(target[0]) in self._importer.record_names()

    def _finished(self, result: object) -> Outcome:
        return "value", pack(result, to_cpu=self._device is not None)


def _itself(result: Any) -> Any:
    return result


def _description(called: Any, arguments: Arguments, result: Any) -> Any:
    from hermpkg_build.serving.protocol.description import described_call

    return described_call(_parameters(called), arguments, result)


def _parameters(called: Any) -> list[Parameter]:
    """Return the parameters of what is called; those of the method that a module of torch calls."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(called, torch.nn.Module):
        called = called.forward
    many = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [
        Parameter(
            name=each.name,
            by_name=each.kind in by_name,
            needed=each.default is inspect.Parameter.empty and each.kind not in many,
            takes_many=each.kind in many,
        )
        for each in inspect.signature(called).parameters.values()
    ]


def _flush() -> None:
    """Let what a call has printed be seen, whatever becomes of this process."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
