"""Objects that pickle, and cannot be made again: refused with the path to them."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from hermpkg_build.pickles.canonical import pickle_canonically
from hermpkg_build.pickles.package_reductions import PackageReductions
from hermpkg_build.pickles.path_of_failure import UnpicklableError
from hermpkg_build.pickles.trial import Trial


class TwoWordsError(Exception):
    """Reduces to a call with its message alone, as any exception does."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


class NeedsSize:
    def __new__(cls, size: int) -> NeedsSize:  # noqa: PYI034 -- typing.Self is not in Python 3.10
        return super().__new__(cls)


class LosesState:
    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.size = state.get("size").bit_length()  # type: ignore[union-attr]


class Elsewhere:
    """Cannot be made again here and now, which says nothing of another place."""

    def __reduce__(self) -> Any:
        return elsewhere, ()


def elsewhere() -> Any:
    raise OSError("the address is in use")


class Point(NamedTuple):
    x: int


class Plain:
    def __init__(self, part: Any = None) -> None:
        self.part = part


class Saving:
    """Reduces itself for packages."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.reduced = function, arguments

    def __reduce_package__(self, exporter: Any) -> Any:
        return self.reduced


EXPORTER = Plain()


def asks_for_a_text(importer: Any) -> str:
    return importer.load_text("saved", "a.txt")


def takes_one(importer: Any, one: Any) -> Any:
    assert not isinstance(one, Saving)
    return one


def runs(importer: Any, name: str) -> Any:
    return importer.import_module(name).answer()


def pickled(value: object, sources: dict[str, str] | None = None) -> Any:
    reductions = PackageReductions(EXPORTER)
    trial = Trial(import_module=importlib.import_module, source_of=(sources or {}).get, reductions=reductions)
    return pickle_canonically(value, name="model", persistent_id=reductions.persistent_id, trial=trial)


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        ({"a": [Plain(TwoWordsError("a", "b"))]}, 'model["a"][0].part', "TypeError: TwoWordsError.__init__"),
        (Plain((1, NeedsSize(1))), "model.part[1]", "TypeError: NeedsSize.__new__"),
        ({Plain(), Plain(LosesState())}, "model<element Plain>.part", "AttributeError: 'NoneType' object"),
        ([Plain(), Saving(takes_one)], "model[1]", "TypeError: takes_one() missing"),
        (Plain(Saving(runs, "made")), "model.part", "TypeError: answer() missing"),
    ],
)
def test_what_cannot_be_made_again_is_refused_with_its_path(value: object, path: str, reason: str) -> None:
    with pytest.raises(UnpicklableError) as caught:
        pickled(value, {"made": "def answer(question):\n    return 42\n"})
    assert caught.value.path == path
    assert caught.value.reason.startswith("it pickles, but cannot be made again of that: ")
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    "value",
    [
        Plain(Elsewhere()),
        Saving(asks_for_a_text),
        Saving(takes_one, Plain()),
        Saving(runs, "made"),
        Saving(runs, "imports"),
        [Saving(takes_one, Saving(asks_for_a_text).reduced[0])],
        {"point": Point(1), "error": ValueError("a", "b"), "plain": Plain()},
    ],
)
def test_nothing_else_is_refused(value: object) -> None:
    sources = {
        "made": "from json import loads\ndef answer():\n    return loads('42')\n",
        "imports": "import not_there\n",
    }
    assert (
        pickled(value, sources).data
        == pickle_canonically(value, persistent_id=PackageReductions(EXPORTER).persistent_id).data
    )


def test_plain_instances_are_not_tried() -> None:
    assert not pickle_canonically([Plain(Plain()), {"a": {1, 2}}]).runs_code
    assert pickle_canonically(Plain(LosesState())).runs_code


def test_the_tensors_of_a_model_are_not_touched() -> None:
    torch = pytest.importorskip("torch")
    for size in (4, 1 << 16):
        value = Filling(torch.ones(size))
        assert pickle.loads(pickle.dumps(value)).tensor[0] == 0
        value.tensor.fill_(1)
        pickled(value)
        assert bool(value.tensor.all())


class Filling:
    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.tensor = state["tensor"].zero_()


def test_sparse_tensors_are_tried_and_not_left_for_the_next_load_to_check() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.eye(3).to_sparse()
    noted = getattr(torch._utils, "_sparse_tensors_to_validate", None)
    if noted is None:  # Since torch 2.15, each thread has its own.
        noted = torch._utils._get_sparse_tensors_to_validate()
    noted.append(theirs)
    try:
        for layout in ("to_sparse", "to_sparse_csr"):
            # Large enough that a trial makes its indices of memory that nobody has written.
            for value in (getattr(torch.rand(200, 200), layout)(), torch.eye(3).to_sparse_bsr(3)):
                assert pickled(Plain(value)).runs_code
        assert [each is theirs for each in noted] == [True]
    finally:
        noted.clear()


def test_a_tensor_that_lost_its_storage_is_refused() -> None:
    torch = pytest.importorskip("torch")
    lost, kept, empty = torch.ones(2, 3), torch.ones(6), torch.ones(4)
    lost.untyped_storage().resize_(8)
    empty.untyped_storage().resize_(0)
    kept.resize_(2)
    for broken in (lost, empty, torch.nn.Parameter(empty)):
        with pytest.raises(UnpicklableError, match="reaches beyond its storage") as caught:
            pickled({"kept": kept, "broken": [broken]})
        assert caught.value.path.startswith('model["broken"][0]')
    whole = [kept, torch.ones(0, 3), torch.ones(3).expand(2, 3), torch.ones(6)[1::2], torch.tensor(1.0)]
    assert pickled([*whole, torch.quantize_per_tensor(kept, 0.1, 0, torch.qint8)]).data
