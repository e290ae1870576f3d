"""The examples in docstrings run, each module's in a folder of its own, and the public names have some."""

from __future__ import annotations

import doctest
import inspect
from importlib import import_module
from pathlib import Path

import pytest

import hermpkg_build
from hermpkg_build import analyze

ROOT = Path(hermpkg_build.__file__).parent

WITHOUT_EXAMPLES = {
    # A type, a version, and errors, whose messages are shown where they are raised.
    "EmptyMatchError",
    "GlobPattern",
    "ObjMismatchError",
    "ObjNotFoundError",
    "PackagingErrorReason",
    "__version__",
}


def modules_with_examples() -> list[str]:
    """The dotted names of the modules that have ``>>>`` in their text."""
    files = [path for path in ROOT.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8")]
    names = [".".join(path.relative_to(ROOT.parent).with_suffix("").parts) for path in files]
    return sorted(name.removesuffix(".__init__") for name in names)


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(
        import_module(name), optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    )
    assert tried, f"doctest finds none of the examples of {name}"
    assert not failed, f"{failed} of {tried} examples of {name} say something else"


PUBLIC = [
    *(f"hermpkg_build:{name}" for name in hermpkg_build.__all__ if name not in WITHOUT_EXAMPLES),
    *(f"hermpkg_build.analyze:{name}" for name in analyze.__all__),
    "hermpkg_build.core.canonical_json:dumps",
    "hermpkg_build.core.digest:Digest",
    "hermpkg_build.core.label:Label",
    "hermpkg_build.core.label:TargetPattern",
    "hermpkg_build.core.policy:PolicyRule",
    "hermpkg_build.core.policy:PolicyTable",
]


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_have_examples(name):
    module, _, attribute = name.partition(":")
    value = getattr(import_module(module), attribute)
    documented = value if inspect.isclass(value) or inspect.isfunction(value) else type(value)
    assert ">>> " in (inspect.getdoc(documented) or "")


def test_an_example_that_is_wrong_is_found(tmp_path):
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(test, out=lambda text: None)
    assert runner.failures == 1
