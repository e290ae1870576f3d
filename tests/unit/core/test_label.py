"""Labels and target patterns."""

from __future__ import annotations

import pytest

from hermpkg_build.core.label import Label, TargetPattern, is_package_path
from hermpkg_build.errors import LabelError


@pytest.mark.parametrize(
    ("text", "package", "name", "repository"),
    [
        ("//models:resnet", "models", "resnet", ""),
        ("//models", "models", "models", ""),
        ("//a/b", "a/b", "b", ""),
        ("//:root", "", "root", ""),
        ("//a:b/c.txt", "a", "b/c.txt", ""),
        ("//a b/ü:d e", "a b/ü", "d e", ""),
        ("@python//kornia/feature:loftr.py", "kornia/feature", "loftr.py", "python"),
    ],
)
def test_absolute_labels(text: str, package: str, name: str, repository: str) -> None:
    assert Label.parse(text) == Label(package, name, repository)


@pytest.mark.parametrize("text", ["x", ":x"])
def test_relative_labels_are_of_the_package_at_hand(text: str) -> None:
    assert Label.parse(text, package="a/b") == Label("a/b", "x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "//",
        "//a:",
        "///a",
        "//a//b:c",
        "//a/../b:c",
        "//a/./b:c",
        "//a/:b",
        "//a:b:c",
        "//a:/b",
        "//a:b/",
        "//a:../b",
        "//a:b\\c",
        "//a\\b:c",
        "//a:b\0",
        "//a:b\nc",
        "//a:\ud800",
        "@python",
        "@//a:b",
        "@1x//a:b",
    ],
)
def test_what_is_no_label(text: str) -> None:
    with pytest.raises(LabelError) as caught:
        Label.parse(text, package="p")
    assert dict(caught.value.facts)["reason"]


def test_a_relative_label_needs_a_package() -> None:
    with pytest.raises(LabelError):
        Label.parse(":x")


def test_a_label_is_a_path() -> None:
    assert Label("a/b", "c/d.py").path == "a/b/c/d.py"
    assert Label("", "d.py").path == "d.py"


@pytest.mark.parametrize(
    ("text", "answer"), [("", True), ("a/b", True), ("a:b", False), ("a//b", False), ("\udcff", False)]
)
def test_package_paths(text: str, answer: bool) -> None:
    assert is_package_path(text) is answer


@pytest.mark.parametrize(
    ("text", "package", "target", "recursive", "negative"),
    [
        ("//models:resnet", "models", "resnet", False, False),
        ("//models", "models", "models", False, False),
        ("//models:all", "models", None, False, False),
        ("//models:*", "models", None, False, False),
        ("//...", "", None, True, False),
        ("//models/...", "models", None, True, False),
        ("//models/...:all", "models", None, True, False),
        ("-//models:big", "models", "big", False, True),
        ("-//models/...", "models", None, True, True),
        (":x", "here", "x", False, False),
        (":all", "here", None, False, False),
        ("...", "here", None, True, False),
        ("sub/...", "here/sub", None, True, False),
        ("sub:x", "here/sub", "x", False, False),
        ("sub/x", "here/sub/x", "x", False, False),
        ("-sub:x", "here/sub", "x", False, True),
    ],
)
def test_target_patterns(
    text: str, package: str, target: str | None, recursive: bool, negative: bool
) -> None:
    pattern = TargetPattern.parse(text, package="here")
    assert (pattern.package, pattern.target, pattern.recursive, pattern.negative) == (
        package,
        target,
        recursive,
        negative,
    )
    assert str(pattern) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "//",
        "//a/...:x",
        "@x:y",
        "//a:b:c",
        "../../x:y",
        "a/../../../b:c",
        "//a/../b",
        "//./a",
        "//a/",
        "/a",
    ],
)
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(LabelError):
        TargetPattern.parse(text, package="here")


def test_a_pattern_of_the_environment() -> None:
    pattern = TargetPattern.parse("@python//kornia/...")
    assert (pattern.repository, pattern.package, pattern.recursive) == ("python", "kornia", True)
