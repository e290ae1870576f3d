"""The writers of pickles that tests run with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hermpkg_build.extension import Choice, choose
from hermpkg_build.pickles import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", params=["by the extension", "in Python"])
def writer(request: pytest.FixtureRequest) -> Iterator[None]:
    """Has all tests of a module run with the extension, and without it."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "in Python":
            patch.setattr(canonical, "choose", lambda: Choice(None, "in Python"))
        elif choose().extension is None:
            pytest.skip(f"pickles are written {choose().told}")
        yield
