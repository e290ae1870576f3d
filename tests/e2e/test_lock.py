"""`hermpkg lock` and `verify --locked`: what is written down, and what is said when builds differ from it."""

from __future__ import annotations

import json

import pytest


def lock_of(app):
    return json.loads((app.root / "hermpkg.lock").read_text())


@pytest.fixture
def locked(app):
    """The app with a lock."""
    outcome = app.run("lock")
    assert outcome.code == 0, outcome.stderr
    return app


def reasons(app, *words):
    """The differences from the lock that a failing check tells."""
    outcome = app.run("verify", "--locked", "--json", *words)
    assert outcome.code == 3, outcome.stderr
    return [
        line
        for check in outcome.json["checks"]
        if check["check"] == "locked"
        for line in check["differences"]
        if not line.startswith("sha256: ")
    ]


def test_what_is_locked(locked):
    lock = lock_of(locked)
    (target,) = lock["targets"].values()
    built = locked.build("//app").target
    assert list(lock["targets"]) == ["//app:app"]
    assert (target["sha256"], target["bytes"]) == (built["sha256"], built["bytes"])
    assert target["externs"] == {}
    assert "app/main.py" in target["records"]
    assert lock["tool"].startswith("hermpkg ")


def test_locking_again_changes_nothing(locked):
    before = (locked.root / "hermpkg.lock").read_bytes()
    assert locked.run("lock", "//app").stdout.count("unchanged") == 1
    assert (locked.root / "hermpkg.lock").read_bytes() == before
    assert locked.build("//app").target["status"] == "up-to-date"


def test_what_is_as_locked_passes(locked):
    outcome = locked.run("verify", "--locked")
    assert outcome.code == 0, outcome.stdout
    assert "as locked" in outcome.stdout
    assert locked.run("verify", "--locked", "//app").code == 0


def test_a_changed_record(locked):
    locked.write("app/helpers.py", 'def greeting():\n    return "hi"\n')
    assert reasons(locked) == ["record app/helpers.py: changed"]
    assert locked.run("lock").code == 0
    assert locked.run("verify", "--locked").code == 0


def test_added_and_removed_records(locked):
    locked.write("app/main.py", "from app import more\n")
    locked.write("app/more.py", "")
    assert reasons(locked) == [
        "record .data/extern_modules: changed",
        "record app/helpers.py: gone",
        "record app/main.py: changed",
        "record app/more.py: added",
    ]


def test_a_new_extern_distribution(locked):
    locked.write("app/main.py", "import packaging\nfrom app import helpers\n")
    text = (locked.root / "app/BUILD").read_text()
    locked.write("app/BUILD", text.replace('intern("app.**"),', 'intern("app.**"), extern("packaging.**"),'))
    assert any(line.startswith("extern distribution packaging: added, 2") for line in reasons(locked))


def test_another_python(locked):
    text = (locked.root / "app/BUILD").read_text()
    locked.write("app/BUILD", text.replace('name = "app",', 'name = "app",\n    python_version = "3.9.1",'))
    assert any("became 3.9.1" in line for line in reasons(locked))


def test_the_manifest_alone(locked):
    text = (locked.root / "app/BUILD").read_text()
    locked.write(
        "app/BUILD", text.replace('name = "app",', 'name = "app",\n    requires = {"not-there": ">=2"},')
    )
    (line,) = reasons(locked)
    assert "manifest" in line


def test_another_version_of_the_tool(locked):
    lock = lock_of(locked)
    lock["tool"] = "hermpkg 0.0.1"
    lock["targets"]["//app:app"]["sha256"] = "0" * 64
    locked.write("hermpkg.lock", json.dumps(lock))
    assert any("hermpkg 0.0.1 became hermpkg" in line for line in reasons(locked))


def test_a_target_that_is_not_locked(locked):
    text = (locked.root / "app/BUILD").read_text()
    locked.write(
        "app/BUILD",
        text
        + '\nmodel_package(name = "two", modules = ["app.main"], deps = [":modules"], '
        + 'policy = [intern("app.**"), deny("**")])\n',
    )
    assert reasons(locked, "//app:two") == ["//app:two is not in the lock"]
    assert locked.run("verify", "--locked").code == 0


def test_computed_on_another_machine(locked):
    """What computed numbers may depend on is told as the reason, before what follows from it."""
    locked.write("app/factory.py", "def make():\n    return 2**0.5\n")
    text = (locked.root / "app/BUILD").read_text()
    locked.write(
        "app/BUILD",
        text.replace('name = "app",', 'name = "app",\n    models = {"m/m.pkl": ":number"},', 1)
        + '\nmodel(name = "number", factory = "app.factory:make", deps = [":modules"])\n',
    )
    assert locked.run("lock").code == 0
    here = lock_of(locked)["targets"]["//app:app"]["computed_on"]["m/m.pkl"]
    elsewhere = (locked.root / "hermpkg.lock").read_text().replace(here, "x86_64 glibc 2.1")
    locked.write("hermpkg.lock", elsewhere)
    assert reasons(locked)[0] == f"m/m.pkl: locked as computed on x86_64 glibc 2.1, and built on {here}"


def test_no_lock(app):
    outcome = app.run("verify", "--locked")
    assert outcome.code == 2
    assert "hermpkg lock" in outcome.stderr


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 2}', '{"format":1,"tool":"x","targets":{"//a":1}}']
)
def test_a_lock_that_is_none(app, text):
    app.write("hermpkg.lock", text)
    outcome = app.run("verify", "--locked")
    assert outcome.code == 2
    assert "hermpkg.lock cannot be read" in outcome.stderr


def test_nothing_to_lock(workspace):
    workspace.build_file('python_modules(name = "modules", srcs = [])\n')
    assert workspace.run("lock").code == 2
