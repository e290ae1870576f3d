"""Simulates what many builders of one large workspace ask of a shared cache, an edit after the other.

Facts of modules are shared in packs, one for each folder; results of actions go by their digests. Who builds
asks for the packs of its folders that have changed since it last built, and works out itself what no pack has
yet; then the pack gets a new edition. All numbers are those of the model: no server is asked.
"""

from __future__ import annotations

import argparse
import heapq
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

MODULES_OF_A_PACK = 100
FACTS_BYTES = 250
"""The facts of a module in a pack, compressed."""
RESULT_BYTES = 400
REQUESTS_A_PACKAGE = 3
EDITS_A_BUILDER_HOUR = 0.15
BUILDS_A_BUILDER_HOUR = 2.0
PACKS_OF_A_BUILD = 60
SECONDS_TO_SHARE = 5.0
"""From the start of a build until what it had to find out is shared."""


@dataclass(slots=True)
class Traffic:
    """What was asked of the cache, and what was done more than once."""

    builds: int = 0
    pack_reads: int = 0
    pack_writes: int = 0
    analysed: int = 0
    needed: int = 0
    requests: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    by_pack: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """How large all of it is; `skew` says how much more the common folders are used than the rest."""

    modules: int
    builders: int
    hours: float
    skew: float = 1.1
    seed: int = 1

    @property
    def packs(self) -> int:
        """The number of folders."""
        return max(1, self.modules // MODULES_OF_A_PACK)


def simulate(world: World) -> Traffic:
    """Let builders edit and build for some hours, in the order of time."""
    chance, traffic = random.Random(world.seed), Traffic()
    edits = world.builders * EDITS_A_BUILDER_HOUR
    builds = world.builders * BUILDS_A_BUILDER_HOUR
    queue: list[tuple[float, str]] = [
        (chance.expovariate(edits), "edit"),
        (chance.expovariate(builds), "build"),
    ]
    heapq.heapify(queue)
    edited: dict[int, list[float]] = {}
    shared_at: dict[tuple[int, int], float] = {}
    last_built: dict[int, float] = {}
    while queue:
        now, kind = heapq.heappop(queue)
        if now > world.hours:
            break
        heapq.heappush(queue, (now + chance.expovariate(edits if kind == "edit" else builds), kind))
        if kind == "edit":
            edited.setdefault(_folder(chance, world), []).append(now)
            continue
        builder = chance.randrange(world.builders)
        since, last_built[builder] = last_built.get(builder, 0.0), now
        own = random.Random(builder)
        _build(now, since, {_folder(own, world) for _ in range(PACKS_OF_A_BUILD)}, edited, shared_at, traffic)
    return traffic


def _build(
    now: float,
    since: float,
    packs: set[int],
    edited: dict[int, list[float]],
    shared_at: dict[tuple[int, int], float],
    traffic: Traffic,
) -> None:
    traffic.builds += 1
    done = now + SECONDS_TO_SHARE / 3600
    changed = 0
    for pack in packs:
        edits = edited.get(pack, [])
        new = [number for number, at in enumerate(edits) if since < at <= now]
        if not new:
            continue
        changed += 1
        traffic.pack_reads += 1
        traffic.by_pack[pack] = traffic.by_pack.get(pack, 0) + 1
        traffic.read_bytes += MODULES_OF_A_PACK * FACTS_BYTES
        missing = [number for number in new if shared_at.get((pack, number), done) >= now]
        if missing:
            traffic.analysed += len(missing)
            traffic.pack_writes += 1
            traffic.written_bytes += MODULES_OF_A_PACK * FACTS_BYTES
            for number in missing:
                if (pack, number) not in shared_at:
                    traffic.needed += 1
                shared_at[pack, number] = min(done, shared_at.get((pack, number), done))
    packages = 1 if changed else 0
    traffic.requests += traffic_of(packages)
    traffic.read_bytes += packages * RESULT_BYTES
    traffic.written_bytes += packages * RESULT_BYTES


def traffic_of(packages: int) -> int:
    """Return how many requests the results of so many packages take."""
    return REQUESTS_A_PACKAGE * packages


def _folder(chance: random.Random, world: World) -> int:
    """Draw a folder: the n-th is used about n to the power of -`skew` as often as the first."""
    return (
        min(world.packs - 1, int(chance.paretovariate(world.skew - 1)) - 1)
        if chance.random() < 0.7
        else (chance.randrange(world.packs))
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="how long builders edit and build")
    hours = parser.parse_args(arguments).hours
    print(
        f"{'modules':>11}{'builders':>9}{'builds/s':>9}{'reads/s':>9}{'writes/s':>9}{'MB/s out':>9}"
        f"{'MB/s in':>8}{'worked out':>11}{'hottest/s':>10}"
    )
    for modules, builders in ((100_000, 100), (1_000_000, 1_000), (10_000_000, 10_000)):
        world = World(modules=modules, builders=builders, hours=hours)
        traffic, seconds = simulate(world), hours * 3600
        times = traffic.analysed / traffic.needed if traffic.needed else 0.0
        hottest = max(traffic.by_pack.values(), default=0)
        print(
            f"{modules:>11,}{builders:>9,}{traffic.builds / seconds:>9.2f}"
            f"{(traffic.pack_reads + traffic.requests) / seconds:>9.2f}{traffic.pack_writes / seconds:>9.3f}"
            f"{traffic.read_bytes / seconds / 1e6:>9.3f}{traffic.written_bytes / seconds / 1e6:>8.3f}"
            f"{times:>10.2f}x{hottest / seconds:>10.3f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
