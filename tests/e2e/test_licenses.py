"""The licences of packed distributions: their texts are in the artifact, and edits of them build it anew."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from hermpkg_build import PackageImporter

if TYPE_CHECKING:
    from conftest import Workspace

INFO = "lib_dist-3.4.dist-info"
FOLDER = ".data/hermpkg/licenses/lib-dist"
LIBRARY = {
    "lib/__init__.py": "import importlib.metadata\nRIGHTS = importlib.metadata.distribution('lib-dist')\n",
    f"{INFO}/METADATA": "Name: lib-dist\nVersion: 3.4\nLicense-Expression: MIT\nLicense-File: LICENSE\n",
    f"{INFO}/RECORD": "lib/__init__.py,,\nlib/COPYING,,\n",
    f"{INFO}/licenses/LICENSE": "The text of the licence.\n",
    "lib/COPYING": "Another.\n",
}
BUILD = """
model_package(
    name = "art",
    modules = ["lib"],
    policy = [intern("lib.**"), deny("**")],
)
"""


@pytest.fixture
def environment(workspace: Workspace) -> dict[str, str]:
    for path, text in LIBRARY.items():
        workspace.write(f"../site/{path}", text)
    workspace.build_file(BUILD)
    return {"PYTHONPATH": str(workspace.root.parent / "site")}


def manifest(workspace: Workspace) -> Any:
    with zipfile.ZipFile(workspace.root / "hermpkg-out" / "app" / "art.pt") as file:
        return json.loads(file.read("art/.data/hermpkg/manifest.json"))


def test_the_texts_are_packed_and_the_manifest_says_whose_they_are(
    workspace: Workspace, environment: dict[str, str]
) -> None:
    workspace.build("//app:art", env=environment)
    built = manifest(workspace)
    files = [f"{FOLDER}/lib/COPYING", f"{FOLDER}/{INFO}/licenses/LICENSE"]
    assert built["licenses"] == {"lib-dist": {"expression": "MIT", "files": files}}
    assert [name for name in built["records"] if name.startswith(FOLDER)] == files
    assert all(built["records"][name]["kind"] == "resource" for name in files)
    with PackageImporter(workspace.root / "hermpkg-out" / "app" / "art.pt") as importer:
        rights = importer.import_module("lib").RIGHTS
        assert rights.read_text("licenses/LICENSE") == "The text of the licence.\n"
        assert rights.read_text("licenses/NONE") is None


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (f"{INFO}/licenses/LICENSE", "Other words.\n"),
        (f"{INFO}/licenses/NOTICE", "A new file.\n"),
        (f"{INFO}/METADATA", LIBRARY[f"{INFO}/METADATA"].replace("MIT", "GPL-3.0-only")),
        (f"{INFO}/RECORD", "lib/__init__.py,,\n"),
    ],
)
def test_a_change_of_the_licence_builds_the_artifact_again(
    workspace: Workspace, environment: dict[str, str], path: str, text: str
) -> None:
    first = workspace.build("//app:art", env=environment).target
    assert workspace.build("//app:art", env=environment).target["status"] == "up-to-date"
    workspace.write(f"../site/{path}", text)
    again = workspace.build("//app:art", env=environment).target
    assert again["status"] == "built"
    assert again["sha256"] != first["sha256"]
    assert any("icen" in reason or "METADATA" in reason or "COPYING" in reason for reason in again["reasons"])


def test_torch_opens_it_and_licences_follow_their_modules_into_another_package(
    workspace: Workspace, environment: dict[str, str]
) -> None:
    workspace.build("//app:art", env=environment)
    script = workspace.write(
        "again.py",
        """
        import sys
        import torch.package
        from torch.package import sys_importer
        from hermpkg_build import PackageExporter, PackageImporter

        stock = torch.package.PackageImporter("hermpkg-out/app/art.pt")
        assert stock.zip_reader.has_record(sys.argv[1])
        with PackageImporter("hermpkg-out/app/art.pt") as importer:
            for name, given in (("theirs.pt", stock), ("ours.pt", importer)):
                with PackageExporter(name, importer=[given, sys_importer], root="art") as exporter:
                    exporter.intern("lib.**")
                    exporter.extern("**")
                    exporter.save_module("lib")
        """,
    )
    record = f"{FOLDER}/{INFO}/licenses/LICENSE"
    # Where this runs, the library is not installed.
    subprocess.run(
        [sys.executable, str(script), record], cwd=workspace.root, env=workspace.environment(), check=True
    )
    built = manifest(workspace)["licenses"]
    for name in ("ours.pt", "theirs.pt"):
        with zipfile.ZipFile(workspace.root / name) as file:
            assert file.read(f"art/{record}") == b"The text of the licence.\n"
            assert json.loads(file.read("art/.data/hermpkg/manifest.json"))["licenses"] == built


def test_own_code_has_no_distribution_and_so_no_licence(workspace: Workspace) -> None:
    workspace.write_app().build("//app:app")
    with zipfile.ZipFile(workspace.root / "hermpkg-out" / "app" / "app.pt") as file:
        assert "licenses" not in json.loads(file.read("app/.data/hermpkg/manifest.json"))
