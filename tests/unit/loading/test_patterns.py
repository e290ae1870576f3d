"""What target patterns on a command line stand for."""

# The tables read best with one case a line.
# ruff: noqa: E501

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hermpkg_build.errors import HermpkgError
from hermpkg_build.loading import expansion

if TYPE_CHECKING:
    from conftest import WorkspaceFiles


@pytest.fixture
def tree(files: WorkspaceFiles) -> WorkspaceFiles:
    for package in ("", "a", "a/b", "a/b/c", "z"):
        name = package.rpartition("/")[2] or "root"
        files.build(
            package,
            f'model(name = "{name}", factory = "x:y")\n'
            f'model(name = "{name}2", factory = "x:y")\n'
            f'model(name = "{name}_manual", factory = "x:y", tags = ["manual"])\n',
        )
    files.write("a/file.txt")
    files.write("a/lib/m.py")
    files.write(".hidden/BUILD", "broken (")
    files.write("hermpkg-out/BUILD", "broken (")
    files.write("venv/pyvenv.cfg")
    files.write("venv/lib/BUILD", "broken (")
    os.symlink(files.root, files.root / "a" / "loop")
    return files


def expand(tree: WorkspaceFiles, *patterns: str, package: str = "") -> list[str]:
    return [str(label) for label in expansion.expand(tree.loader(), patterns, package=package)]


@pytest.mark.parametrize(
    ("patterns", "package", "expected"),
    [
        (["//a:a"], "", ["//a:a"]),
        (["//a"], "z", ["//a:a"]),
        (["//a/b"], "", ["//a/b:b"]),
        (["//a:all"], "", ["//a:a", "//a:a2"]),
        (["//a:*"], "", ["//a:a", "//a:a2"]),
        (["//a:a_manual"], "", ["//a:a_manual"]),
        (["//a/..."], "", ["//a:a", "//a:a2", "//a/b:b", "//a/b:b2", "//a/b/c:c", "//a/b/c:c2"]),
        (["//a/b/...:all"], "", ["//a/b:b", "//a/b:b2", "//a/b/c:c", "//a/b/c:c2"]),
        (["..."], "a/b", ["//a/b:b", "//a/b:b2", "//a/b/c:c", "//a/b/c:c2"]),
        (["c/..."], "a/b", ["//a/b/c:c", "//a/b/c:c2"]),
        ([":a2"], "a", ["//a:a2"]),
        ([":all"], "a", ["//a:a", "//a:a2"]),
        (["a2"], "a", ["//a:a2"]),
        (["b"], "a", ["//a/b:b"]),
        (["b:b2"], "a", ["//a/b:b2"]),
        (["a/b"], "", ["//a/b:b"]),
        (["a/file.txt"], "", ["//a:file.txt"]),
        (["lib/m.py"], "a", ["//a:lib/m.py"]),
        (["//:root"], "a", ["//:root"]),
        (["root"], "", ["//:root"]),
        (["//a:a", "//a:all"], "", ["//a:a", "//a:a2"]),
        (["//a:all", "-//a:a"], "", ["//a:a2"]),
        (["//a/...", "-//a/b/..."], "", ["//a:a", "//a:a2"]),
        (["//a/...", "-//a/b/...", "//a/b:b"], "", ["//a:a", "//a:a2", "//a/b:b"]),
        (["//a:a_manual", "-//a:all"], "", []),
        (["//a:all", "-:a2"], "a", ["//a:a"]),
        (["-//a:a"], "", []),
        ([], "", []),
        (["./a"], "", ["//a:a"]),
        (["a/"], "", ["//a:a"]),
        (["a/b//"], "", ["//a/b:b"]),
        (["../a/b"], "z", ["//a/b:b"]),
        (["../../a"], "a/b", ["//a:a"]),
        (["."], "a", ["//a:a", "//a:a2"]),
        (["./"], "", ["//:root", "//:root2"]),
        ([".."], "a/b", ["//a:a", "//a:a2"]),
        (["b/.."], "a", ["//a:a", "//a:a2"]),
        (["./..."], "a/b/c", ["//a/b/c:c", "//a/b/c:c2"]),
        (["../b/.../"], "a/b", ["//a/b:b", "//a/b:b2", "//a/b/c:c", "//a/b/c:c2"]),
        (["../z:z2", ".:all"], "a", ["//z:z2", "//a:a", "//a:a2"]),
        (["./file.txt"], "a", ["//a:file.txt"]),
        (["../a/lib/m.py"], "z", ["//a:lib/m.py"]),
        ([":all", "-./a2"], "a", ["//a:a"]),
        (
            ["../...", "-.", "-./b"],
            "a",
            ["//:root", "//:root2", "//a/b:b2", "//a/b/c:c", "//a/b/c:c2", "//z:z", "//z:z2"],
        ),
    ],
)
def test_patterns(tree: WorkspaceFiles, patterns: list[str], package: str, expected: list[str]) -> None:
    assert expand(tree, *patterns, package=package) == expected


def test_a_path_to_a_package_without_a_target_of_its_name_is_all_of_it(tree: WorkspaceFiles) -> None:
    tree.build("y", 'model(name = "one", factory = "x:y")\nmodel(name = "two", factory = "x:y")\n')
    tree.build("empty")
    for word in ("y", "./y", "y/", f"{tree.root}/y"):
        assert expand(tree, word) == ["//y:one", "//y:two"]
    # A label says which target it names.
    for word in ("//y", "empty"):
        with pytest.raises(HermpkgError, match="no such target: //"):
            expand(tree, word)


@pytest.mark.parametrize(
    "word", ["a", "a/", "a/b", "a/lib/m.py", "a:a2", "a:all", "a/...", "a/.", ".", "...", ":root"]
)
def test_a_pattern_is_the_same_from_everywhere_and_through_links(
    tree: WorkspaceFiles, tmp_path: Path, word: str
) -> None:
    expected = expand(tree, word)
    os.symlink(tree.root, tmp_path / "link")
    assert expected
    for folder in ("a/b", "z", "a/lib", "venv"):
        up = os.path.relpath(tree.root, tree.root / folder)
        assert expand(tree, f"{up}{'' if word.startswith(':') else '/'}{word}", package=folder) == expected
        for root in (tree.root, tmp_path / "link"):
            path = f"{root}{'' if word.startswith(':') else '/'}{word}"
            assert expand(tree, path, package=folder) == expected
            assert expand(tree, "//...", f"-{path}", package=folder) == [
                label for label in expand(tree, "//...") if label not in expected
            ]


@pytest.mark.parametrize(("word", "package"), [(".", ""), ("..", "z"), (":all", "")])
def test_a_folder_above_packages_is_told_of_them(files: WorkspaceFiles, word: str, package: str) -> None:
    files.build("z", 'model(name = "z", factory = "x:y")')
    with pytest.raises(HermpkgError) as caught:
        expand(files, word, package=package)
    assert caught.value.next_step == "for all targets below it: //..."


@pytest.mark.parametrize("word", ["..", "../x", "a/../..", "/", "/usr", "/usr:x", "-../x"])
def test_paths_out_of_the_workspace(tree: WorkspaceFiles, word: str) -> None:
    with pytest.raises(HermpkgError) as caught:
        expand(tree, word)
    assert "out of the workspace" in str(caught.value) or "outside of the workspace" in str(caught.value)


@pytest.mark.parametrize("word", [".", "...", ":all", "a", "//hermpkg-out/a/..."])
def test_there_are_no_targets_among_outputs(tree: WorkspaceFiles, word: str) -> None:
    tree.write("hermpkg-out/a/BUILD")
    with pytest.raises(HermpkgError) as caught:
        expand(tree, word, package="hermpkg-out")
    assert "target" in caught.value.next_step, caught.value


def test_a_target_wins_over_the_wildcard_of_its_name(tree: WorkspaceFiles) -> None:
    tree.build("y", 'model(name = "all", factory = "x:y")\nmodel(name = "other", factory = "x:y")\n')
    assert expand(tree, "//y:all") == ["//y:all"]
    assert expand(tree, "//y:*") == expand(tree, "//y/...:all") == ["//y:all", "//y:other"]


def test_everything(tree: WorkspaceFiles) -> None:
    found = expand(tree, "//...")
    assert found[:4] == ["//:root", "//:root2", "//a:a", "//a:a2"]
    assert len(found) == 10


@pytest.mark.parametrize(
    ("pattern", "package", "summary", "step"),
    [
        ("//a:aa", "", "no such target: //a:aa", "did you mean '//a:a'?"),
        ("//aa", "", "no such package: //aa", "did you mean '//a:a'?"),
        ("//a/bb:b", "", "no such package: //a/bb", "did you mean '//a/b:b'?"),
        ("//a/lib:m.py", "", "no such package: //a/lib", "did you mean '//a:lib/m.py'?"),
        ("-//a:aa", "", "no such target: //a:aa", "did you mean '//a:a'?"),
        ("//nowhere/...", "", "no packages at or below //nowhere", ""),
        ("//a:b/c/x", "", "//a:b/c/x reaches into another package", "did you mean '//a/b/c:x'?"),
        (":x", "a/lib", "no such package: //a/lib", "add a BUILD file to the folder"),
        ("@python//kornia/...", "", "@python//kornia/... is in another repository: only this workspace has targets", ""),
        ("//a:", "", "'//a:' is not a label", ""),
    ],
)  # fmt: skip
def test_patterns_that_name_nothing(
    tree: WorkspaceFiles, pattern: str, package: str, summary: str, step: str
) -> None:
    with pytest.raises(HermpkgError) as caught:
        expansion.expand(tree.loader(), [pattern], package=package)
    assert (caught.value.summary, caught.value.next_step) == (summary, step)


@pytest.mark.parametrize("root", [True, False])
@pytest.mark.parametrize(
    ("pattern", "step"),
    [
        ("hermpkg-out/a/art.pt", "did you mean '//a:art'?"),
        ("hermpkg-out/a/art", "did you mean '//a:art'?"),
        ("//hermpkg-out/a:art.pt", "did you mean '//a:art'?"),
        ("hermpkg-out/a/deep/other.pt", "did you mean '//a:named'?"),
        ("hermpkg-out/a/gone.pt", "name the target that it is built from"),
    ],
)
def test_outputs_are_no_targets(files: WorkspaceFiles, root: bool, pattern: str, step: str) -> None:
    if root:
        files.build("", "")
    files.build("a", 'model_package(name = "art")\nmodel_package(name = "named", out = "deep/other.pt")\n')
    for path in ("hermpkg-out/a/art.pt", "hermpkg-out/a/gone.pt", "hermpkg-out/a/deep/other.pt"):
        files.write(path)
    with pytest.raises(HermpkgError, match="is an output of builds") as caught:
        expand(files, pattern)
    assert caught.value.next_step == step


def test_all_wrong_patterns_are_told(tree: WorkspaceFiles) -> None:
    errors = tree.errors(lambda: expansion.expand(tree.loader(), ["//a:x1", "//a:a", "//y:x2"]))
    assert [error.summary for error in errors] == ["no such target: //a:x1", "no such package: //y"]


def test_a_broken_package_hides_no_other(tree: WorkspaceFiles) -> None:
    tree.build("a/b", "import os\n")
    tree.build("z", "import sys\n")
    errors = tree.errors(lambda: expansion.expand(tree.loader(), ["//..."]))
    assert [str(error.location) for error in errors] == ["a/b/BUILD:2:1", "z/BUILD:2:1"]


def test_a_folder_that_no_label_can_name(files: WorkspaceFiles) -> None:
    files.build("we:ird")
    with pytest.raises(HermpkgError, match="cannot be a package"):
        expansion.expand(files.loader(), ["//..."])


def test_no_build_file_in_the_root(files: WorkspaceFiles) -> None:
    with pytest.raises(HermpkgError) as caught:
        expansion.expand(files.loader(), ["//:x"])
    assert caught.value.summary == "the workspace root is not a package: it has no BUILD file"
