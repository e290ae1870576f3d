"""Calls that are made as one have the results that they have alone, and a wrong one fails alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build.integrations.together import Together

CALLS = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from([2, 3]), st.sampled_from([None, 1, 2])),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(batches=st.lists(CALLS, min_size=1, max_size=3))
def test_each_call_has_the_result_that_it_has_alone(batches):
    def function(x, y=None):
        return {"x": x * 2 + 1, "y": y}

    together = Together(function)
    for number, batch in enumerate(batches):
        calls = [
            ((torch.full((rows, columns), float(number + rows)),), {"y": y}) for rows, columns, y in batch
        ]
        for (args, kwargs), outcome in zip(calls, together(calls), strict=True):
            alone = function(*args, **kwargs)
            assert torch.allclose(outcome.value()["x"], alone["x"])
            assert outcome.value()["y"] == alone["y"]


def test_a_wrong_call_fails_alone_and_others_are_answered():
    model = torch.nn.Linear(3, 2)
    calls = [((torch.ones(1, 3),), {}), ((torch.ones(1, 4),), {}), ((torch.ones(1, 3),), {}), (("x",), {})]
    outcomes = Together(model)(calls)
    assert outcomes[0].value().shape == outcomes[2].value().shape == (1, 2)
    for wrong in (outcomes[1], outcomes[3]):
        with pytest.raises((RuntimeError, TypeError)):
            wrong.value()


def test_fewer_calls_are_made_than_were_asked_for():
    made = []

    def function(x):
        made.append(len(x))
        return x

    together = Together(function)
    calls = [((torch.ones(2, 3),), {})] * 4
    together(calls)
    assert made == [8, 2, 2, 2, 2]  # The first ones are also made alone.
    together(calls)
    assert made[5:] == [8]


def test_where_results_differ_the_reason_is_told_once(caplog):
    together = Together(lambda x: x - x.mean())
    calls = [((torch.tensor([float(number)]),), {}) for number in (1, 2)]
    for _ in range(2):
        assert [float(outcome.value()) for outcome in together(calls)] == [0, 0]
    assert len(caplog.records) == 1
    assert "a call alone has another result" in caplog.text
