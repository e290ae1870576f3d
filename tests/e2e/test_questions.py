"""`why`, `inspect`, `info`, `version` and `help`."""

import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from hermpkg_build import PackageExporter, __version__
from hermpkg_build.archive.writer import Record, write_archive
from hermpkg_build.errors import ExitCode

_spec = spec_from_file_location(
    "made_by_hand", Path(__file__).parents[1] / "unit" / "inspection" / "conftest.py"
)
by_hand = module_from_spec(_spec)
_spec.loader.exec_module(by_hand)


def test_why_shows_each_import_with_its_place(app):
    outcome = app.run("why", "//app", "app.helpers")
    assert outcome.code == 0, outcome.stderr
    lines = outcome.stdout.splitlines()
    assert "app.helpers" in lines[0]
    assert "intern" in lines[0]
    assert any("//app:app" in line and "app.main" in line for line in lines)
    assert any("app/main.py:3:1" in line for line in lines)


def test_why_of_a_file_reads_only_the_file(app, tmp_path):
    app.build("//app")
    moved = tmp_path / "moved.pt"
    (app.root / "hermpkg-out/app/app.pt").rename(moved)
    outcome = app.run("why", str(moved), "app.helpers", "-C", str(tmp_path))
    assert outcome.code == 0, outcome.stderr
    assert "app/main.py:3:1" in outcome.stdout


def test_why_of_an_extern_module(app):
    outcome = app.run("why", "//app", "json")
    assert outcome.code == 0, outcome.stderr
    assert "extern" in outcome.stdout
    assert "app/main.py:1:1" in outcome.stdout


def test_why_in_json(app):
    value = app.run("why", "//app", "app.helpers", "--json").json
    assert (value["module"], value["policy"]) == ("app.helpers", "intern")
    assert value["chain"][-1]["location"] == {"path": "app/main.py", "line": 3, "column": 1}


@pytest.mark.parametrize("artifact", ["//app", "hermpkg-out/app/app.pt"])
def test_why_of_files_and_all_imports(app, artifact):
    app.build("//app")
    outcome = app.run("why", artifact, "app/words.txt")
    assert "app/words.txt (a resource record" in outcome.stdout, outcome.stderr
    assert app.run("why", artifact, "app/words.txt", "--json").json["record"]["bytes"] > 0
    assert "app/main.py:3:1" in app.run("why", artifact, "app.helpers", "--all").stdout
    lost = app.run("why", artifact, "app/word.txt")
    assert (lost.code, "app/words.txt" in lost.stderr) == (ExitCode.QUERY_FAILED, True)


def test_why_of_a_tensor(app, tmp_path):
    data = by_hand.module({"w": by_hand.tensor(0, (2, 3))})
    path = tmp_path / "net.pt"
    records = {".data/version": b"6\n", "m/m.pkl": data, ".data/0.storage": bytes(400)}
    write_archive(str(path), root="net", records=[Record(name=n, content=d) for n, d in records.items()])
    assert app.run("why", str(path), "w").stdout.splitlines() == [
        f"w (a tensor, float32[2, 3], 24 B): in {path}",
        "  m/m.pkl holds it",
        "  its bytes are in .data/0.storage",
    ]
    assert "holds w, float32[2, 3]" in app.run("why", str(path), ".data/0.storage").stdout
    assert app.run("why", str(path), "w", "--json").json["tensors"][0]["shape"] == [2, 3]


def test_inspect_lists_records(app):
    app.build("//app")
    outcome = app.run("inspect", "hermpkg-out/app/app.pt")
    assert outcome.code == 0, outcome.stderr
    for word in ("app/main.py", "app/words.txt", "sha256"):
        assert word in outcome.stdout


def test_inspect_of_a_label_shows_it_as_it_is_now(app):
    for words in ("one\n", "one\ntwo\nthree\n"):
        app.write("app/words.txt", words)
        for word, folder in (("//app", "."), (".", "app"), ("./app/", ".")):
            outcome = app.run("inspect", word, "--json", cwd=folder)
            assert outcome.code == 0, outcome.stderr
            sizes = {record["name"]: record["bytes"] for record in outcome.json["records"]}
            assert sizes["app/words.txt"] == len(words)


def test_inspect_shows_nothing_of_a_target_that_does_not_build(app):
    app.build("//app")
    app.write("app/helpers.py", "def greeting(:\n")
    outcome = app.run("inspect", "//app")
    assert (outcome.code, "records" in outcome.stdout) == (1, False)
    assert "app/helpers.py:1:14" in outcome.stderr


def test_inspect_shows_one_artifact(app):
    app.build_file('model_package(name = "two", sources = {"m": ""}, policy = [intern("m")])', "more/BUILD")
    outcome = app.run("inspect", "//...")
    assert outcome.code == 2
    assert "//... names more than one artifact: //app:app, //more:two" in outcome.stderr
    outcome = app.run("inspect", "//app:modules")
    assert outcome.code == 2
    assert "no model_package among //app:modules" in outcome.stderr


def test_a_missing_file_is_one_where_there_are_no_labels(app, tmp_path):
    outcome = app.run("inspect", "missing.bin", "-C", str(tmp_path))
    assert "missing.bin" in outcome.stderr
    assert "workspace" not in outcome.stderr


def test_inspect_tells_what_is_required_however_it_is_spelt(app, tmp_path):
    path = tmp_path / "needs.pt"
    with PackageExporter(path, requires={"Typing_Extensions": ">=4"}) as exporter:
        exporter.extern("typing_extensions")
        exporter.save_source_string("own", "import typing_extensions\n")
    outcome = app.run("inspect", str(path))
    (line,) = [line for line in outcome.stdout.splitlines() if "typing-extensions" in line]
    assert line.endswith("must be installed (>=4)"), outcome.stderr


def test_inspect_in_json_is_what_the_file_holds(app):
    app.build("//app")
    value = app.run("inspect", "hermpkg-out/app/app.pt", "--json").json
    with zipfile.ZipFile(app.root / "hermpkg-out/app/app.pt") as archive:
        expected = {info.filename.partition("/")[2]: info.file_size for info in archive.infolist()}
    assert {record["name"]: record["bytes"] for record in value["records"]} == expected
    assert value["root"] == "app"


def test_inspect_as_a_tree(app):
    app.build("//app")
    outcome = app.run("inspect", "hermpkg-out/app/app.pt", "--tree")
    assert outcome.code == 0
    assert "main.py" in outcome.stdout
    assert ".data" in outcome.stdout


def test_inspect_of_a_stock_archive(app, tmp_path):
    file = tmp_path / "stock.pt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("stock/.data/version", "6\n")
        archive.writestr("stock/.data/extern_modules", "torch\n")
        archive.writestr("stock/pkg/__init__.py", "import torch\n")
    outcome = app.run("inspect", str(file))
    assert outcome.code == 0, outcome.stderr
    assert "pkg/__init__.py" in outcome.stdout
    assert app.run("why", str(file), "torch").code == 0


def test_inspect_lists_tensors_and_requirements(app):
    app.build("//app")
    for way in ("--tensors", "--requirements"):
        assert app.run("inspect", "hermpkg-out/app/app.pt", way).code == 0
    assert app.run("inspect", "hermpkg-out/app/app.pt", "--tree", "--depth", "1").code == 0
    for wrong in (["--tree", "--tensors"], ["--depth", "1"], ["--tree", "--depth", "0"]):
        assert app.run("inspect", "hermpkg-out/app/app.pt", *wrong).code == ExitCode.COMMAND_LINE


def test_inspect_of_no_archive(app):
    outcome = app.run("inspect", "pyproject.toml")
    assert outcome.code == 1
    assert "pyproject.toml" in outcome.stderr


def test_info(app):
    value = app.run("info", "--json").json
    assert value["workspace"] == str(app.root)
    assert value["cache_directory"] == str(app.cache)
    assert value["hermpkg"] == __version__
    assert "workspace" in app.run("info").stdout


def test_info_names_the_servers_without_their_secrets(app):
    assert app.run("info", "--json").json["remote_cache"] is None
    lines = '[tool.hermpkg]\nremote-cache = "https://ci:hunter2@cache.example.com:8443/team"\n'
    (app.root / "pyproject.toml").write_text(lines + 'remote-executor = "grpcs://build.example.com"\n')
    value = app.run("info", "--json").json
    assert value["remote_cache"] == "https://cache.example.com:8443/team"
    assert value["remote_executor"] == "grpcs://build.example.com"
    shown = app.run("info").stdout
    assert "https://cache.example.com:8443/team" in shown
    assert "hunter2" not in shown


def test_info_tells_of_servers_that_no_build_could_use(app):
    lines = '[tool.hermpkg]\nremote-cache = "ftp://ci:hunter2@cache.example.com"\n'
    (app.root / "pyproject.toml").write_text(lines)
    shown = app.run("info")
    assert "pyproject.toml:2: remote-cache cannot be 'ftp://cache.example.com'" in shown.stderr
    assert "ftp://cache.example.com" in shown.stdout
    assert __version__ in shown.stdout
    assert "hunter2" not in shown.stdout + shown.stderr
    told = app.run("info", "--json")
    assert told.json["remote_cache"] == "ftp://cache.example.com"
    assert told.json["error"]["exit_code"] == told.code == shown.code == ExitCode.COMMAND_LINE


def test_info_outside_of_a_workspace(app, tmp_path):
    assert app.run("-C", str(tmp_path), "info", "--json").json["workspace"] is None


def test_version(app):
    assert app.run("version").stdout == f"hermpkg {__version__}\n"
    assert app.run("--version").stdout == f"hermpkg {__version__}\n"


def test_help(app):
    overview = app.run("--help")
    assert overview.code == 0
    for command in ("build", "test", "why", "inspect", "info", "clean", "version"):
        assert command in overview.stdout
        assert f"hermpkg [OPTIONS] {command}" in app.run(command, "--help").stdout


def test_colour_only_where_wanted(app):
    plain = app.run("buidl")
    assert "\x1b" not in plain.stderr
    assert "\x1b" in app.run("--color=always", "buidl").stderr
    assert "\x1b" not in app.run("--color=never", "buidl").stderr


def test_quiet_and_verbose(app):
    assert app.run("-q", "//app").stdout == ""
    assert len(app.run("-v", "//app").stdout.split("sha256:")[1].strip()) == 64
