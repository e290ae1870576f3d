"""Only what changed is done again, and --explain says why."""

import os
import py_compile
import shutil

import pytest


def test_nothing_changed(app):
    first = app.build("//app")
    second = app.build("//app")
    assert (first.target["status"], second.target["status"]) == ("built", "up-to-date")
    assert second.target["sha256"] == first.target["sha256"]
    assert all(count["run"] == 0 for count in second.json["actions"].values())


@pytest.mark.parametrize(
    ("pattern", "labels"), [("//...", ["//app:app"]), ("//app:modules", ["//app:modules"])]
)
def test_a_build_that_finds_nothing_to_do_has_the_same_lines(app, pattern, labels):
    said = [app.run("build", pattern).stdout for _ in range(2)]
    assert [[line.split()[0] for line in text.splitlines()] for text in said] == [labels, labels]


@pytest.mark.parametrize("pattern", ["//app", "//...", "..."])
def test_the_second_build_already_asks_neither_cache_nor_engine(app, pattern):
    app.build(pattern)
    no_folder = app.root / "pyproject.toml"
    assert app.run("--cache-dir", str(no_folder), "build", pattern).code == 0
    app.write("app/helpers.py", (app.root / "app/helpers.py").read_text() + "# a comment\n")
    assert app.run("--cache-dir", str(no_folder), "build", pattern).code == 0
    app.write("app/helpers.py", (app.root / "app/helpers.py").read_text() + "MORE = 1\n")
    assert app.run("--cache-dir", str(no_folder), "build", pattern).code == 36


def test_a_comment_in_one_module_is_one_analysis(app):
    first = app.build("//app")
    app.write("app/helpers.py", (app.root / "app/helpers.py").read_text() + "# a comment\n")
    second = app.build("//app", "--explain")
    assert second.ran("analyse") == 1
    assert second.target["status"] == "built"
    assert second.target["sha256"] != first.target["sha256"]
    assert any("app/helpers.py" in reason for reason in second.target["reasons"])
    app.write("app/helpers.py", (app.root / "app/helpers.py").read_text() + "# another\n")
    assert "app/helpers.py" in app.run("//app", "--explain").stdout


def test_a_new_time_is_no_change(app):
    app.build("//app")
    os.utime(app.root / "app/helpers.py", (1_000_000_000, 1_000_000_000))
    second = app.build("//app")
    assert second.target["status"] == "up-to-date"
    assert second.ran("analyse") == 0


def test_an_edit_that_keeps_size_and_time_is_seen(app):
    file = app.root / "app/helpers.py"
    before = file.stat()
    first = app.build("//app")
    file.write_text(file.read_text().replace("hello", "HELLO"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert app.build("//app").target["sha256"] != first.target["sha256"]


def test_going_back_comes_from_the_cache(app):
    first = app.build("//app")
    text = (app.root / "app/helpers.py").read_text()
    app.write("app/helpers.py", text + "# more\n")
    app.build("//app")
    app.write("app/helpers.py", text)
    third = app.build("//app")
    assert third.target["sha256"] == first.target["sha256"]
    assert third.target["status"] == "cached"
    assert all(count["run"] == 0 for count in third.json["actions"].values())


def test_a_deleted_output_comes_back(app):
    first = app.build("//app")
    shutil.rmtree(app.root / "hermpkg-out")
    second = app.build("//app")
    assert second.target["sha256"] == first.target["sha256"]
    assert (app.root / "hermpkg-out/app/app.pt").exists()


def test_a_damaged_output_is_mended(app):
    first = app.build("//app")
    artifact = app.root / "hermpkg-out/app/app.pt"
    artifact.chmod(0o644)
    artifact.write_bytes(artifact.read_bytes()[:-10] + b"0123456789")
    second = app.build("//app")
    assert second.target["sha256"] == first.target["sha256"]
    assert second.target["status"] != "up-to-date"


def test_a_module_that_appears_where_an_optional_import_looked_for_it(app):
    app.write("app/main.py", "try:\n    from app import fast\nexcept ImportError:\n    fast = None\n")
    first = app.build("//app")
    app.write("app/fast.py", "")
    second = app.build("//app")
    assert second.target["sha256"] != first.target["sha256"]
    (app.root / "app/fast.py").unlink()
    assert app.build("//app").target["sha256"] == first.target["sha256"]


def test_a_resource_that_changes(app):
    first = app.build("//app")
    app.write("app/words.txt", "three\n")
    second = app.build("//app")
    assert second.target["sha256"] != first.target["sha256"]
    assert second.ran("analyse") == 0
    assert any("words.txt" in reason for reason in second.target["reasons"])


def test_a_build_file_that_changes_only_its_comments(app):
    first = app.build("//app")
    app.write("app/BUILD", (app.root / "app/BUILD").read_text() + "\n# a comment\n")
    second = app.build("//app")
    assert second.target["sha256"] == first.target["sha256"]
    assert second.ran("assemble") == 0


def test_two_workspaces_share_a_cache(app, make_workspace, tmp_path):
    first = app.build("//app")
    copy = make_workspace(tmp_path / "copy", app.cache).write_app()
    second = copy.build("//app")
    assert second.target["sha256"] == first.target["sha256"]
    assert second.target["status"] == "cached"


def test_clean_removes_outputs_and_the_cache(app):
    app.build("//app")
    assert app.run("clean").code == 0
    assert not (app.root / "hermpkg-out").exists()
    assert app.build("//app").target["status"] == "cached"
    assert app.run("clean", "--cache").code == 0
    assert not app.cache.exists()
    app.cache.mkdir()
    assert app.run("clean", "--cache", "--json").json["removed"] == []
    assert app.build("//app").target["status"] == "built"


def test_bytecode_of_another_text_does_not_vouch_for_a_source(app):
    """Neither the size nor the time of a source tells it from the one that was compiled."""
    file = app.root / "app/helpers.py"
    file.write_text("VALUE = 10\n")
    py_compile.compile(str(file), doraise=True)
    before = file.stat()
    file.write_text("VALUE = = \n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    outcome = app.run("//app")
    assert outcome.code == 1
    assert "app/helpers.py:1:9" in outcome.stderr


@pytest.mark.parametrize("name", ["value.py", "value.txt"])
def test_what_targets_declare_and_changes_while_the_model_is_made(app, name):
    """There is no artifact of two states: the build fails, and the next one makes the model again."""
    app.build_file(
        """
        python_modules(name = "modules", srcs = glob(["*.py"]), resources = glob(["*.txt"]))
        model(name = "thing", factory = "app.factory:make", deps = [":modules"])
        model_package(name = "app", models = {"m/x.pkl": ":thing"}, policy = [intern("app.**")])
        """
    )
    app.write("app/value.py", "VALUE = 1\n\nclass Value: pass\n")
    app.write("app/value.txt", "1")
    app.write(
        "app/factory.py",
        f"""
        import os
        from app import value

        def make():
            found = value.Value()
            found.value = value.VALUE
            path = os.path.join(os.path.dirname(__file__), "value.txt")
            with open(path) as file:
                found.text = file.read()
            if (found.value, found.text) == (1, "1"):
                with open(os.path.join(os.path.dirname(__file__), {name!r}), "w") as file:
                    file.write("2" if {name!r} == "value.txt" else "VALUE = 2\\n\\nclass Value: pass\\n")
            return found
        """,
    )
    first = app.run("build", "//app")
    assert first.code == 1
    assert f"app/{name} changed while //app:thing was made" in first.stderr
    assert not (app.root / "hermpkg-out/app/app.pt").exists()
    second = app.build("//app")
    assert second.ran("make-model") == 1
    assert second.stderr == ""
    assert app.build("//app").target["status"] == "up-to-date"


@pytest.mark.parametrize("value", ["outside", "app/value.txt"])
def test_a_file_that_changes_after_it_was_digested_and_before_a_model_is_made(
    app, make_workspace, tmp_path, value
):
    """The second model reads what the first leaves there: that is not what the build has digested."""
    app.build_file(
        """
        python_modules(name = "modules", srcs = glob(["*.py"]), resources = glob(["*.txt"]))
        model(name = "a", factory = "app.first:make", deps = [":modules"])
        model(name = "b", factory = "app.second:make", deps = [":modules"])
        model_package(name = "app", models = {"m/a.pkl": ":a", "m/b.pkl": ":b"}, policy = [deny("**")])
        """
    )
    data = app.root / value if "/" in value else tmp_path / value
    reading = f"def make():\n    value = open({str(data)!r}).read()\n"
    data.write_text("1")
    app.write("app/first.py", f"{reading}    return 1\n")
    app.write("app/second.py", f"{reading}    return value\n")
    app.build("//app", "--jobs", "1")
    app.write("app/first.py", f"{reading}    open({str(data)!r}, 'w').write('2')\n    return 1\n")
    app.write("app/second.py", f"{reading}    return [value]\n")
    assert "changed while //app:b was made" in app.run("build", "//app", "--jobs", "1", "-k").stderr
    data.write_text("1")
    app.write("app/first.py", f"{reading}    return 1\n")
    incremental = app.build("//app").target["sha256"]
    shutil.rmtree(app.root / "hermpkg-out")
    assert make_workspace(app.root, tmp_path / "empty").build("//app").target["sha256"] == incremental


def test_a_file_that_goes_while_the_model_is_made(app):
    app.build_file(
        """
        python_modules(name = "modules", srcs = ["factory.py"])
        model(name = "thing", factory = "app.factory:make", deps = [":modules"])
        model_package(name = "app", models = {"m/x.pkl": ":thing"}, policy = [deny("**")])
        """
    )
    data = app.write("app/d.txt", "one")
    app.write(
        "app/factory.py",
        f"""
        import os

        def make():
            if not os.path.exists({str(data)!r}):
                return []
            with open({str(data)!r}) as file:
                found = file.read()
            os.remove({str(data)!r})
            return found
        """,
    )
    first = app.build("//app")
    assert "app/d.txt changed while //app:thing was made" in first.stderr
    second = app.build("//app")
    assert (second.ran("make-model"), second.stderr) == (1, "")
    assert second.target["sha256"] != first.target["sha256"]
