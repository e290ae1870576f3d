"""Pauses of the garbage collector: during loads, nested, and never where it was off before."""

from __future__ import annotations

import gc

import pytest

from hermpkg_build.core.collection_pause import paused_collection


@pytest.fixture(autouse=True)
def enabled():
    gc.enable()
    yield
    gc.enable()


def test_a_load_pauses_collection_and_ends_the_pause_whatever_happens(load) -> None:
    states = b"\x80\x03cstates\nnote\n)R."
    importer = load(
        {
            "states.py": """
                import gc
                seen = []
                def note():
                    seen.append(gc.isenabled())
                    raise KeyError
            """,
            "p/x.pkl": states,
        },
        ["gc"],
    )
    with pytest.raises(KeyError):
        importer.load_pickle("p", "x.pkl")
    assert importer.import_module("states").seen == [False]
    assert gc.isenabled()


def test_pauses_nest() -> None:
    with paused_collection:
        with paused_collection:
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    with paused_collection:
        pass
    assert not gc.isenabled()
