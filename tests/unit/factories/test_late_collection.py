"""While a library is imported no garbage is collected, and afterwards all is as it was for whoever asks."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hermpkg_build.factories.late_collection import collecting_late


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    thresholds, frozen = gc.get_threshold(), gc.get_freeze_count()
    gc.unfreeze()  # whatever started this process
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    if frozen:
        gc.freeze()


ALONE = """
import gc
from hermpkg_build.factories.late_collection import collecting_late

collected = []
thresholds = gc.get_threshold()
gc.callbacks.append(lambda phase, _: collected.append(phase))
with collecting_late():
    made = [[] for _ in range(100_000)]
during = list(collected)
gc.callbacks.pop()
assert not during
assert gc.get_threshold() == thresholds
assert gc.get_freeze_count() == 0
assert any(made is each for each in gc.get_objects())
assert all(made is not each for each in gc.get_objects(generation=0))
print("all is so")
"""


def test_nothing_is_collected_and_what_was_made_is_old() -> None:
    # Not in this process: it has many more objects to go through.
    ran = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "all is so\n"), ran.stderr


def test_what_code_has_set_itself_stays() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    with collecting_late():
        gc.set_threshold(5, 6, 7)
    assert gc.get_threshold()[:2] == (5, 6)
    assert 0 < gc.get_freeze_count() <= frozen, "some are gone, and none came"


def test_a_library_that_cannot_be_imported_leaves_no_trace() -> None:
    thresholds = gc.get_threshold()
    with pytest.raises(ImportError), collecting_late():
        raise ImportError
    assert gc.get_threshold() == thresholds
