"""BUILD.example at the root of the repository loads, and shows all there is."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from hermpkg_build.core.label import Label
from hermpkg_build.loading.rules import BUILD_FUNCTIONS, DEFS_SYMBOLS, POLICY_FUNCTIONS, RULES

if TYPE_CHECKING:
    from conftest import WorkspaceFiles

EXAMPLE = Path(__file__).parents[3] / "BUILD.example"


def test_it_loads(files: WorkspaceFiles) -> None:
    files.write("models/BUILD", EXAMPLE.read_bytes())
    for name in ("__init__.py", "resnet.py", "labels.py", "resnet_test.py", "experiments/x.py"):
        files.write(f"models/{name}")
    for name in ("labels.txt", "config.json", "resnet18.safetensors"):
        files.write(f"models/{name}")
    assert [str(label) for label in files.closure("//models:resnet_test")] == [
        "//models:modules",
        "//models:resnet18",
        "//models:resnet",
        "//models:resnet_test",
    ]
    srcs = files.target("//models:modules").srcs
    assert srcs == tuple(Label("models", name) for name in ("__init__.py", "labels.py", "resnet.py"))
    assert files.messages[0][1] == "loaded models"


def test_it_shows_every_rule_function_and_attribute() -> None:
    tree = ast.parse(EXAMPLE.read_text())
    shown: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            names = shown.setdefault(node.func.id, set())
            names.update(keyword.arg for keyword in node.keywords if keyword.arg)
    functions = {**RULES, **POLICY_FUNCTIONS, **BUILD_FUNCTIONS}
    assert shown.keys() - {"load", "print"} == functions.keys()
    for name in RULES:
        assert shown[name] == RULES[name].attributes.keys(), name
    assert shown["glob"] | {"include"} == BUILD_FUNCTIONS["glob"].attributes.keys()
    assert shown["mock"] | {"include"} == POLICY_FUNCTIONS["mock"].attributes.keys()
    load = next(
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "load"
    )
    assert {ast.literal_eval(argument) for argument in load.args[1:]} == set(DEFS_SYMBOLS)
