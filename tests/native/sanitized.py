"""Has the extension, built with a compiler's sanitizers, read mutants: ``sanitized.py COUNT [CHECKOUT]``.

Sources are scanned, and graphs of objects that are made of bytes are pickled.

Nothing is compared: a read outside a buffer, or what the language leaves undefined, ends the process.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hermpkg_build.version import __version__

REPOSITORY = Path(__file__).resolve().parents[2]
_FOLDERS = ["hermpkg_build/source/native", "hermpkg_build/pickles/native"]
_FLAGS = ["-O1", "-g", "-shared", "-fPIC", "-std=c99", "-Wall", "-Wextra", "-Wshadow", "-Werror"]
_SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]


def main(words: list[str]) -> int:
    """Build, and have a process of its own read; return its exit code, 69 where nothing can be built."""
    compiler = shutil.which("cc")
    if not compiler:
        print("there is no C compiler", file=sys.stderr)
        return 69
    with tempfile.TemporaryDirectory() as folder:
        sources = [Path(words[1] if words[1:] else REPOSITORY, part) for part in _FOLDERS]
        files = sorted(str(path) for part in sources for path in part.glob("*.c"))
        include = [f"-I{part}" for part in (sysconfig.get_path("include"), *sources)]
        version = f'-DHERMPKG_SPEED_VERSION="{__version__}"'
        target = str(Path(folder, "hermpkg_speed.abi3.so"))
        command = [compiler, *_FLAGS, *_SANITIZERS, version, *include, *files, "-o", target]
        if subprocess.run(command, check=False).returncode:
            print("the compiler has no sanitizers, or Python has no headers", file=sys.stderr)
            return 69
        library = subprocess.run(
            [compiler, "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
        ).stdout.strip()
        # Python leaks on its own at its end; its allocator would hide what is read beside an object.
        environment = {
            **os.environ,
            "LD_PRELOAD": library,
            "ASAN_OPTIONS": "detect_leaks=0",
            "PYTHONMALLOC": "malloc",
            "PYTHONPATH": os.pathsep.join([folder, str(REPOSITORY), str(REPOSITORY / "tests/fuzz")]),
        }
        command = [sys.executable, __file__, "--read", words[0]]
        return subprocess.run(command, env=environment, check=False).returncode


def read(count: int) -> None:
    """Read mutants of the sources that fuzzing begins with, and every cut of these."""
    import hermpkg_speed
    from mutation.python_sources import other_source
    from targets.plain_sources import TARGET

    from hermpkg_build.core.import_facts import IMPORT_CONTEXTS, ImportForm

    plain = 0
    words = (b"__file__", b"importlib_resources", b"get_data")
    sources = list(TARGET.seeds(Path()).values())
    parts = ((source[:at], source[at:]) for source in sources for at in range(len(source) + 1))
    cuts = (part for pair in parts for part in pair)
    mutants = (other_source(sources[n % len(sources)], random.Random(n)) for n in range(count))
    for data in (each for group in (cuts, mutants) for each in group):
        # Whatever the form is: the scanner has to be safe for any bytes.
        for source in (data, b"\n" + data + b"\n"):
            found = hermpkg_speed.scan(source, words, (ImportForm.IMPORT, ImportForm.FROM), IMPORT_CONTEXTS)
            plain += found is not None
            hermpkg_speed.is_valid(source)
    graphs = write(count // 20)
    print(f"{count} mutants read in two forms, {plain} times plain, and nothing was reported")
    print(f"{graphs} graphs pickled")


def write(count: int) -> int:
    """Pickle graphs, also with objects among them that change what is open while they are pickled."""
    from mutation.plain_graphs import graph_of, outcome

    for number in range(count):
        chosen = random.Random(number)
        graph = graph_of(chosen.randbytes(chosen.choice((10, 60, 300))))
        outcome(graph, 3 + number % 3)
        outcome([graph, *(_Clearing(graph) for _ in range(2)), graph], 3 + number % 3)
    return count


class _Clearing:
    """It takes things away while it is pickled."""

    def __init__(self, graph: list[Any]) -> None:
        self.graph = graph

    def __reduce__(self) -> Any:
        for obj in self.graph:
            if type(obj) in (list, dict):
                obj.clear()
        self.graph.clear()
        return list, ()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        read(int(sys.argv[2]))
    else:
        sys.exit(main(sys.argv[1:] or ["100000"]))
