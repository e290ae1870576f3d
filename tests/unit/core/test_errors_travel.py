"""Errors can be sent to other processes, whatever their classes ask for, and say the same there."""

from __future__ import annotations

import pickle
from importlib import import_module
from pathlib import Path

import pytest

import hermpkg_build
from hermpkg_build.errors import GroupedError, HermpkgError, Location
from hermpkg_build.signing.failures import SignatureError
from hermpkg_build.trust.errors import Refusal, RefusalKind, TrustError

PLACE = Location("app/BUILD", 3, 5)


def all_errors() -> list[type[HermpkgError]]:
    """Every class of errors in the modules that define one."""
    root = Path(hermpkg_build.__file__).parent
    for file in root.rglob("*.py"):
        if "Error(" in file.read_text(encoding="utf-8"):
            name = ".".join(file.relative_to(root.parent).with_suffix("").parts)
            try:
                import_module(name.removesuffix(".__init__"))
            except ImportError:
                continue  # It needs a library that is not installed here.
    found, wanted = set(), [HermpkgError]
    while wanted:
        cls = wanted.pop()
        found.add(cls)
        wanted += cls.__subclasses__()
    return sorted(found, key=lambda cls: (cls.__module__, cls.__qualname__))


@pytest.mark.parametrize("cls", all_errors(), ids=lambda cls: cls.__qualname__)
def test_an_error_of_each_class_comes_back(cls):
    error = cls.__new__(cls, "it failed")
    HermpkgError.__init__(error, "it failed", location=PLACE, facts=[("file", "a")], next_step="mend it")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert HermpkgError.render(again) == HermpkgError.render(error)


@pytest.mark.parametrize(
    "error",
    [
        SignatureError("no signature", fault="missing"),
        GroupedError("two errors", [HermpkgError("one"), SignatureError("two", fault="link")]),
        TrustError(
            "not accepted",
            refusals=[Refusal(kind=RefusalKind.DIGEST, name="net.pt", reason="it is another", policy="p")],
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_fields_of_their_own_come_too(error):
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.args == error.args
    assert {name: repr(value) for name, value in vars(again).items()} == {
        name: repr(value) for name, value in vars(error).items()
    }
