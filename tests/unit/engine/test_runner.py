"""Running an action: recalled or done, recorded, counted and explained, all in one place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.core.label import Label
from hermpkg_build.disk.signatures import signature_of
from hermpkg_build.engine.action import Action
from hermpkg_build.engine.journal import Journal
from hermpkg_build.engine.notes import NoteBook
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.rebuilder import CachingRebuilder
from hermpkg_build.engine.results import ActionCounts
from hermpkg_build.engine.runner import ActionRunner, Done, Ran
from hermpkg_build.store.action_cache import ActionCache, ActionResult


class Bench:
    """A runner of one build, whose action gives the number of times that it was done."""

    def __init__(self, folder: Path, times: int = 0) -> None:
        self.journal = Journal(BuildObserver())
        self.notes = NoteBook(str(folder / "workspace"), self.journal)
        self.times = times
        self._runner = ActionRunner(CachingRebuilder(ActionCache(str(folder))), self.journal, self.notes)

    def run(
        self,
        seed: str = "1",
        *,
        reuse: Callable[[ActionResult], Ran[object] | None] = lambda r: Ran(value=r.facts, status="cached"),
        result: bool = True,
        discovered: dict[str, str] | None = None,
    ) -> Ran[object]:
        def do() -> Done[object]:
            self.times += 1
            kept = ActionResult(outputs={}, facts=self.times) if result else None
            return Done(value=self.times, result=kept, discovered=discovered)

        action = Action(kind="assemble", version=1, subject="//a:b", inputs={"seed": seed})
        state = None if discovered is None else discovered.get
        return self._runner.run(action, do, reuse=reuse, state=state)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_what_was_done_is_recalled_with_its_value(bench: Bench) -> None:
    assert bench.run() == Ran(value=1, status="built", reasons=("not built before",))
    assert bench.run() == Ran(value=1, status="cached")
    assert bench.run("2") == Ran(value=2, status="built", reasons=("seed changed from 1 to 2",))
    assert bench.journal.counts()["assemble"] == ActionCounts(run=2, cached=1)


def test_a_result_that_is_of_no_use_is_made_again(bench: Bench) -> None:
    bench.run()
    assert bench.run(reuse=lambda _: None) == Ran(value=2, status="built")
    assert bench.run() == Ran(value=2, status="cached")


def test_what_may_not_be_relied_on_is_not_recorded_but_explained(bench: Bench) -> None:
    bench.run(result=False)
    assert [action.recorded for action in bench.journal.executed] == [False]
    assert bench.run() == Ran(value=2, status="built")


def test_inputs_that_show_while_it_runs_are_asked_for_the_next_time(bench: Bench) -> None:
    bench.run(discovered={"a.txt": "old"})
    assert bench.run(discovered={"a.txt": "old"}).status == "cached"
    changed = bench.run(discovered={"a.txt": "new"})
    assert changed == Ran(value=2, status="built", reasons=("a.txt changed from old to new",))


def test_reasons_count_from_the_last_build_even_if_that_recalled(tmp_path: Path) -> None:
    Bench(tmp_path).run("1")
    Bench(tmp_path, times=1).run("2")
    assert Bench(tmp_path).run("1").status == "cached"
    assert Bench(tmp_path).run("3").reasons == ("seed changed from 1 to 3",)


def test_notes_that_cannot_be_kept_are_a_warning(tmp_path: Path) -> None:
    (tmp_path / "workspace").write_text("in the way")
    bench = Bench(tmp_path)
    assert bench.run().status == "built"
    (warning,) = bench.journal.warnings
    assert warning.startswith("cannot keep notes for the next build")


def test_that_notes_cannot_be_kept_is_told_once(tmp_path: Path) -> None:
    """For each target and for all of them together the system has another reason."""
    (tmp_path / "workspace").write_text("in the way")
    bench = Bench(tmp_path)
    bench.run()
    bench.journal.notes_not_kept(OSError("another reason"))
    assert len(bench.journal.warnings) == 1


def test_an_artifact_in_place_is_known_by_its_signature(bench: Bench, tmp_path: Path) -> None:
    artifact = tmp_path / "a.pt"
    artifact.write_bytes(b"one")
    digest = Digest.of(b"one")
    bench.notes.keep_artifact(Label("a", "b"), str(artifact), digest, signature_of(artifact.stat()))
    assert bench.notes.is_in_place(Label("a", "b"), str(artifact), digest)
    assert not bench.notes.is_in_place(Label("a", "b"), str(artifact), Digest.of(b"two"))
    artifact.write_bytes(b"other")
    assert not bench.notes.is_in_place(Label("a", "b"), str(artifact), digest)
