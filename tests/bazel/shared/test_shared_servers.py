"""Servers of a team under Bazel: what one checkout built another takes, and executors do the work."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

VISION = Path(__file__).resolve().parents[3] / "examples" / "vision"
HIT = "remote cache hit"
FILES = {
    "app/BUILD": """
load("@hermpkg//rules:defs.bzl", "deny", "intern", "model", "model_package", "package_test", "python_modules")

python_modules(name = "modules", srcs = glob(["*.py"], exclude = ["*_test.py"]), resources = ["größe.txt"])

model(name = "thing", factory = "app.factory:make", args = {"label": "ß"}, seed = 3, deps = [":modules"])

model_package(
    name = "app",
    models = {"model/model.pkl": ":thing"},
    policy = [intern("app.**"), deny("**")],
    deps = [":modules"],
)

package_test(name = "app_test", main = "app_test.py", package = ":app")
""",
    "app/größe.txt": "12\n",
    "app/maß.py": "MASS = 1\n",
    "app/factory.py": """
import random
from pathlib import Path

from app import maß

class Thing:
    def __init__(self, label):
        self.label = label
        self.size = int((Path(__file__).parent / "größe.txt").read_text())
        self.draw = random.random()

def make(label):
    return Thing(label)
""",
    "app/app_test.py": """
import sys
from hermpkg_build import PackageImporter

with PackageImporter(sys.argv[1]) as importer:
    assert importer.load_pickle("model", "model.pkl").size == 12
""",
}
APP = "app/app.pt"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def app(clean_checkouts: Callable[[str], Any]) -> Callable[[str], Any]:
    def make(name: str) -> Any:
        checkout = clean_checkouts(name)
        checkout.workspace.declare()
        checkout.workspace.write(FILES)
        return checkout

    return make


@pytest.mark.parametrize(
    "cache_url", [pytest.param("http", marks=pytest.mark.thorough), "grpc"], indirect=True
)
def test_another_checkout_runs_nothing(app: Callable[[str], Any], cache_url: str) -> None:
    one, two = app("one"), app("two")
    asked = ("//app", f"--remote_cache={cache_url}")
    names = ("Analyse", "Assemble", "Check", "Lock", "Model", "Tool")
    kinds = {f"Hermpkg{name}" for name in names}
    first = one.build(*asked)
    assert set(first) == kinds
    assert HIT not in {runner for runners in first.values() for runner in runners}
    second = two.build(*asked)
    assert set(second) == kinds
    assert {runner for runners in second.values() for runner in runners} == {HIT}
    assert sha256(one.workspace.output(APP)) == sha256(two.workspace.output(APP))


@pytest.mark.thorough
@pytest.mark.parametrize("cache_url", ["http"], indirect=True)
def test_an_example_with_torch_comes_out_of_the_cache(
    clean_checkouts: Callable[[str], Any], cache_url: str
) -> None:
    pytest.importorskip("torch")
    digests = []
    for name in ("one", "two"):
        checkout = clean_checkouts(name)
        ignored = shutil.ignore_patterns("bazel-*", "hermpkg-out", "__pycache__")
        shutil.copytree(VISION, checkout.workspace.root, ignore=ignored, dirs_exist_ok=True)
        origins = checkout.build("//models:resnet", f"--remote_cache={cache_url}")
        digests.append(sha256(checkout.workspace.output("models/resnet.pt")))
    assert {runner for runners in origins.values() for runner in runners} == {HIT}
    assert "HermpkgAssemble" in origins
    assert digests[0] == digests[1]


@pytest.mark.thorough
def test_actions_and_tests_run_on_an_executor(app: Callable[[str], Any], executor: Any) -> None:
    here, there, again = app("here"), app("there"), app("again")
    assert "remote" not in str(here.build("//app"))
    asked = (f"--remote_executor={executor.url}", "--spawn_strategy=remote")
    assert {runner for runners in there.build("//app", *asked).values() for runner in runners} == {"remote"}
    assert sha256(here.workspace.output(APP)) == sha256(there.workspace.output(APP))
    outcome = there.workspace.bazel("test", "//app:app_test", "--test_output=errors", *asked)
    assert outcome.code == 0, outcome.said + outcome.stdout
    assert {runner for runners in again.build("//app", *asked).values() for runner in runners} == {HIT}
