"""The law of compatibility: what torch.package makes of random calls of an exporter, we make of them, too."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

pytest.importorskip("torch")

from tests.compat.compared_exports import disagreements, forget, write_sources
from tests.compat.random_exports import Export, exports


def check(export: Export, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setattr(sys, "dont_write_bytecode", True)
        write_sources(export, folder)
        try:
            assert [*disagreements(export)] == []
        finally:
            forget()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(exports())
def test_the_same_calls_come_to_the_same(tmp_path, monkeypatch, export):
    check(export, tmp_path, monkeypatch)


@pytest.mark.thorough
@settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(exports())
def test_the_same_calls_come_to_the_same_many_times(tmp_path, monkeypatch, export):
    check(export, tmp_path, monkeypatch)
