"""How often a clean checkout asks the server: at most three times for each package."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.reapi.entries import INLINE_LIMIT, decode_entry, encode_entry

PACKAGES = 4
BUILD = """
load("@hermpkg//rules:defs.bzl", "deny", "intern", "model", "model_package", "python_modules")
python_modules(name = "modules", srcs = glob(["*.py"]), resources = ["size.txt"])
model(name = "m", factory = "{name}.main:make", deps = [":modules"])
model_package(
    name = "{name}",
    models = {{"model/model.pkl": ":m"}},
    policy = [intern("**"), deny("**")],
    deps = [":modules"],
)
"""
MAIN = """
import os
def make():
    with open(os.path.join(os.path.dirname(__file__), "size.txt")) as file:
        return {"package": __name__, "data": bytes(int(file.read()))}
"""


@pytest.fixture(params=[100, INLINE_LIMIT], ids=["small", "large"])
def packages(request: Any, make_checkout: Any, tmp_path: Path) -> Any:
    """Makes checkouts of several packages, each with a model of its own."""

    def make(name: str) -> Any:
        checkout = make_checkout(tmp_path / name)
        for number in range(PACKAGES):
            checkout.write(f"p{number}/BUILD", BUILD.format(name=f"p{number}"))
            checkout.write(f"p{number}/__init__.py", "")
            checkout.write(f"p{number}/main.py", MAIN)
            checkout.write(f"p{number}/size.txt", str(request.param))
        return checkout

    make.is_large = request.param == INLINE_LIMIT  # type: ignore[attr-defined]
    return make


def artifacts(checkout: Any) -> dict[str, bytes]:
    out = checkout.root / "hermpkg-out"
    return {path.name: path.read_bytes() for path in sorted(out.rglob("*.pt"))}


def test_a_package_costs_three_requests(packages: Any, server: Any) -> None:
    """At most: its model, the contents of that where they are large, its artifact."""
    one, two = packages("one"), packages("two")
    one.build(server)
    server.asked.clear()
    result = two.build(server)
    assert not sum(counts.run for counts in result.actions.values())
    assert artifacts(one) == artifacts(two)
    asked = Counter(server.asked)
    assert asked.keys() <= {"get_result", "download"}
    assert len(server.asked) <= 3 * (PACKAGES + 1)  # One package of the fixture has no model.
    assert asked["download"] == (PACKAGES if packages.is_large else 0)


def test_a_server_that_keeps_no_contents_in_entries_is_asked_for_them(packages: Any, server: Any) -> None:
    one, two = packages("one"), packages("two")
    one.build(server)
    for key, entry in server.results.items():
        decoded = messages.ActionResult.FromString(entry)
        for file in decoded.output_files:
            file.ClearField("contents")
        server.results[key] = decoded.SerializeToString()
    result = two.build(server)
    assert not sum(counts.run for counts in result.actions.values())
    assert artifacts(one) == artifacts(two)


def test_the_newest_result_is_not_taken_for_another(packages: Any, server: Any) -> None:
    """A file that the factory read is another one: the entry that names it has the newest result."""
    one, two, three = packages("one"), packages("two"), packages("three")
    one.build(server)
    two.write("p0/size.txt", "5")
    assert two.build(server).actions["make-model"].run == 1
    assert artifacts(two)["p0.pt"] != artifacts(one)["p0.pt"]
    assert three.build(server).actions["make-model"].run == 0
    assert artifacts(three) == artifacts(one)


def test_contents_of_an_entry_are_compared_with_their_digests() -> None:
    right, wrong, large = b"right", b"wrong", bytes(INLINE_LIMIT + 1)
    outputs = {"a": Digest.of(right), "b": Digest.of(b"other"), "c": Digest.of(large)}
    contents = {outputs["a"]: right, outputs["b"]: wrong, outputs["c"]: large}
    entry = decode_entry(encode_entry(outputs, b"result", contents))
    assert entry.outputs == outputs
    assert entry.inlined == b"result"
    assert entry.contents == {outputs["a"]: right}


def test_an_entry_stays_within_its_limit() -> None:
    contents = {Digest.of(data): data for data in (bytes([n]) * INLINE_LIMIT for n in range(40))}
    outputs = {f"{number}": digest for number, digest in enumerate(contents)}
    entry = encode_entry(outputs, b"result", contents)
    assert len(entry) < 1 << 20
    assert len(decode_entry(entry).contents) == 8
