"""Workspaces and files whose names hold spaces and letters beyond ASCII."""

import pytest

from hermpkg_build import PackageImporter


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX"])
def test_a_workspace_under_any_path(app, make_workspace, tmp_path, locale):
    other = make_workspace(tmp_path / "Größe und Maß" / "日本 語", tmp_path / "cache ü").write_app()
    first = app.build("//app").target
    outcome = other.run("--json", "//app", env={"LC_ALL": locale})
    assert outcome.code == 0, outcome.stderr
    assert outcome.target["sha256"] == first["sha256"]
    assert other.run("why", "//app", "app.helpers", env={"LC_ALL": locale}).code == 0


def test_names_beyond_ascii(workspace):
    workspace.write("größe/modul.py", "MASS = 1\n")
    workspace.write("größe/wörter und so.txt", "äöü\n")
    workspace.build_file(
        """
        python_modules(name = "modules", srcs = ["modul.py"])
        model_package(
            name = "paket",
            modules = ["größe.modul"],
            resources = {"größe/wörter und so.txt": ":wörter und so.txt"},
            policy = [intern("größe.**")],
            deps = [":modules"],
        )
        """,
        "größe/BUILD",
    )
    outcome = workspace.build("//größe:paket")
    assert outcome.target["label"] == "//größe:paket"
    shown = workspace.run("inspect", "hermpkg-out/größe/paket.pt")
    assert "größe/wörter und so.txt" in shown.stdout


def test_a_source_root(workspace):
    workspace.write("pyproject.toml", '[tool.hermpkg]\nsource-roots = ["src"]\n')
    workspace.write("src/lib/__init__.py", "from lib import inner\n")
    workspace.write("src/lib/inner.py", "")
    workspace.build_file(
        """
        python_modules(name = "modules", srcs = glob(["*.py"]))
        model_package(name = "lib", modules = ["lib"], policy = [intern("lib.**")], deps = [":modules"])
        """,
        "src/lib/BUILD",
    )
    workspace.build("//src/lib")
    assert "lib/inner.py" in workspace.run("inspect", "hermpkg-out/src/lib/lib.pt").stdout


@pytest.mark.parametrize("name", ["json", "sqlite3", "subprocess", "argparse", "random"])
def test_a_module_with_a_name_of_the_standard_library(workspace, name):
    """It neither takes the place of the one this tool needs, nor is it taken for that one."""
    workspace.write(f"{name}.py", "WHOSE = 'mine'\n")
    workspace.write("factory.py", f"import {name}\n\ndef make():\n    return {name}.WHOSE\n")
    workspace.build_file(
        f"""
        python_modules(name = "modules", srcs = glob(["*.py"]))
        model(name = "thing", factory = "factory:make", deps = [":modules"])
        model_package(
            name = "out",
            models = {{"m/x.pkl": ":thing"}},
            modules = ["factory"],
            policy = [intern("factory"), intern("{name}")],
            deps = [":modules"],
        )
        """,
        "BUILD",
    )
    workspace.build("//:out")
    assert f"{name}.py" in workspace.run("inspect", "hermpkg-out/out.pt").stdout
    with PackageImporter(workspace.root / "hermpkg-out/out.pt") as importer:
        assert importer.load_pickle("m", "x.pkl") == "mine"
        assert importer.import_module("factory").make() == "mine"
