"""A folder of installed distributions that is on ``sys.path`` for as long as a test runs."""

import sys
import textwrap
from pathlib import Path

import pytest


class Site:
    """Distributions as pip leaves them, and modules that no distribution has."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.installed = root / "site-packages"
        self.own = root / "own"
        for folder in (self.installed, self.own):
            folder.mkdir()

    def install(
        self, name, files, *, requires=(), classifiers=(), entry_points="", version="1.2.3", listed=()
    ):
        """Install files, by their path; `listed` are others that only the record has."""
        module = name.replace("-", "_")
        info = f"{module}-{version}.dist-info"
        for path, text in files.items():
            self._write(self.installed, path, text)
        metadata = [f"Name: {name}", f"Version: {version}"]
        metadata += [f"Requires-Dist: {each}" for each in requires]
        metadata += [f"Classifier: {each}" for each in classifiers]
        (self.installed / info).mkdir()
        (self.installed / info / "METADATA").write_text("\n".join([*metadata, "", "The description."]))
        (self.installed / info / "RECORD").write_text("".join(f"{path},,\n" for path in (*files, *listed)))
        if entry_points:
            (self.installed / info / "entry_points.txt").write_text(textwrap.dedent(entry_points))

    def module(self, path, source=""):
        """Write a module of one's own."""
        self._write(self.own, path, source)

    def _write(self, folder, path, text):
        # What another test of this process has imported by that name is none of this one's.
        self._patch.delitem(sys.modules, path.partition("/")[0].partition(".")[0], raising=False)
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))


@pytest.fixture
def site(tmp_path, monkeypatch):
    made = Site(tmp_path, monkeypatch)
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(made.installed))
    monkeypatch.syspath_prepend(str(made.own))
    yield made
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]
