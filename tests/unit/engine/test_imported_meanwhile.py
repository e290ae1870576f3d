"""What is imported while a build waits is there when it goes on, and nobody waits for what cannot be had."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from hermpkg_build.engine.imported_meanwhile import imported_meanwhile


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "waited_for.py").write_text("import threading\nTHREAD = threading.get_ident()\n")
    (tmp_path / "failing.py").write_text("raise ValueError('text')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("waited_for", "failing"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_another_thread_imports_what_is_not_there() -> None:
    with imported_meanwhile("os", "waited_for"):
        pass
    assert threading.get_ident() != sys.modules["waited_for"].THREAD
    threads = threading.active_count()
    with imported_meanwhile("waited_for"):
        assert threading.active_count() == threads


def test_what_cannot_be_imported_is_told_by_whoever_needs_it() -> None:
    with imported_meanwhile("failing", "nowhere_to_be_found"):
        pass
    with pytest.raises(ValueError, match="text"):
        __import__("failing")


def test_where_there_can_be_no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with imported_meanwhile("waited_for"):
        pass
    assert "waited_for" not in sys.modules


def test_an_error_of_what_is_waited_for_is_that_error() -> None:
    with pytest.raises(KeyError), imported_meanwhile("waited_for"):
        raise KeyError
    assert "waited_for" in sys.modules
