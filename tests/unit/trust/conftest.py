"""Fixtures: artifacts written by hand, policies in files, a process that has read no policy yet."""

from __future__ import annotations

import textwrap
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from hermpkg_build.trust import policy_file

Content = str | bytes


def write_artifact(path: Path, files: Mapping[str, Content], externs: Sequence[str] = ()) -> Path:
    """An archive of `files` as torch.package writes it; texts are dedented."""
    records: dict[str, Content] = {
        ".data/version": "6\n",
        ".data/extern_modules": "".join(f"{name}\n" for name in externs),
        **files,
    }
    with zipfile.ZipFile(path, "w") as file:
        for name, content in records.items():
            file.writestr(f"thing/{name}", textwrap.dedent(content) if isinstance(content, str) else content)
    return path


@pytest.fixture
def artifact(tmp_path: Path) -> Callable[..., Path]:
    def make(files: Mapping[str, Content], externs: Sequence[str] = (), name: str = "thing.pt") -> Path:
        return write_artifact(tmp_path / name, files, externs)

    return make


@pytest.fixture
def policy(tmp_path: Path) -> Callable[..., Path]:
    def make(text: str, name: str = "trust.toml") -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return make


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The policies of a process hold as long as it lives; each test is to be one."""
    monkeypatch.delenv("HERMPKG_TRUST", raising=False)
    monkeypatch.setattr(policy_file, "_policies", {})
    monkeypatch.setattr(policy_file, "_texts", set())
