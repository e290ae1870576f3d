"""What a factory makes and sees does not tell whether hermpkg-speed is at work."""

from __future__ import annotations

import pytest

from hermpkg_build.extension import VARIABLE, choose

FACTORY = """
    import os, sys

    def make():
        rows = [{"name": f"item {n}", "at": (n, "b")} for n in range(200)]
        return {"rows": rows, "again": rows[::-1], "told": [name for name in os.environ if "HERMPKG" in name]}
"""


@pytest.mark.skipif(
    choose().extension is None, reason="make installs hermpkg-speed where there is a compiler"
)
def test_a_model_and_all_that_is_known_of_it_are_the_same_without_it(models, monkeypatch):
    models.write("app/net.py", FACTORY)
    models.write("app/__init__.py", "")
    made = {}
    for value in ("auto", "never"):
        monkeypatch.setenv(VARIABLE, value)
        made[value] = models.make("app.net:make")
    assert models.load(made["auto"])["told"] == []
    assert made["auto"] == made["never"]
    assert not [path for path in made["auto"].observed_files.read if "hermpkg_speed" in path]
