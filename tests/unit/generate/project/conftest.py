"""A project in a temporary folder."""

from __future__ import annotations

import pytest

from hermpkg_build.generate.project.sources import ProjectSources


@pytest.fixture
def project(tmp_path):
    """Writes files, by their paths, and gives the sources of the project."""

    def make(files):
        for path, text in files.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return ProjectSources(str(tmp_path))

    return make
