"""What ``[tool.hermpkg.wheel]`` may say, and which build backends put artifacts into wheels."""

from __future__ import annotations

import pytest

from hermpkg_build.core.toml_text import parse_toml
from hermpkg_build.errors import WorkspaceError
from hermpkg_build.loading.wheel_backends import BACKENDS, build_system, why_no_artifacts
from hermpkg_build.loading.wheel_settings import WheelPart, read_wheel_parts

ART = WheelPart(targets=("//a:b",), package="acme.art")
ONE = {"targets": ["//a:b"], "package": "acme.art"}


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({}, ()),
        ({"wheel": {}}, ()),
        ({"wheel": ONE}, (ART,)),
        ({"setuptools": ONE}, (ART,)),
        ({"wheel": {**ONE, "targets": " //a:b "}}, (ART,)),
        ({"wheel": {"targets": "//a:b,:c"}}, (WheelPart(targets=("//a:b", ":c")),)),
        ({"wheel": [ONE, {**ONE, "package": "acme.other", "verify": True}]},
         (ART, WheelPart(targets=("//a:b",), package="acme.other", verify=True))),
    ],
)  # fmt: skip
def test_parts(settings, parts):
    assert read_wheel_parts(settings, "pyproject.toml") == parts


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"wheel": ONE, "setuptools": ONE}, "keep \\[tool.hermpkg.wheel\\]"),
        ({"wheel": "x"}, "is a table"),
        ({"wheel": [3]}, "is a table"),
        ({"wheel": {"package": "acme"}}, "names no targets"),
        ({"wheel": {**ONE, "targets": []}}, "names no targets"),
        ({"wheel": {**ONE, "targets": [3]}}, "a list of target patterns"),
        ({"wheel": {**ONE, "packages": "x"}}, "did you mean 'package'"),
        ({"wheel": {**ONE, "verify": "yes"}}, "true or false"),
        *(
            ({"wheel": {**ONE, "package": name}}, "dotted name")
            for name in ("", "a..b", "../a", "a/b", "a b", 3)
        ),
    ],
)
def test_wrong_settings(settings, text):
    with pytest.raises(WorkspaceError, match=text):
        read_wheel_parts(settings, "pyproject.toml")


def why(text: str) -> str:
    return why_no_artifacts(parse_toml(text.encode()))


SYSTEM = '[build-system]\nrequires = [{}]\nbuild-backend = "{}"\n'


@pytest.mark.parametrize("name", BACKENDS)
def test_each_backend_gets_artifacts_by_what_it_is_told_to_write(name):
    """Who pastes what is told gets artifacts: at the first try, whatever the backend."""
    text = SYSTEM.format(f'"{name.replace("-", "_")}>=1"', BACKENDS[name])
    for _ in range(3):
        if not (told := why(text)):
            break
        block = told.partition("\n")[2]
        text = block if block.startswith("[build-system]") else f"{text}\n{block}"
    assert not why(text)
    system = build_system(parse_toml(text.encode()))
    assert "hermpkg-build" in system.named
    assert system.delegates == (BACKENDS[name],)


@pytest.mark.parametrize(
    ("requires", "backend"),
    [
        ('"poetry-core", "poetry_dynamic_versioning"', "poetry_dynamic_versioning.backend"),
        ('"setuptools", "pbr"', "pbr.build"),
        ('"setuptools", "some"', "some.api:hooks"),
        ('"some"', "some.api"),
    ],
)
def test_a_backend_before_another_one_stays_what_makes_the_wheel(requires, backend):
    told = parse_toml(why(SYSTEM.format(requires, backend)).partition("\n")[2])
    system = build_system(told)
    stated = told.get("tool", {}).get("hermpkg", {}).get("wheel", {}).get("backend")
    assert (stated or system.delegates[0]) == backend
    assert stated or len(system.delegates) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", 'requires = ["setuptools", "hermpkg-build"]'),
        (SYSTEM.format('"setuptools"', "setuptools.build_meta"), "does not name hermpkg-build"),
        (SYSTEM.format('"setuptools","Hermpkg_Build[torch] >= 1"', "setuptools.build_meta:__legacy__"), ""),
        (SYSTEM.format('"hatchling","hermpkg-build"', "hatchling.build"), "[tool.hatch.build.hooks.hermpkg]"),
        (SYSTEM.format('"hatchling","hermpkg-build"', "hatchling.build")
         + "[tool.hatch.build.targets.wheel.hooks.hermpkg]", ""),
        (SYSTEM.format('"pdm-backend","hermpkg-build"', "pdm.backend"), ""),
        (SYSTEM.format('"some"', "some.backend"), 'requires = ["some", "hermpkg-build"]'),
        (SYSTEM.format('"hermpkg-build"', "hermpkg_build.backend"), "needs another backend"),
        (SYSTEM.format('"x"', "own") + 'backend-path = ["."]', ""),
        ("build-system = 3", 'requires = ["setuptools", "hermpkg-build"]'),
        ('[build-system]\nrequires = [3, "flit-core"]\nbuild-backend = 7', "does not name hermpkg-build"),
    ],
)  # fmt: skip
def test_what_is_told(text, told):
    assert told in why(text)
    assert bool(told) == bool(why(text))
