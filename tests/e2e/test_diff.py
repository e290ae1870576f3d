"""`hermpkg diff`: what it says of real artifacts, and its exit codes."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap

import pytest


@pytest.fixture
def two(app, tmp_path):
    """The artifact of `app` twice."""
    app.build("//app", "--out", str(tmp_path / "a.pt"))
    shutil.copy(tmp_path / "a.pt", tmp_path / "b.pt")
    return app, str(tmp_path / "a.pt"), str(tmp_path / "b.pt")


def test_equal(two):
    app, a, b = two
    outcome = app.run("diff", a, b)
    assert (outcome.code, outcome.stdout) == (0, "the same bytes\n")
    assert app.run("diff", a, b, "--json").json["equal"] is True


def test_code_and_resources(two):
    app, a, b = two
    app.write("app/helpers.py", 'def greeting():\n    return "good morning"\n')
    app.write("app/words.txt", "one\nthree\n")
    app.build("//app", "--out", b)
    outcome = app.run("diff", a, b)
    assert outcome.code == 3
    assert "~ app/helpers.py" in outcome.stdout
    assert '-    return "hello"' in outcome.stdout
    assert '+    return "good morning"' in outcome.stdout
    assert "-two" in outcome.stdout
    value = app.run("diff", a, b, "--json").json
    assert [record["name"] for record in value["records"]] == ["app/helpers.py", "app/words.txt"]
    assert value["facts"] == []


def test_a_file_and_the_label_that_it_was_built_from(app):
    app.build("//app")
    app.write("app/helpers.py", 'def greeting():\n    return "good morning"\n')
    # Each word order, and the file is the very place where the build puts its output.
    outcome = app.run("diff", "hermpkg-out/app/app.pt", "//app")
    assert outcome.code == 3, outcome.stderr
    assert '+    return "good morning"' in outcome.stdout
    app.write("app/helpers.py", 'def greeting():\n    return "hello"\n')
    outcome = app.run("diff", "//app", "hermpkg-out/app/app.pt")
    assert outcome.code == 3
    assert '-    return "hello"' in outcome.stdout
    assert app.run("diff", "//app", ".", cwd="app").code == 0


def test_an_extern_module_more(two):
    app, a, b = two
    app.write("app/helpers.py", 'import csv\n\ndef greeting():\n    return "hello"\n')
    app.build("//app", "--out", b)
    assert "+ extern module csv" in app.run("diff", a, b).stdout


def test_what_is_no_artifact(two):
    app, a, _ = two
    outcome = app.run("diff", a, "pyproject.toml")
    assert outcome.code == 1
    assert "pyproject.toml" in outcome.stderr


STOCK = """
    import sys, torch
    from torch.package import PackageExporter

    path, change = sys.argv[1:]
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8))
    model.note = "first"
    if change:
        with torch.no_grad():
            model[0].weight[5, 2, 1, 0] += 0.5
            model[0].weight[7, 0, 0, 0] -= 0.25
        model[1].eps = 1e-3
        model.note = "second"
    with PackageExporter(path) as exporter:
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", model)
"""


@pytest.mark.slow
def test_two_archives_of_torch_package(app, tmp_path):
    paths = []
    for change in ("", "yes"):
        (tmp_path / f"of{change}").mkdir()
        paths.append(str(tmp_path / f"of{change}" / "net.pt"))
        program = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(STOCK), paths[-1], change]
        subprocess.run(program, check=True, env=app.environment())
    outcome = app.run("diff", *paths, "--json")
    assert outcome.code == 3, outcome.stderr
    details = {}
    for record in outcome.json["records"]:
        for detail in record["details"]:
            details[detail.get("name") or detail.get("path") or record["name"]] = detail
    weight = details["0.weight"]
    assert (weight["a"], weight["count"], weight["total"]) == ("float32[8, 3, 3, 3]", 2, 216)
    assert weight["first"] == [5, 2, 1, 0]
    assert weight["largest"] == pytest.approx(0.5)
    assert details["model.note"]["a"]["value"] == '"first"'
    assert details["model.note"]["b"]["opcode"] == "BINUNICODE"
    assert details["model[1].eps"]["b"]["value"] == "0.001"
    assert "0.bias" not in details
    assert app.run("diff", *paths).stdout.count("elements differ") == 1
