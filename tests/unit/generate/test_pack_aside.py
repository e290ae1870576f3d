"""What is wrong with the file that `pack` writes aside is told of the file that was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.generate.pack import _aside


def fail_aside(path: str) -> None:
    with _aside(path) as aside:
        Path(aside).write_bytes(b"half")
        raise LocalEnvironmentError("cannot write", facts=[("file", aside), ("reason", "the disk is full")])


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    path = str(tmp_path / "net.pt")
    with pytest.raises(LocalEnvironmentError) as raised:
        fail_aside(path)
    assert raised.value.facts == (("file", path), ("reason", "the disk is full"))
    assert list(tmp_path.iterdir()) == []
