"""The law of bounds: whatever a BUILD file makes larger and larger ends as one error, in bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

_EVALUATE = """
import json, resource, sys
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.errors import HermpkgError
from hermpkg_build.loading import interpreter, interpreter_process
from hermpkg_build.loading.loader import Loader
from hermpkg_build.loading.workspace import find_workspace
started_with = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
interpreter.MOST_CPU_S = 0.7
interpreter.MOST_MEMORY = 50 << 20
interpreter_process.MOST_ADDRESSES = 100 << 20
try:
    Loader(find_workspace(sys.argv[1]), SourceTree()).build_file("p")
    told = None
except HermpkgError as error:
    told = str(error.location), error.summary
peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps([told, peak << 10 if peak > started_with else 0]))
"""

_START = 50 << 20
"""Bytes of a process that has evaluated nothing yet, about."""

_SEEDS = ['"ab"', "[1]", "(1, 2)", "3", "{1: 2}", '["a", "b"]']
_GROWING = [
    "x = x + x",
    "x = x * 3",
    "x += x",
    "x = [x, x] + [x]",
    "x = [x for _ in range(3)]",
    "x = [y for y in x for _ in range(5)]",
    "x = str(x) + repr(x)",
    "x = json.encode(x)",
    "x = '%s%s' % (x, x)",
    "x = '{}{}'.format(x, x)",
    "x = str(x).replace('', str(x))",
    "x = str(x).join([str(x)] * 4)",
    "x = {str(x) + str(y): x for y in range(3)}",
    "x = str(x).elems() if i % 2 else list(range(10 * i * i * i * i))",
    "x = list(range(1 << i))",
    "x = struct(a = x, b = x)",
    "x = str(x).split(str(x)[0]) * 9",
    "x = sorted([str(y) for y in [x] * (i * i * i * 50)])",
]

_GROWS_BY_ITSELF = "x = [x, str(x)] * 9"
"""Whatever the others do, values grow: a program of bounded size would end well."""


@settings(max_examples=8)
@given(st.sampled_from(_SEEDS), st.lists(st.sampled_from(_GROWING), min_size=1, max_size=3))
def test_programs_of_growing_values_end_as_one_error(seed: str, steps: list[str]) -> None:
    body = "".join(f"        {step}\n" for step in [*steps, _GROWS_BY_ITSELF])
    told, peak = _evaluated(f"def f(x):\n    for i in range(70):\n{body}    return x\n\ny = f({seed})\n")
    assert told is not None
    assert told[0].startswith("p/m.bzl:"), told
    # A process starts with the peak of the one that started it.
    assert peak < _START + (100 << 20)


def test_a_program_that_grows_little_ends_well() -> None:
    """A control: it is no bound that ends each of them."""
    assert (
        _evaluated("def f(x):\n    for i in range(10):\n        x += x\n    return x\n\ny = f('a')\n")[0]
        is None
    )


def _evaluated(text: str) -> tuple[list[str] | None, int]:
    """Evaluate a .bzl file in a process of its own; return the place and words of its error, and the peak."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "p").mkdir()
        (root / "pyproject.toml").write_text("[tool.hermpkg]\n")
        (root / "p" / "m.bzl").write_text(text)
        (root / "p" / "BUILD").write_text('load(":m.bzl", "y")\n')
        done = subprocess.run([sys.executable, "-c", _EVALUATE, folder], check=True, capture_output=True)
    told, peak = json.loads(done.stdout)
    return told, peak
