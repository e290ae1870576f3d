"""Labels alone build, in every spelling, from every folder."""

import subprocess
import zipfile

import pytest


def test_a_label_alone_builds(app):
    outcome = app.run("//app:app")
    assert outcome.code == 0, outcome.stderr
    assert "//app:app" in outcome.stdout
    assert "built" in outcome.stdout
    artifact = app.root / "hermpkg-out/app/app.pt"
    with zipfile.ZipFile(artifact) as archive:
        assert "app/app/main.py" in archive.namelist()
        assert archive.read("app/app/words.txt") == b"one\ntwo\n"


@pytest.mark.parametrize(
    ("words", "cwd"),
    [
        (["//app"], "."),
        (["//app:all"], "."),
        (["//..."], "."),
        (["//app/..."], "."),
        (["app:app"], "."),
        ([":app"], "app"),
        (["build", "app"], "app"),
        (["build", ":app", "--keep-going"], "app"),
        (["--", "//app"], "."),
        (["//...", "-//app:modules"], "."),
        (["-j2", "build", "//app", "-v"], "."),
        (["-C", "app", ":app"], "."),
        (["build", "//app", "--directory=app"], "."),
        (["app/"], "."),
        (["."], "app"),
        (["../app"], "app"),
        (["../...", "-./modules"], "app"),
    ],
)
def test_spellings(app, words, cwd):
    outcome = app.run("--json", *words, cwd=cwd)
    assert outcome.code == 0, outcome.stderr
    assert [t["label"] for t in outcome.json["targets"] if t["path"].endswith(".pt")] == ["//app:app"]
    assert (app.root / "hermpkg-out/app/app.pt").exists()


def test_out_puts_the_same_bytes_elsewhere(app, tmp_path):
    first = app.build("//app").target
    second = app.build("build", "//app", "--out", str(tmp_path / "else where" / "x.pt")).target
    assert second["sha256"] == first["sha256"]
    assert (tmp_path / "else where" / "x.pt").stat().st_size == first["bytes"]


def test_out_is_for_one_target(app):
    app.build_file(
        """
        model_package(name = "one", sources = {"m": ""}, policy = [intern("m")])
        model_package(name = "two", sources = {"m": ""}, policy = [intern("m")])
        """,
        "more/BUILD",
    )
    outcome = app.run("build", "//more:all", "--out", "x.pt")
    assert outcome.code == 2
    assert "--out needs exactly one model_package" in outcome.stderr
    assert "the patterns name: //more:one, //more:two" in outcome.stderr
    assert not (app.root / "x.pt").exists()


@pytest.mark.parametrize("out", ["app/main.py", "app/words.txt", "app/BUILD", "link.py"])
def test_out_overwrites_nothing_that_the_build_reads(app, out):
    (app.root / "link.py").symlink_to("app/main.py")
    before = (app.root / out).read_bytes()
    outcome = app.run("build", "//app", "--out", out)
    assert outcome.code == 2
    assert "overwrite" in outcome.stderr
    assert (app.root / out).read_bytes() == before


def test_a_subtracted_target_is_not_built(app):
    app.build_file('model_package(name = "two", sources = {"m": ""}, policy = [intern("m")])', "more/BUILD")
    assert set(app.build("//...", "-//app/...").statuses) == {"//more:two"}


def test_manual_targets_wait_to_be_named(app):
    app.build_file(
        'model_package(name = "two", sources = {"m": ""}, policy = [intern("m")], tags = ["manual"])',
        "more/BUILD",
    )
    assert "//more:two" not in app.build("//...").statuses
    assert "//more:two" in app.build("//more:two").statuses


def test_a_module_and_a_file_are_targets(app):
    assert app.build("//app:helpers.py").statuses == {"//app:helpers.py": "up-to-date"}
    assert app.build("build", "words.txt", cwd="app").code == 0
    app.write("app/helpers.py", "def greeting(:\n")
    outcome = app.run("//app:helpers.py")
    assert outcome.code == 1
    assert "app/helpers.py:1:14" in outcome.stderr
    assert app.run("//app:main.py").code == 0


def test_outputs_hide_themselves_from_git(app):
    app.build("//app")
    git = ["git", "-c", "core.excludesFile=/dev/null", "-c", "safe.directory=*"]
    subprocess.run([*git, "init", "-q", "."], cwd=app.root, check=True)
    status = [*git, "status", "--porcelain", "--untracked-files=all"]
    shown = subprocess.run(status, cwd=app.root, check=True, capture_output=True, text=True).stdout
    assert "?? app/BUILD" in shown
    assert "hermpkg-out" not in shown


def test_what_git_ignores_among_outputs_is_the_users_to_say(app):
    app.write("hermpkg-out/.gitignore", "*.tmp\n")
    app.build("//app")
    assert (app.root / "hermpkg-out/.gitignore").read_text() == "*.tmp\n"
    (app.root / "hermpkg-out/.gitignore").unlink()
    app.write("app/words.txt", "three\n")
    app.build("//app")
    assert "*\n" in (app.root / "hermpkg-out/.gitignore").read_text()
