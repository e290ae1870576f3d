"""Files of packed distributions that code opens by computed names: told with what to paste, then packed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hermpkg_build.errors import ExitCode

if TYPE_CHECKING:
    from conftest import Workspace

compiler = shutil.which("cc")
pytestmark = pytest.mark.skipif(compiler is None, reason="no C compiler is installed")

LIBRARY = {
    "kernels/__init__.py": """
        import ctypes
        import os

        SUFFIX = ".so"


        def answer(kind):
            name = "lib" + "_".join(["kernels", kind]) + SUFFIX
            return ctypes.CDLL(os.path.join(os.path.dirname(__file__), "native", name)).answer()


        def beside():
            folder = os.path.dirname(os.path.dirname(__file__)) + "/kernels" + ".libs"
            return ctypes.CDLL(os.path.join(folder, max(os.listdir(folder)))).answer()
    """,
    "kernels-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: kernels\nVersion: 1\n",
    "kernels-1.dist-info/RECORD": "kernels/__init__.py,,\n",
    "other/__init__.py": "",
}
BUILD = """
model_package(
    name = "art",
    modules = ["kernels"],
    policy = [intern("kernels.**"), extern("other.**", allow_empty = True), deny("**")],
)

package_test(name = "art_test", package = ":art", main = "art_test.py")
"""
TEST = """
import os
from hermpkg_build import PackageImporter

with PackageImporter(os.environ["HERMPKG_ARTIFACT"]) as importer:
    kernels = importer.import_module("kernels")
    assert kernels.answer("cpu") == 7
"""


@pytest.fixture
def site(workspace: Workspace) -> Path:
    """A workspace with an artifact of an installed library, and where the library is installed."""
    for path, text in LIBRARY.items():
        workspace.write(f"../an other site/{path}", text)
    folder = workspace.root.parent / "an other site"
    for name, answer in (("cpu", 7), ("cuda", 8)):
        compile_library(folder / f"kernels/native/libkernels_{name}.so", answer)
    workspace.write("app/art_test.py", TEST)
    workspace.build_file(BUILD)
    return folder


def compile_library(path: Path, answer: int) -> None:
    path.parent.mkdir(exist_ok=True)
    source = f"int answer(void) {{ return {answer}; }}"
    command = [str(compiler), "-shared", "-fPIC", "-x", "c", "-", "-o", str(path)]
    subprocess.run(command, input=source, text=True, check=True)


def test_the_advice_is_what_is_to_be_pasted(workspace: Workspace, site: Path) -> None:
    environment = {"PYTHONPATH": str(site)}
    said = workspace.run("//app:art", env=environment).stderr
    assert "by names that only run time knows (kernels/__init__.py:10:" in said
    assert workspace.run("test", "//app:art_test", env=environment).code == ExitCode.TESTS_FAILED
    advice = re.search(r"to //app:art: (installed_files = \[.*\],)", said)
    assert advice is not None, said
    workspace.build_file(BUILD.replace("modules =", f"{advice[1]}\n    modules =", 1))
    outcome = workspace.run("test", "//app:art_test", env=environment)
    assert outcome.code == 0, outcome.stderr + outcome.stdout
    assert "only run time knows" not in outcome.stderr


def test_a_glob_chooses_and_new_files_that_it_matches_are_packed(workspace: Workspace, site: Path) -> None:
    environment = {"PYTHONPATH": str(site)}
    globs = 'installed_files = ["kernels/native/lib*_cpu*.so", "kernels.libs/*"],\n    modules ='
    compile_library(site / "kernels.libs/libx-1.so", 3)
    workspace.build_file(BUILD.replace("modules =", globs, 1))
    packed = ["kernels.libs/libx-1.so", "kernels/native/libkernels_cpu.so"]
    assert libraries(workspace, environment) == packed
    assert "libkernels_cuda.so" in workspace.run("//app:art", env=environment).stderr
    compile_library(site / "kernels/native/libkernels_cpu2.so", 9)
    assert libraries(workspace, environment) == [*packed, "kernels/native/libkernels_cpu2.so"]


def libraries(workspace: Workspace, environment: dict[str, str]) -> list[str]:
    path = workspace.build("//app:art", env=environment).target["path"]
    records = workspace.run("inspect", path, "--json").json["records"]
    return sorted(record["name"] for record in records if record["name"].endswith(".so"))


@pytest.mark.parametrize("glob", ["kernels/native/*.dylib", "other/*.so", "other/**", "*.py"])
def test_a_glob_that_matches_nothing_packed_is_an_error(workspace: Workspace, site: Path, glob: str) -> None:
    compile_library(site / "other/libother.so", 1)
    workspace.build_file(BUILD.replace("modules =", f'installed_files = ["{glob}"],\n    modules =', 1))
    outcome = workspace.run("//app:art", env={"PYTHONPATH": str(site)})
    assert outcome.code == ExitCode.BUILD_FAILED
    assert "app/BUILD:" in outcome.stderr
    assert f"glob:      {glob}" in outcome.stderr
    assert "kernels/native/libkernels_cpu.so" in outcome.stderr


def test_what_a_factory_loads_is_packed_by_itself(workspace: Workspace, site: Path) -> None:
    code = "import kernels\n\ndef make():\n    return {'answer': kernels.answer('cpu')}\n"
    workspace.write("app/factory.py", code)
    workspace.build_file(
        """
        python_modules(name = "modules", srcs = ["factory.py"])
        model(name = "answer", factory = "app.factory:make", deps = [":modules"])
        model_package(
            name = "art",
            models = {"m/m.pkl": ":answer"},
            modules = ["kernels"],
            policy = [intern("kernels.**"), deny("**")],
        )
        """
    )
    assert libraries(workspace, {"PYTHONPATH": str(site)}) == ["kernels/native/libkernels_cpu.so"]


def test_pack_takes_what_the_example_loads_and_tells_of_the_rest(workspace: Workspace, site: Path) -> None:
    code = (
        "import kernels\n\nclass Model:\n    def __call__(self, kind):\n        return kernels.answer(kind)\n"
    )
    workspace.write(
        "model.py", f"{code}\ndef make():\n    return Model()\n\ndef example():\n    return ('cpu',)\n"
    )
    environment = {"PYTHONPATH": str(site)}
    alone = workspace.run("pack", "model:make", "-o", "alone.pt", env=environment)
    assert "note: packed code loads shared libraries by names that only run time knows" in alone.stdout
    assert "give an example whose call loads those" in alone.stdout
    shown = workspace.run(
        "pack", "model:make", "--example", "model:example", "-o", "shown.pt", env=environment
    )
    assert shown.code == 0, shown.stderr
    records = workspace.run("inspect", "shown.pt", "--json").json["records"]
    assert [each["name"] for each in records if each["name"].endswith(".so")] == [
        "kernels/native/libkernels_cpu.so"
    ]
