"""A project of one distribution in a folder of its own, where setuptools makes the same bytes anywhere."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from source_archive import released_at
from split import write_project


@contextmanager
def project_of(distribution: str) -> Iterator[Path]:
    """Work in a folder with the project alone. Folders that a frontend names are absolute."""
    here, mask, time = os.getcwd(), os.umask(0o022), os.environ.get("SOURCE_DATE_EPOCH")
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_project(distribution, Path(folder))
            os.chdir(folder)
            os.environ["SOURCE_DATE_EPOCH"] = str(released_at())
            try:
                yield Path(folder)
            finally:
                os.chdir(here)
    finally:
        os.umask(mask)
        if time is None:
            os.environ.pop("SOURCE_DATE_EPOCH", None)
