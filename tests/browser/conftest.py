"""Pages in a real browser, one for all tests; skipped where there is none, or no library for charts."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.writer import Record, write_archive
from hermpkg_build.explorer.artifact_page import artifact_page
from hermpkg_build.explorer.difference_page import difference_page
from hermpkg_build.explorer.page import html_page

HERE = Path(__file__).parent


def loaded(name: str, path: Path) -> ModuleType:
    """The module at `path`, which is no part of a package."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


chromium = loaded("driven_browser", HERE / "browser.py")
by_hand = loaded("made_by_hand_for_pages", HERE.parent / "unit" / "inspection" / "conftest.py")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if chromium.COMMAND is None:
        pytest.skip("there is no Chromium: sh tests/browser/install.sh")
    if importlib.util.find_spec("bokeh") is None:
        pytest.skip("the extra `look` is not installed")
    opened = chromium.Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Make the page of one archive, or of two, each given by its records, and open it."""
    pages = []

    def archive(name: str, records: dict[str, bytes], root: str) -> ArchiveReader:
        path = tmp_path / name
        records = {".data/version": b"6\n", ".data/extern_modules": b"torch\nnumpy\n", **records}
        content = [Record(name=n, content=data) for n, data in sorted(records.items())]
        write_archive(str(path), root=root, records=content)
        return ArchiveReader(path)

    def make(*archives: dict[str, bytes], root: str = "net", **shown: Any) -> Any:
        with archive("a.pt", archives[0], root) as a:
            if len(archives) == 1:
                data = artifact_page(a)
            else:
                with archive("b.pt", archives[1], root) as b:
                    data = difference_page(a, b)
        file = tmp_path / "page ü.html"
        file.write_text(html_page(data), encoding="utf-8")
        page = browser.open(file.as_uri(), **shown)
        pages.append(page)
        return page

    yield make
    for page in pages:
        page.close()


@pytest.fixture
def small() -> dict[str, bytes]:
    """The records of an artifact with tensors that share, code in packages, and a data file."""
    tensors = {
        "weight": by_hand.tensor(0, (20, 3)),
        "view": by_hand.tensor(0, (3,), offset=60),
        "bias": by_hand.tensor(1, (2,)),
    }
    return {
        "model/model.pkl": by_hand.module(tensors),
        ".data/0.storage": bytes(400),
        ".data/1.storage": bytes(8),
        "models/__init__.py": b"",
        "models/net.py": b"import torch\nfrom models import layers\n",
        "models/layers.py": b"x = 1\ntry:\n    import numpy\nexcept ImportError:\n    numpy = None\n",
        "models/words.txt": b"hello\n",
    }
