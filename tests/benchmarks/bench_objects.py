"""Many small objects, saved and loaded, beside the C pickler; how time and memory grow with their number.

Times are those of the processor, so that a busy machine matters little.
"""

from __future__ import annotations

import argparse
import datetime
import io
import json
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from table import Row, show

SAVING, LOADING, GROWTH = 3.0, 1.0, 11.0

GROWING = """
import sys, time
sys.path.insert(0, {folder!r})
from bench_objects import mixed
from hermpkg_build.pickles.canonical import pickle_canonically
state = mixed(int(sys.argv[1]))
started = time.process_time()
pickle_canonically(state)
seconds = time.process_time() - started
with open("/proc/self/status") as status:
    peak = next(line for line in status if line.startswith("VmHWM"))
print(seconds, int(peak.split()[1]) / 1024)
"""


class Thing:
    """An ordinary object."""

    def __init__(self, name: str, value: object) -> None:
        self.name = name
        self.value = value


@dataclass(frozen=True, slots=True)
class Record:
    """An object that gives its state itself."""

    name: str
    value: int


def main() -> None:
    """Make the objects, time each way in turn, print one table a shape of objects, and the growth."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--objects", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=9)
    arguments = options.parse_args()
    for name, make in SHAPES.items():
        obj = make(arguments.objects)
        judge(f"save {name}", measured(saving(obj), arguments.rounds), SAVING)
        judge(f"load {name}", measured(loading(obj), arguments.rounds), LOADING)
    show_growth()


def dicts(count: int) -> object:
    """Dicts of a program: their keys are the same strings."""
    return [{"name": f"item {number}", "value": number} for number in range(count)]


def parsed(count: int) -> object:
    """Dicts of lines of JSON: equal keys are other strings in each."""
    return [json.loads(json.dumps({"name": f"item {number}", "kind": number % 7})) for number in range(count)]


def vocabulary(count: int) -> dict[str, int]:
    """Words with their numbers."""
    return {f"word {number}": number for number in range(count)}


def tokenizer(count: int) -> object:
    """Words with their numbers, and pairs of words."""
    return {"words": vocabulary(count), "pairs": [(f"word {n}", f"word {n // 2}") for n in range(count // 2)]}


def nested(count: int) -> object:
    """Records with lists, dicts and tuples in them."""
    return [{"at": (n, 0.5), "of": {"x": n, "y": [n, f"part {n}"]}} for n in range(count // 4)]


def things(count: int) -> object:
    """Instances of a class."""
    return [Thing(f"item {number}", number) for number in range(count)]


SHAPES: Mapping[str, Callable[[int], object]] = {
    "small dicts": dicts,
    "dicts of JSON": parsed,
    "a vocabulary": vocabulary,
    "a tokenizer": tokenizer,
    "nested records": nested,
    "instances": things,
}


def mixed(count: int) -> list[Any]:
    """Objects of many kinds, of which some can only be written one by one."""
    day = datetime.date(2020, 1, 1)
    makers: list[Callable[[int], Any]] = [
        lambda n: {"id": n, "name": f"n{n}"},
        lambda n: Thing(f"thing {n}", [n]),
        lambda n: Record(f"record {n}", n),
        lambda n: {n, f"s{n % 100}"},
        lambda n: (n, f"t{n % 1000}"),
        lambda n: b"%d" % n,
        lambda n: day + datetime.timedelta(n % 1000),
        lambda n: {"a": [1, {"b": n}]},
        lambda n: f"text {n}",
        lambda n: [n, n / 3, None],
    ]
    return [makers[number % len(makers)](number) for number in range(count)]


def saving(obj: object) -> Mapping[str, Callable[[], object]]:
    """Pickling alone, and into an artifact in memory."""
    return {"pickle (C, protocol 3)": lambda: pickle.dumps(obj, protocol=3), "hermpkg": lambda: exported(obj)}


def loading(obj: object) -> Mapping[str, Callable[[], object]]:
    """The same objects read back, the artifact opened for it."""
    from hermpkg_build import PackageImporter

    pickled, artifact = pickle.dumps(obj, protocol=3), exported(obj)
    return {
        "pickle (C)": lambda: pickle.loads(pickled),
        "hermpkg": lambda: PackageImporter(io.BytesIO(artifact)).load_pickle("p", "obj.pkl"),
    }


def exported(obj: object) -> bytes:
    """An artifact with one pickle."""
    from hermpkg_build import PackageExporter

    stream = io.BytesIO()
    with PackageExporter(stream) as exporter:
        exporter.extern(["**", "__main__"])
        exporter.save_pickle("p", "obj.pkl", obj)
    return stream.getvalue()


def measured(rows: Mapping[str, Callable[[], object]], rounds: int) -> list[Row]:
    """Every row once a round, by the time of the processor."""
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, run in rows.items():
            started = time.process_time()
            made = run()
            seconds[name].append(time.process_time() - started)
            del made
    return [Row(name=name, seconds=values) for name, values in seconds.items()]


def judge(title: str, rows: list[Row], most: float) -> None:
    """Print the table, and whether the second row keeps to the goal."""
    show(title, rows)
    missed = "" if rows[1].median <= most * rows[0].median else "   MISSED"
    print(f"goal of {rows[1].name}: {most} x {rows[0].name}{missed}")


def show_growth() -> None:
    """Print time and memory for more and more mixed objects, each number in a process of its own."""
    print(f"\nsave mixed objects\n\n{'objects':>12} {'seconds':>9} {'MiB':>9}   x the row above")
    _, empty = grown(0)
    above = (0.0, 0.0)
    for count in (10_000, 100_000, 1_000_000):
        seconds, peak = grown(count)
        found = seconds, peak - empty
        ratios = [now / before for now, before in zip(found, above, strict=True) if before]
        missed = "   MISSED" if count > 100_000 and max(ratios) > GROWTH else ""
        words = "  ".join(f"{ratio:.1f}" for ratio in ratios)
        print(f"{count:>12,} {found[0]:>9.2f} {found[1]:>9.0f}   {words}{missed}")
        above = found
    print(f"goal: {GROWTH} x for ten times as many, from 100,000 on; the memory has the objects, too")


def grown(count: int) -> tuple[float, float]:
    """The seconds that pickling takes, and the peak of memory in MiB."""
    command = [sys.executable, "-c", GROWING.format(folder=str(Path(__file__).parent)), str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak


if __name__ == "__main__":
    main()
