"""``hermpkg sbom`` as people run it: to a file, to standard output, as a check in CI."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Workspace

LIBRARY = {
    "lib/__init__.py": "",
    "lib_dist-3.4.dist-info/METADATA": "Name: lib-dist\nVersion: 3.4\nLicense-Expression: GPL-3.0-or-later\n",
    "lib_dist-3.4.dist-info/RECORD": "lib/__init__.py,,\n",
    "lib_dist-3.4.dist-info/licenses/COPYING": "The text.\n",
    "ext.py": "",
    "ext_dist-1.dist-info/METADATA": "Name: ext-dist\nVersion: 1\n",
    "ext_dist-1.dist-info/RECORD": "ext.py,,\n",
}
BUILD = """
python_modules(name = "modules", srcs = ["__init__.py", "main.py", "made.py"])

model(name = "net", factory = "app.made:make", deps = [":modules"])

model_package(
    name = "art",
    models = {"net/net.pkl": ":net"},
    policy = [intern("app.**"), intern("lib.**"), extern("**")],
    requires = {"ext-dist": ">=1,<2"},
)
"""
SOURCES = {
    "app/__init__.py": "",
    "app/main.py": "import ext\nimport lib\n\nclass Net:\n    pass\n",
    "app/made.py": "from app.main import Net\n\ndef make():\n    return Net()\n",
}


@pytest.fixture
def environment(workspace: Workspace) -> dict[str, str]:
    for path, text in LIBRARY.items():
        workspace.write(f"../site/{path}", text)
    for path, text in SOURCES.items():
        workspace.write(path, text)
    workspace.build_file(BUILD)
    return {"PYTHONPATH": str(workspace.root.parent / "site")}


def test_the_bill_of_a_label_is_all_that_standard_output_has(
    workspace: Workspace, environment: dict[str, str]
) -> None:
    # Imported where it is used: it compiles grammars for more than a second.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    first = workspace.run("sbom", "//app:art", env=environment)
    assert first.code == 0, first.stderr
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(first.stdout) is None
    document = json.loads(first.stdout)
    refs = {each["bom-ref"]: each for each in document["components"]}
    assert refs["model:net/net.pkl"]["modelCard"]["modelParameters"] == {"modelArchitecture": "app.made:make"}
    needs = {each["ref"]: each.get("dependsOn", []) for each in document["dependencies"]}
    assert needs["model:net/net.pkl"] == ["own-code"]
    assert needs["own-code"] == ["distribution:ext-dist", "distribution:lib-dist"]
    assert refs["distribution:lib-dist"]["purl"] == "pkg:pypi/lib-dist@3.4"
    assert {"name": "hermpkg:requires", "value": ">=1,<2"} in refs["distribution:ext-dist"]["properties"]
    # Another process, with other hash seeds, in another folder, of a file.
    env = {**environment, "PYTHONHASHSEED": "7"}
    again = workspace.run("sbom", "../hermpkg-out/app/art.pt", cwd="app", env=env)
    assert again.stdout == first.stdout
    piped = workspace.run("-q", "sbom", "//app:art", "-o", "/dev/stdout", env=environment)
    assert piped.stdout.startswith(first.stdout)
    files = ["a.json", "b.json"]
    for path, options in zip(files, [["--format", "spdx"], ["--format=spdx", "-q"]], strict=True):
        assert workspace.run("sbom", "//app:art", "-o", path, *options, env=environment).code == 0
    assert (workspace.root / "a.json").read_bytes() == (workspace.root / "b.json").read_bytes()


def test_the_check_tells_which_model_needs_what_is_refused(
    workspace: Workspace, environment: dict[str, str]
) -> None:
    refused = workspace.run(
        "sbom", "//app:art", "-o", "out.json", "--fail-on", "strong-copyleft", env=environment
    )
    assert refused.code == 3
    assert "lib-dist: GPL-3.0-or-later (strong-copyleft; known by its licence expression)" in refused.stderr
    assert "needed by net/net.pkl" in refused.stderr
    assert (workspace.root / "out.json").exists()
    words = ("sbom", "hermpkg-out/app/art.pt", "--licenses")
    allowed = workspace.run(*words, "--fail-on", "proprietary,AGPL-3.0-only", env=environment)
    assert allowed.code == 0
    assert "not packed, and under their own terms where they are installed: ext-dist" in allowed.stdout
    told = workspace.run("--json", *words, "--fail-on", "GPL-3.0-or-later", env=environment)
    assert (told.code, told.json["refused"]) == (3, ["lib-dist"])
    assert told.json["licenses"][0]["needed_by"] == ["net/net.pkl"]
    assert "COPYING" in workspace.run(*words, "-v", env=environment).stdout


def test_the_time_is_given_or_there_is_none(workspace: Workspace, environment: dict[str, str]) -> None:
    workspace.build("//app:art", env=environment)

    def bill(*words: str, **more: str) -> str:
        outcome = workspace.run("sbom", "hermpkg-out/app/art.pt", *words, env={**environment, **more})
        assert outcome.code == 0, outcome.stderr
        return outcome.stdout

    assert "timestamp" not in bill()
    assert json.loads(bill(SOURCE_DATE_EPOCH="60"))["metadata"]["timestamp"] == "1970-01-01T00:01:00+00:00"
    later = json.loads(bill("--time", "2026-01-31T12:00:00+02:00", SOURCE_DATE_EPOCH="60"))
    assert later["metadata"]["timestamp"] == "2026-01-31T10:00:00+00:00"
    assert '"created": "2026-01-31T00:00:00Z"' in bill("--format", "spdx", "--time", "2026-01-31")
    assert '"created": "1970-01-01T00:00:00Z"' in bill("--format", "spdx")


def test_modules_of_nobody_are_unknown_until_someone_says_that_they_are_own(workspace: Workspace) -> None:
    workspace.write("script.py", "class Net:\n    pass\n\ndef make():\n    return Net()\n")
    assert workspace.run("pack", "script.py:make", "-o", "net.pt").code == 0
    check = ("sbom", "net.pt", "--licenses", "--fail-on", "unknown")
    refused = workspace.run(*check)
    assert refused.code == 3
    assert (
        "script: unknown (unknown; known by nothing: no distribution is known to have it)" in refused.stderr
    )
    assert "where script is your own: --own script" in refused.stderr
    owned = workspace.run(*check, "--own", "script")
    assert owned.code == 0, owned.stderr
    assert "script: no distribution installs it" in owned.stdout
    mistaken = workspace.run(*check, "--own", "scrip")
    assert mistaken.code == 2
    assert "did you mean 'script'?" in mistaken.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--time", "tomorrow"], "--time is no time: 'tomorrow'"),
        (["--time", "9" * 30], "--time is no time"),
        (["--fail-on", "copyleft"], "neither an SPDX licence nor what licences demand"),
        (["--fail-on", ","], "--fail-on says nothing"),
        (["--licenses", "-o", "x"], "give one of them"),
        (["-o", "hermpkg-out"], "--output names a folder"),
        (["-o", "hermpkg-out/app/art.pt"], "--output would overwrite another file"),
        (["--format", "xml"], "cyclonedx"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(workspace: Workspace, words: list[str], text: str) -> None:
    workspace.write_app().build("//app:app", "--out", "hermpkg-out/app/art.pt")
    before = (workspace.root / "hermpkg-out/app/art.pt").read_bytes()
    outcome = workspace.run("sbom", "hermpkg-out/app/art.pt", *words)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert text in outcome.stderr
    assert (workspace.root / "hermpkg-out/app/art.pt").read_bytes() == before


def test_without_the_extra_it_says_what_to_install(workspace: Workspace) -> None:
    workspace.write_app().build("//app:app")
    for missing in ("cyclonedx", "license_expression", "spdx_python_model"):
        workspace.write(f"../hidden/{missing}.py", f"raise ImportError('no {missing}')\n")
    hidden = {"PYTHONPATH": str(workspace.root.parent / "hidden")}
    for words in (["--format=cyclonedx"], ["--format=spdx"], ["--fail-on", "unknown"]):
        outcome = workspace.run("sbom", "hermpkg-out/app/app.pt", *words, env=hidden)
        assert outcome.code == 36
        assert "pip install 'hermpkg-build[sbom]'" in outcome.stderr


def test_what_other_programs_read_has_no_lines_of_the_build(
    workspace: Workspace, environment: dict[str, str]
) -> None:
    outcome = workspace.run("inspect", "--requirements", "//app:art", env=environment)
    assert outcome.stdout.startswith("# what //app:art expects")
    assert "//app:art" in outcome.stderr
    assert workspace.run("inspect", "--requirements", "//app:art", "-q", env=environment).stderr == ""
