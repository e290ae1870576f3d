"""The edit loop as whole processes: comments, code that a factory runs, many models, a large library."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench_build import EXAMPLE, EXPORT

from hermpkg_build.factories.processor import baseline_variables

OWN_WORK = """
import sys, time
sys.path.insert(0, ".")
import io, torch
from models.resnet import resnet18
torch.set_num_threads(1)
started = time.perf_counter()
torch.save(resnet18(1000), io.BytesIO())
print(time.perf_counter() - started)
"""
"""What a factory does beside importing: make the model, and write it to memory."""
TEN = """
load("@hermpkg//rules:defs.bzl", "deny", "intern", "model", "model_package")
[model(name = "resnet%d" % i, args = {"classes": 1000 + i}, factory = "models.resnet:resnet18",
       deps = ["//models:modules"]) for i in range(COUNT)]
"""
BERT = """
from transformers.models.bert.configuration_bert import BertConfig
from transformers.models.bert.modeling_bert import BertModel
def make():
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    return BertModel(BertConfig(vocab_size=10, **sizes))
"""
BERT_BUILD = """
load("@hermpkg//rules:defs.bzl", "deny", "extern", "intern", "model", "model_package", "python_modules")
python_modules(name = "modules", srcs = ["net.py"])
model(name = "net", factory = "bert.net:make", deps = [":modules"])
model_package(name = "bert", models = {"m/m.pkl": ":net"}, modules = ["bert.net"], deps = [":modules"],
    policy = [intern("bert.**"), intern("transformers.**"), extern("**")])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing to time; `goal` is in words, and `limit` gives the seconds of it from the medians of rows."""

    name: str
    run: Callable[[], float]
    goal: str = ""
    limit: Callable[[Mapping[str, float]], float] | None = None
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


class Loop:
    """A copy of the example, and the commands that are run in it."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "vision"
        shutil.copytree(EXAMPLE, self.workspace, ignore=shutil.ignore_patterns("hermpkg-out", "__pycache__"))
        self.cache = folder / "cache"
        self.profile = folder / "profile.json"
        self.environment = {
            **os.environ,
            "HERMPKG_CACHE_DIR": str(self.cache),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "HERMPKG_WARM_PROCESS": "always",
        }
        # Whoever installs the command has its bytecode.
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        (folder / "run").mkdir(mode=0o700)
        self.processor = 0.0
        """The seconds of processors that the last command took, without those of warm processes."""
        self._edits = 0
        for name, count in (("one", 1), ("ten", 10)):
            (self.workspace / name).mkdir()
            (self.workspace / name / "BUILD").write_text(TEN.replace("COUNT", str(count)), encoding="utf-8")
        text = (self.workspace / "models/BUILD").read_text(encoding="utf-8")
        public = 'python_modules(\n    visibility = ["//visibility:public"],'
        (self.workspace / "models/BUILD").write_text(
            text.replace("python_modules(", public, 1), encoding="utf-8"
        )
        (self.workspace / "bert").mkdir()
        (self.workspace / "bert/BUILD").write_text(BERT_BUILD, encoding="utf-8")
        (self.workspace / "bert/net.py").write_text(BERT, encoding="utf-8")

    def build(self, target: str, *options: str, **variables: str) -> float:
        """The seconds of a build."""
        words = [sys.executable, "-m", "hermpkg_build", "-q", *options, target]
        return self.run(words, **variables)

    def run(self, words: list[str], **variables: str) -> float:
        """The seconds of a command."""
        environment = {**self.environment, **variables}
        before, started = _processor_seconds(), time.perf_counter()
        subprocess.run(words, cwd=self.workspace, env=environment, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        self.processor = _processor_seconds() - before
        return seconds

    def edit(self, path: str, line: str) -> None:
        """Add a line to a source, with a number."""
        self._edits += 1
        with open(self.workspace / path, "a", encoding="utf-8") as file:
            file.write(f"{line} {self._edits}\n")

    def edited(self, path: str, line: str, target: str, **variables: str) -> float:
        """The seconds of the build after an edit."""
        self.edit(path, line)
        return self.build(target, **variables)

    def anew(self, target: str) -> float:
        """The seconds of a build in which no model is known, as where continuous integration builds."""
        self.edit("models/resnet.py", "EDIT =")
        return self.build(target, HERMPKG_WARM_PROCESS="auto", CI="true")

    def unchanged(self, target: str) -> float:
        """The seconds of a build in which nothing has changed."""
        self.build(target)
        return self.build(target)

    def own_work(self, **variables: str) -> float:
        """The seconds that the factory itself takes."""
        environment = {**self.environment, **variables}
        words = [sys.executable, "-c", OWN_WORK]
        done = subprocess.run(words, cwd=self.workspace, env=environment, check=True, capture_output=True)
        self.processor = float(done.stdout)
        return self.processor

    def assembling(self, path: str, target: str) -> float:
        """The seconds that a build after an edit spends on putting the artifact together.

        It is told to explain itself, so that it is a build and not only a look.
        """
        self.edit(path, "# edit")
        self.build(target, "--explain", "--profile", str(self.profile))
        events = json.loads(self.profile.read_text(encoding="utf-8"))
        events = events["traceEvents"] if isinstance(events, dict) else events
        return sum(event.get("dur", 0) for event in events if event["name"].startswith("assemble ")) / 1e6


def main() -> int:
    """Time each row in turn, `--rounds` times, and print medians beside goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="how often each row is timed")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="loop", ignore_cleanup_errors=True) as folder, _ending(folder):
        loop = Loop(Path(folder))
        rows = list(_rows(loop))
        for number in range(rounds + 1):
            for row in rows:
                seconds = row.run()
                if number:  # The first round only warms caches.
                    row.seconds.append(seconds)
                    row.processor.append(loop.processor)
    _print(rows)
    return 0


def _processor_seconds() -> float:
    """The seconds of processors that all commands so far took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _rows(loop: Loop) -> Iterator[Row]:
    net, layers, target = "models/resnet.py", "models/layers.py", "//models:resnet"
    code = "EDIT ="
    yield Row(name="python -c pass", run=lambda: loop.run([sys.executable, "-c", "pass"]))
    yield Row(name="nothing changed", run=lambda: loop.unchanged(target))
    yield Row(
        name="a comment in one module",
        run=lambda: loop.edited(layers, "# edit", target),
        goal="3 x nothing changed",
        limit=lambda medians: 3 * medians["nothing changed"],
    )
    yield Row(name="torch.package, export again", run=lambda: loop.run([sys.executable, "-c", EXPORT]))
    yield Row(name="the factory's own work", run=loop.own_work)
    yield Row(name="the same, as on any processor", run=lambda: loop.own_work(**baseline_variables()))
    yield Row(
        name="an edit that the factory runs",
        run=lambda: loop.edited(net, code, target),
        goal="0.8 s + its own work",
        limit=lambda medians: 0.8 + medians["the factory's own work"],
    )
    yield Row(
        name="the same, without a warm process",
        run=lambda: loop.edited(net, code, target, HERMPKG_WARM_PROCESS="never"),
    )
    yield Row(name="one model made anew, in CI", run=lambda: loop.anew("//one/..."))
    yield Row(
        name="ten models made anew, in CI",
        run=lambda: loop.anew("//ten/..."),
        goal="2 x one",
        limit=lambda medians: 2 * medians["one model made anew, in CI"],
    )
    if importlib.util.find_spec("transformers") is None:
        return
    yield Row(name="BERT packed, nothing changed", run=lambda: loop.unchanged("//bert"))
    yield Row(name="BERT packed, assembling", run=lambda: loop.assembling("bert/net.py", "//bert"))
    yield Row(
        name="BERT packed, a comment",
        run=lambda: loop.edited("bert/net.py", "# edit", "//bert"),
        goal="2 x nothing changed + assembling",
        limit=lambda medians: (
            2 * medians["BERT packed, nothing changed"] + medians["BERT packed, assembling"]
        ),
    )


def _print(rows: list[Row]) -> None:
    medians = {row.name: statistics.median(row.seconds) for row in rows}
    print(f"The edit loop on examples/vision ({os.cpu_count()} CPUs), milliseconds")
    print("processor: medians of what processors do for the command itself, without the warm process")
    print(f"{'':<36}{'min':>8}{'median':>8}{'processor':>11}   goal")
    for row in rows:
        limit = row.limit(medians) if row.limit else 0.0
        missed = ", missed" if limit and medians[row.name] > limit else ""
        goal = f"{1000 * limit:.0f}: {row.goal}{missed}" if limit else ""
        times = f"{1000 * min(row.seconds):>8.0f}{1000 * medians[row.name]:>8.0f}"
        print(f"{row.name:<36}{times}{1000 * statistics.median(row.processor):>11.0f}   {goal}")


@contextmanager
def _ending(folder: str) -> Iterator[None]:
    """End the warm processes with sockets in `folder`: they see that their sockets are gone."""
    yield
    import socket

    for path in Path(folder, "run").rglob("*.socket"):
        with socket.socket(socket.AF_UNIX) as client:
            path.unlink()
            with suppress(OSError):
                client.connect(str(path))


if __name__ == "__main__":
    sys.exit(main())
