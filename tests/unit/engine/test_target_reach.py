"""Which python_modules targets others reach: the same, in the same order, as a walk over labels finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.core.label import Label
from hermpkg_build.core.target import PythonModules
from hermpkg_build.engine.target_reach import TargetReach

COUNT = 8
EDGES = st.lists(st.lists(st.integers(0, COUNT - 1), max_size=3), min_size=COUNT, max_size=COUNT)


def _targets(edges: list[list[int]]) -> dict[Label, PythonModules]:
    return {
        Label("", str(number)): PythonModules(
            label=Label("", str(number)),
            location=None,
            srcs=(),
            deps=tuple(Label("", str(other)) for other in others if other < number),
            resources=(Label("", f"{number}.txt"),) if number % 2 else (),
        )
        for number, others in enumerate(edges)
    }


def _walked(labels: list[Label], targets: dict[Label, PythonModules]) -> list[Label]:
    queue = list(dict.fromkeys(labels))
    for label in queue:
        queue += [other for other in dict.fromkeys(targets[label].deps) if other not in queue]
    return queue


@given(EDGES, st.lists(st.lists(st.integers(0, COUNT - 1), max_size=3), max_size=4))
def test_near_ones_come_first(edges: list[list[int]], asked: list[list[int]]) -> None:
    targets, reach = _targets(edges), TargetReach()
    for numbers in asked:
        labels = [Label("", str(number)) for number in numbers]
        found = reach.owners(labels, targets)
        assert [*found.labels] == [target.label for target in found.targets] == _walked(labels, targets)
        assert [*found.with_resources] == [target for target in found.targets if target.resources]
