"""The site of the documentation, as `make docs` builds it, in a real browser: narrow, wide, searched."""

from __future__ import annotations

import fcntl
import functools
import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = REPOSITORY / ".venv-docs" / "bin" / "python"
NARROW, WIDE = 375, 1280


class Quiet(SimpleHTTPRequestHandler):
    """Gives files, and says nothing of it."""

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site in a folder that has an older version already, built once for all processes of the tests."""
    if not PYTHON.exists():
        pytest.skip("there is no .venv-docs: make docs")
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    with (root / "site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = root / "a site ü"
        if not made.exists():
            (made / "0.0.9").mkdir(parents=True)
            (made / "0.0.9" / "index.html").write_text("<h1>the old one</h1>", encoding="utf-8")
            command = [PYTHON, REPOSITORY / "docs/site/make.py", made]
            outcome = subprocess.run(command, capture_output=True, text=True, check=False)
            assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return made


@pytest.fixture(scope="module")
def version(folder: Path) -> str:
    listed = json.loads((folder / "versions.json").read_text(encoding="utf-8"))
    newest, old = (entry["version"] for entry in listed)
    assert old == "0.0.9"
    return str(newest)


@pytest.fixture(scope="module")
def address(folder: Path, version: str) -> Iterator[str]:
    """Where a server gives the newest version."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=os.fspath(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/{version}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open pages, which close after the test, having asked the web for nothing and complained of nothing."""
    pages = []

    def make(url: str, width: int = WIDE) -> Any:
        pages.append(browser.open(url, width=width))
        return pages[-1]

    yield make
    for page in pages:
        own = ("http://127.0.0.1", "file:", "data:", "blob:")
        assert [url for url in page.requests() if not url.startswith(own)] == []
        # Without a server there is no list of versions, which a browser says.
        assert [text for text in page.problems() if "'file:" not in text and "ERR_FAILED" not in text] == []
        page.close()


WIDEST = ("index", "explanation/architecture", "how-to/migrate-from-torch-package", "reference/command-line")
WIDEST += ("reference/python-exporting", "reference/rules", "reference/versions", "examples/vision")


def check_width(page: Any, url: str, width: int) -> None:
    """Open an address, see that nothing but code and tables goes over the edge, and all pictures."""
    page.call("Page.navigate", url=url)
    page.wait(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")
    free = "!e.parentElement.closest('pre, table, .md-typeset__scrollwrap')"
    over = f"(e) => e.getBoundingClientRect().right > {width + 1} && {free}"
    assert (
        page.run(f"[...document.querySelectorAll('article *')].filter({over}).map((e) => e.outerHTML)") == []
    ), url
    lost = "[...document.images].filter((i) => !i.complete || !i.naturalWidth).map((i) => i.src)"
    assert page.run(lost) == [], url


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_pages_fit_the_window(opened: Any, address: str, width: int) -> None:
    page = opened(address + "index.html", width)
    for name in WIDEST:
        check_width(page, f"{address}{name}.html", width)
        assert page.run("document.documentElement.scrollWidth") <= width, name


def test_no_page_counts_from_the_root_of_the_server(folder: Path, version: str) -> None:
    pages = [*(folder / version).rglob("*.html")]
    assert len(pages) > 70
    assert [page.name for page in pages if re.search(r'(?:src|href)="/', page.read_text("utf-8"))] == []


@pytest.mark.thorough
def test_all_pages_fit_the_window(opened: Any, address: str, folder: Path, version: str) -> None:
    pages = sorted((folder / version).rglob("*.html"))
    assert len(pages) > 70
    page = opened(address + "index.html", NARROW)
    page.call("Emulation.setScriptExecutionDisabled", value=True)  # All is laid out without, and much sooner.
    for path in pages:
        check_width(page, address + quote(path.relative_to(folder / version).as_posix()), NARROW)


def found(page: Any, words: str) -> list[str]:
    """Search by the keyboard, and give the addresses of what is found."""
    page.wait("document.querySelector('[data-md-component=search-query]') !== null")
    page.press("/")
    page.wait("document.activeElement.matches('[data-md-component=search-query]')")
    page.type(words[:-1])
    page.press(words[-1])  # The page looks at what is written when a key is let go.
    page.wait("document.querySelectorAll('.md-search-result__link').length > 0")
    return page.run("[...document.querySelectorAll('.md-search-result__link')].map((link) => link.href)")


def test_a_search_finds_what_is_asked_for(opened: Any, address: str, folder: Path, version: str) -> None:
    for start in (
        address + "index.html",
        (folder / version / "index.html").as_uri(),
    ):  # with a server, and without
        assert any("reference/rules.html" in link for link in found(opened(start), "glob"))
    assert any("python-packing.html" in link for link in found(opened(address + "index.html"), "PackReport"))


def test_the_navigation_leads_from_tab_to_page(opened: Any, address: str) -> None:
    wide = opened(address + "index.html")
    tabs = "[...document.querySelectorAll('.md-tabs__link')].map((e) => [e.innerText, e.href])"
    wide.call("Page.navigate", url=dict(wide.run(tabs))["Reference"])
    wide.wait("location.pathname.endsWith('/reference/index.html') && document.readyState === 'complete'")
    shown = (
        "[...document.querySelectorAll('.md-nav--primary .md-nav__link')].map((e) => e.textContent.trim())"
    )
    assert {"The command line", "Python", "Exporting", "Versions"} <= {*wide.run(shown)}


def test_the_navigation_of_a_narrow_window_is_a_drawer(opened: Any, address: str) -> None:
    page = opened(address + "how-to/index.html", NARROW)
    left = "document.querySelector('.md-sidebar--primary').getBoundingClientRect().right"
    assert page.run(left) <= 0
    page.click("label.md-header__button[for=__drawer]")
    page.wait(f"{left} > 200")


def test_diagrams_are_drawn(opened: Any, address: str) -> None:
    if not (REPOSITORY / ".venv-docs/node_modules/mermaid").exists():
        pytest.skip("npm has not brought the script that draws them")
    page = opened(address + "explanation/architecture.html")
    page.wait("document.querySelector('div.mermaid')?.getBoundingClientRect().height > 100")


def test_the_python_api_has_types_and_examples(opened: Any, address: str) -> None:
    page = opened(address + "reference/python-importing.html")
    text = page.run("document.querySelector('article').innerText")
    assert "file_or_buffer: Source" in text
    assert "as_type: type[_T]" in text
    assert "map_location: MapLocation = None" in text
    examples = "[...document.querySelectorAll('article .highlight')].map((e) => e.innerText)"
    assert any(">>> with PackageImporter" in code for code in page.run(examples))
    assert ">>>" not in page.run(
        "[...document.querySelectorAll('article p')].map((e) => e.innerText).join(' ')"
    )


def test_other_versions_can_be_chosen(opened: Any, address: str, version: str) -> None:
    page = opened(address + "index.html")
    page.wait("document.querySelectorAll('.md-version__link').length === 2")
    shown = page.run("[...document.querySelectorAll('.md-version__link')].map((e) => e.textContent.trim())")
    assert shown == [version, "0.0.9"]


def test_what_builds_the_site_has_examples_that_run() -> None:
    if not PYTHON.exists():
        pytest.skip("there is no .venv-docs: make docs")
    for name in ("hooks", "docstrings", "make"):
        command = [PYTHON, "-m", "doctest", f"docs/site/{name}.py"]
        outcome = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert (outcome.returncode, outcome.stdout) == (0, ""), outcome.stdout + outcome.stderr
