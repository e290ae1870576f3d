"""Makes the pictures of the documentation: pages of `hermpkg look`, photographed in a Chromium.

    python docs/pictures/make_pictures.py

or ``make pictures``. The artifacts are made on the spot, so that the pictures show what the code does now.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DRIVER = HERE.parents[1] / "tests" / "browser" / "browser.py"
WIDTH, HEIGHT = 1180, 700


def make_artifact(path: Path, *, blocks: int, version: int) -> None:
    """Write an artifact with a model and a template engine; another `version` has other code and numbers."""
    import torch
    from torch import nn

    from hermpkg_build import PackageExporter

    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(64, 4, 256 + 64 * version)
    net = nn.ModuleDict(
        {
            "embedding": nn.Embedding(900, 64),
            "encoder": nn.TransformerEncoder(layer, blocks, enable_nested_tensor=False),
        }
    )
    net["head"] = nn.Linear(64, 900, bias=False)
    net["head"].weight = net["embedding"].weight
    with PackageExporter(path, requires={"torch": ">=2.4"}) as exporter:
        exporter.intern(["report.**", "jinja2.**"])
        exporter.mock("babel.**", allow_empty=True)
        exporter.extern("**")
        exporter.save_source_string("report.words", f"GREETING = 'version {version}'\n")
        exporter.save_source_string(
            "report.page", "import jinja2\nimport torch\nfrom report import words\n" + "# new\n" * version
        )
        exporter.save_text("report", "page.html", "<h1>{{ title }}</h1>\n" * 40)
        exporter.save_pickle("model", "model.pkl", net)


def make_pictures(browser: Any, folder: Path) -> Iterator[Path]:
    """Write the pictures to `folder` and give their paths."""
    from hermpkg_build.archive.reader import ArchiveReader
    from hermpkg_build.explorer.artifact_page import artifact_page
    from hermpkg_build.explorer.difference_page import difference_page
    from hermpkg_build.explorer.page import html_page

    for version, name in enumerate(("before.pt", "after.pt")):
        make_artifact(folder / name, blocks=2 + version, version=version)
    with ArchiveReader(folder / "before.pt") as before, ArchiveReader(folder / "after.pt") as after:
        (folder / "one.html").write_text(html_page(artifact_page(before)), encoding="utf-8")
        (folder / "two.html").write_text(html_page(difference_page(before, after)), encoding="utf-8")
    page = browser.open((folder / "one.html").as_uri(), width=WIDTH, height=HEIGHT)
    yield taken(page, folder / "look-bytes.png", "embedding")
    page.press("2")
    yield taken(page, folder / "look-modules.png", "markupsafe")
    page.close()
    page = browser.open((folder / "two.html").as_uri(), width=WIDTH, height=HEIGHT, dark=True)
    yield taken(page, folder / "look-difference.png", "model/model.pkl")
    page.close()


def taken(page: Any, path: Path, searched: str) -> Path:
    """Open the first thing that a search finds, wait until the chart is drawn, and photograph the page."""
    page.press("/")
    page.type(searched)
    page.press("Enter")
    page.run("document.activeElement.blur()")
    page.wait("document.querySelector('#chart').firstChild !== null")
    page.run("new Promise((done) => setTimeout(done, 400))")
    page.screenshot(path)
    return path


def main() -> None:
    """Make the pictures anew."""
    spec = spec_from_file_location("driven_browser", DRIVER)
    driver = module_from_spec(spec)
    spec.loader.exec_module(driver)
    with tempfile.TemporaryDirectory(prefix="hermpkg-pictures-") as temporary:
        folder = Path(temporary)
        browser = driver.Browser(folder / "profile")
        try:
            for picture in make_pictures(browser, folder):
                (HERE / picture.name).write_bytes(picture.read_bytes())
        finally:
            browser.close()


if __name__ == "__main__":
    main()
