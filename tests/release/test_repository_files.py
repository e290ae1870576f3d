"""Workflows, templates and metadata: true to the Makefile, and to the one place of addresses."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")


@pytest.fixture(scope="module")
def workflows(repository: Path):
    return {
        path.stem: yaml.safe_load(path.read_text())
        for path in (repository / ".github/workflows").glob("*.yml")
    }


def steps_of(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_there_is_a_workflow_for_each_kind_of_check(workflows):
    assert set(workflows) == {"docs", "fuzz", "lint", "release", "test"}


def test_workflows_make_targets_that_there_are(workflows, repository):
    targets = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(), re.MULTILINE))
    asked = set()
    for workflow in workflows.values():
        scripts = [step.get("run", "") for step in steps_of(workflow)]
        for job in workflow["jobs"].values():
            matrix = job.get("strategy", {}).get("matrix", {})
            scripts += [f"make {words}" for words in matrix.get("words", ())]
        asked |= {name for script in scripts for name in re.findall(r"\bmake ([a-z-]+)", script)}
    assert {"test", "lint", "docs", "fuzz", "release-check"} <= asked
    assert asked <= targets


def test_what_make_is_told_of_a_release_reaches_no_shell_as_code(repository, tmp_path):
    """Tags have names that others give: they come through the environment, as make exports them."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
    (tmp_path / "bin/python").chmod(0o755)
    (tmp_path / "release.stamp").touch()
    programs = "hermpkg_build/runtime/distribution"
    words = {
        "release-check": (
            ["RELEASED=v1$$(touch made); touch made"],
            f"<{programs}/check_release.py><dist><v1$(touch made)",
        ),
        "release": (
            ["VERSION=`touch made`", "DRY_RUN=1"],
            f"<{programs}/release.py><--dry-run><`touch made`>",
        ),
    }
    for target, (given, told) in words.items():
        command = [
            "make",
            "-s",
            "-f",
            str(repository / "Makefile"),
            f"RELEASE={tmp_path}",
            "-o",
            f"{tmp_path}/release.stamp",
        ]
        completed = subprocess.run(
            [*command, target, *given], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert told in completed.stdout, completed.stdout + completed.stderr
        assert not (tmp_path / "made").exists()


def test_actions_of_others_are_pinned_to_commits(repository):
    for path in (repository / ".github/workflows").glob("*.yml"):
        for line in path.read_text().splitlines():
            used = re.search(r"uses: (?!\./)(.*)", line)
            assert not used or re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used[1]), line


def test_no_job_has_a_right_that_it_does_not_name(workflows):
    for name, workflow in workflows.items():
        assert workflow["permissions"] == {}, name
        for job in workflow["jobs"].values():
            assert "permissions" in job
            assert job["timeout-minutes"]
    rights = {job: each.get("permissions") for job, each in workflows["release"]["jobs"].items()}
    assert [job for job, right in rights.items() if "id-token" in right] == ["attest", "publish"]
    writers = [right for job, right in rights.items() if "write" in right.values() and job == "build"]
    assert not writers


def test_no_expression_reaches_a_shell_as_code(workflows):
    for workflow in workflows.values():
        for step in steps_of(workflow):
            assert "${{" not in step.get("run", "")


def test_addresses_are_those_of_the_one_place(program, repository):
    urls = program("split").read_toml(repository / "pyproject.toml")["project"]["urls"].values()
    files = ["CITATION.cff", "README.md", "SECURITY.md", "CONTRIBUTING.md", "mkdocs.yml"]
    files += [
        str(path.relative_to(repository)) for path in (repository / ".github").rglob("*") if path.is_file()
    ]
    for file in files:
        if not (repository / file).is_file():
            continue
        for address in re.findall(r"https://hermpkg\.example[^\s\"')>]*", (repository / file).read_text()):
            assert any(address == url or address.startswith(f"{url}/") for url in urls), (file, address)


def test_what_an_image_is_made_of_is_enough_to_build_it(program, repository, tmp_path):
    """The files that .dockerignore lets in: a wheel is built of no others."""
    lines = (repository / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    split = program("split")
    files = {*split.all_files(repository), "pyproject.toml", "README.md", "LICENSE"}
    files |= {f"hermpkg_build/runtime/{name}" for name in ("pyproject.toml", "README.md")}
    assert {file.partition("/")[0] for file in files} <= allowed


def test_forms_of_issues_are_what_they_are_filled_in_as(repository):
    forms = sorted((repository / ".github/ISSUE_TEMPLATE").glob("*.yml"))
    for path in forms:
        form = yaml.safe_load(path.read_text())
        if path.stem == "config":
            assert all({"name", "url", "about"} == link.keys() for link in form["contact_links"])
            continue
        assert {"name", "description", "body"} <= form.keys()
        names = [part["id"] for part in form["body"]]
        assert len({*names}) == len(names)
        for part in form["body"]:
            assert part["type"] in {"textarea", "input", "dropdown"}
            assert part["attributes"]["label"]
            assert (part["type"] == "dropdown") == ("options" in part["attributes"])
            assert all(isinstance(each, str) for each in part["attributes"].get("options", ()))
    assert len(forms) == 3


def test_the_one_licence_is_the_whole_text(repository):
    assert (repository / "LICENSES/Apache-2.0.txt").read_bytes() == (repository / "LICENSE").read_bytes()


# With the tools themselves, where `make release-check` has installed them.


def test_the_job_of_gitlab_is_one(tool, repository, tmp_path):
    header, job = (repository / ".gitlab/verify.yml").read_text().split("\n---\n")
    for name, spec in yaml.safe_load(header)["spec"]["inputs"].items():
        job = job.replace(f"$[[ inputs.{name} ]]", str(spec["default"]))
    assert "$[[" not in job
    (tmp_path / "job.yml").write_text(job)
    words = [tool("check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci", str(tmp_path / "job.yml")]
    completed = subprocess.run(words, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_pre_commit_refuses_a_commit_of_settings_that_change_an_artifact(tool, repository, tmp_path):
    """The real one, on a git checkout: what is committed has no name that says what it is for."""
    pre_commit = tool("pre-commit")
    project, hooks = tmp_path / "project", tmp_path / "hooks"
    environ = environment(tmp_path)

    def run(folder: Path, *words: str, code: int | None = 0) -> str:
        completed = subprocess.run(
            words, cwd=folder, env=environ, capture_output=True, text=True, check=False
        )
        assert code is None or completed.returncode == code, completed.stdout + completed.stderr
        return completed.stdout + completed.stderr

    for folder in (project, hooks):
        folder.mkdir()
        run(folder, "git", "init", "-q")
    (hooks / ".pre-commit-hooks.yaml").write_text((repository / ".pre-commit-hooks.yaml").read_text())
    for words in (("add", "-A"), ("commit", "-qm", "hooks"), ("tag", "v1")):
        run(hooks, "git", *words)
    files = {
        "pyproject.toml": "[tool.hermpkg]\n",
        "app/BUILD": 'load("@hermpkg//rules:defs.bzl", "extern", "intern", "model_package", "python_modules")'
        "\n"
        'python_modules(name = "modules", srcs = ["main.py"])\n'
        'model_package(name = "app", modules = ["app.main"], policy = [intern("app.**"), extern("**")],\n'
        '    deps = [":modules"],\n'
        '    resources = {"app/small.yaml": "//configs:small.yaml"})\n',
        "configs/BUILD": 'exports_files(["small.yaml"])\n',
        "app/main.py": "SIZE = 1\n",
        "configs/small.yaml": "size: 1\n",
        ".gitignore": "hermpkg-out/\n",
        ".pre-commit-config.yaml": f"repos:\n- repo: {hooks}\n  rev: v1\n  hooks:\n  - id: hermpkg-locked\n",
    }
    for name, text in files.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
    run(project, "hermpkg", "lock")
    run(project, "git", "add", "-A")
    run(project, pre_commit, "install")
    assert "Passed" in run(project, "git", "commit", "-m", "One")
    (project / "configs/small.yaml").write_text("size: 2\n")
    told = run(project, "git", "commit", "-am", "Two", code=1)
    assert "Failed" in told
    assert "record app/small.yaml: changed" in told
    run(project, "hermpkg", "lock")
    assert "Passed" in run(project, "git", "commit", "-am", "Three")


def environment(folder: Path) -> dict[str, str]:
    import os
    import sys

    names = {
        f"GIT_{who}_{what}": f"a@{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, **names, "PATH": path, "HOME": str(folder), "PRE_COMMIT_HOME": str(folder / "pre-commit")}
