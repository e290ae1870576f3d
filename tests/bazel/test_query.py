"""Queries of workspaces, answered alike by a real Bazel and by our own command."""

from __future__ import annotations

import itertools
import os
import random
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.queries.opening import QueryGraphs, QueryPlace
from hermpkg_build.loading.workspace import find_workspace
from hermpkg_build.query.evaluation import answer
from hermpkg_build.query.formats import FORMATS, Asked
from tests.commands import run_command

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "examples"
RULES = ("deny", "intern", "model", "model_package", "package_test", "python_modules")
LOAD = 'load("@hermpkg//rules:defs.bzl", "{}")'.format('", "'.join(RULES))

# What our own engine has built in is a repository of Bazel's, with tools behind it.
LIKE_OURS = ("--noimplicit_deps", "--notool_deps", "--noshow_progress", "--relative_locations")
LIKE_TODAY = "--incompatible_display_source_file_location"
MACROS = """
load("@hermpkg//rules:defs.bzl", "python_modules")
load(":more.bzl", "EXTRA")

def modules(name, srcs, **kwargs):
    python_modules(name = name, srcs = srcs + EXTRA, **kwargs)
"""


@pytest.fixture(scope="module")
def all_in_one(shared: Any) -> Iterator[Any]:
    """One workspace with every example and generated packages, for a Bazel takes seconds to start."""
    shared.declare()
    shared.write({"pyproject.toml": "[tool.hermpkg]\n"})
    ignored = shutil.ignore_patterns("bazel-*", "hermpkg-out", "__pycache__", "WORKSPACE", "pyproject.toml")
    for example in sorted(path.parent for path in EXAMPLES.glob("*/pyproject.toml")):
        if not names_packages_from_its_root(example):
            shutil.copytree(example, shared.root / example.name, ignore=ignored)
    for seed in (1, 2):
        shared.write(generated(random.Random(seed), f"seed{seed}"))
    return shared


def names_packages_from_its_root(workspace: Path) -> bool:
    """Whether its packages could not find each other below another root."""
    files = (*workspace.rglob("BUILD"), *workspace.rglob("*.bzl"))
    return any(re.search(r'"//(?!visibility:)', path.read_text(encoding="utf-8")) for path in files)


def generated(chance: random.Random, top: str) -> dict[str, str]:
    """The BUILD files of a few packages below `top` that use all rules and depend on each other."""
    files = {
        f"{top}/tools/BUILD": "",
        f"{top}/tools/m.bzl": MACROS,
        f"{top}/tools/more.bzl": 'EXTRA = ["x.py"]\n',
    }
    packages = [top, f"{top}/a", f"{top}/a/b", f"{top}/c", f"{top}/c-d", f"{top}/e f"]
    modules: list[str] = []
    models: list[str] = []
    artifacts: list[str] = []
    for package in packages:
        words = [f'"//{top}:__subpackages__"', '"//visibility:public"', f'"//{top}/a:__pkg__"', '":__pkg__"']
        lines = [LOAD, f'load("//{top}/tools:m.bzl", "modules")']
        if chance.random() < 0.6:
            lines.append(f"package(default_visibility = [{chance.choice(words)}])")
        if chance.random() < 0.5:
            lines.append('exports_files(["shown.txt", "w0.txt"])')
        if chance.random() < 0.5:
            lines.append('exports_files(["hidden.txt"], visibility = ["//visibility:private"])')

        def some(labels: Sequence[str], most: int = 2) -> list[str]:
            return chance.sample(labels, min(len(labels), chance.randrange(most + 1)))

        def given(words: Sequence[str] = words, **values: Any) -> str:
            tags = chance.sample(["one", "two", "manual"], chance.randrange(3))
            visibility = f"[{chance.choice(words)}]" if chance.random() < 0.5 else "None"
            texts = [f"{name} = {value!r}" for name, value in values.items()]
            return ", ".join([*texts, f"tags = {tags!r}", f"visibility = {visibility}"])

        for number in range(chance.randrange(1, 4)):
            rule = chance.choice(["python_modules", "python_modules", "modules"])
            srcs = [f"m{number}_{each}.py" for each in range(chance.randrange(1, 4))]
            if rule == "modules" and any("modules(" in line and "python" not in line for line in lines[2:]):
                rule = "python_modules"
            resources = chance.sample(["w0.txt", "deep/w1.txt", "w2.txt"], chance.randrange(3))
            named = given(name=f"mods{number}", srcs=srcs, deps=some(modules))
            if rule == "python_modules":
                named += f", resources = {resources!r}"
            lines.append(f"{rule}({named})")
            modules.append(f"//{package}:mods{number}")
        for number in range(chance.randrange(3)):
            weights = ', weights = "w.pt"' if chance.random() < 0.4 else ""
            arguments = {"deep": [1, None, {"k": 0.5}]} if chance.random() < 0.5 else {}
            named = given(
                name=f"model{number}", factory="a.b:c", seed=number, args=arguments, deps=some(modules)
            )
            lines.append(f"model({named}{weights})")
            models.append(f"//{package}:model{number}")
        if chance.random() < 0.8:
            held = {f"m/{number}.pkl": label for number, label in enumerate(some(models, 3))}
            named = given(
                name="art",
                models=held,
                modules=["a.b"],
                resources={"r/w.txt": "w0.txt", "r/v.txt": ":w0.txt"},
                requires={"torch": ">=2", "numpy": ">1"},
                deps=some(modules),
            )
            lines.append(f'model_package({named}, policy = [intern("a.**"), deny("**")])')
            artifacts.append(f"//{package}:art")
        if artifacts and chance.random() < 0.8:
            named = given(name="art_test", package=chance.choice(artifacts), main="t.py", deps=some(modules))
            lines.append(f"package_test({named})")
        files[f"{package}/{chance.choice(['BUILD', 'BUILD.bazel'])}"] = "\n".join(lines) + "\n"
    return files


QUERIES = [
    "//...",
    "//...:*",
    "{top}/a/...:all-targets",
    "{top}/a:all + {top}/c:*",
    "deps({top}/...)",
    "deps({top}/c:all, 1) union deps({top}/c-d:all, 2)",
    "rdeps(//..., {top}:mods0)",
    "rdeps({top}/..., {top}/a:mods0 + {top}:mods0, 2)",
    "allpaths({top}/..., {top}:mods0 + {top}/a:mods0)",
    "kind('model rule|^source', deps({top}/...))",
    "filter('/a[:/].*[0-1]', {top}/...:*)",
    "let x = deps({top}/...) in $x - kind(rule, $x) intersect {top}/a/...:*",
    "tests(//...)",
    "siblings(kind(model, {top}/...))",
    "same_pkg_direct_rdeps(kind('source file', {top}/...:*))",
    "buildfiles(deps({top}/...))",
    "loadfiles({top}/...)",
    "labels(srcs, {top}/...) + labels(models, //...) + labels(resources, {top}/...) + labels(weights, //...)",
    "visible({top}:mods0, {top}/...:*)",
    "visible({top}/a:mods0 + {top}/c:mods0, {top}/...:*)",
    "attr(tags, '^\\[one, two\\]$|manual', {top}/...) + attr(weights, '', //...) + attr(out, '^$', //...)",
    "attr(requires, '^\\{{torch=>=2, numpy=>1\\}}$', //...) ^ attr(resources, '^\\[{top}', {top}/...)",
    "attr(visibility, 'public|private', {top}/...) - attr(deps, '^\\[\\]$', {top}/...)",
    "attr(seed, '^1$', //...) + attr(factory, 'loftr|resnet', //...) + attr(models, ', ', //...)",
    "set({top}:mods0 //vision/models:resnet) except deps(//matching/...)",
]
"""Expressions; ``{top}`` is the folder of generated packages."""


def ours(workspace: Any, text: str, output: str = "label_kind", order: str = "auto") -> list[str]:
    place = QueryPlace(
        workspace=find_workspace(str(workspace.root)),
        directory=str(workspace.root),
        cache_directory=os.environ["HERMPKG_CACHE_DIR"],
        jobs=1,
        observer=BuildObserver(),
    )
    with closing(QueryGraphs(place)) as graphs:
        graph = graphs.targets()
        found = answer(text, graph)
        assert not found.problems, found.problems
        return list(FORMATS[output](Asked(answer=found, graph=graph, order=order)))


def bazels(
    workspace: Any, text: str, output: str = "label_kind", order: str = "auto", *options: str
) -> list[str]:
    here = f"--override_repository=hermpkg={REPOSITORY}"
    asked = (f"--output={output}", f"--order_output={order}", *options, text)
    outcome = workspace.bazel("query", here, *LIKE_OURS, LIKE_TODAY, *asked)
    assert outcome.code == 0, outcome.said
    return [line for line in outcome.stdout.splitlines() if "@hermpkg//" not in line]


@pytest.mark.parametrize("query", QUERIES)
def test_answers_are_those_of_bazel(all_in_one: Any, query: str) -> None:
    text = query.format(top="//seed1")
    found = ours(all_in_one, text)
    assert sorted(found) == sorted(bazels(all_in_one, text))
    assert found


@pytest.mark.parametrize(
    "text",
    [
        "allrdeps(//seed1:mods0)",
        "allrdeps(//seed1:mods0 + //seed1/a:mods0, 1)",
        "rbuildfiles(seed1/tools/more.bzl)",
        "rbuildfiles(seed1/tools/m.bzl, 'seed2/tools/m.bzl') - //seed1/a/...:*",
        "rbuildfiles(seed2/tools/BUILD, nowhere/x.bzl)",
    ],
)
def test_what_bazel_answers_of_a_universe_we_answer_of_the_workspace(all_in_one: Any, text: str) -> None:
    whole = ("--universe_scope=//...",)
    found = ours(all_in_one, text, "label")
    assert sorted(found) == sorted(bazels(all_in_one, text, "label", "no", *whole))


@pytest.mark.parametrize("output", ["location", "package", "minrank", "maxrank"])
def test_other_outputs_are_those_of_bazel(all_in_one: Any, output: str) -> None:
    text = "deps(//seed1/... + //vision/...)"
    found, expected = ours(all_in_one, text, output), bazels(all_in_one, text, output)
    if output == "location":
        # Calls begin for Bazel at their bracket, and for us at the name of the rule.
        found, expected = (
            [re.sub(r":[0-9]+: ", ": ", line) for line in lines] for lines in (found, expected)
        )
    assert sorted(found) == sorted(expected)


def test_the_full_order_is_that_of_bazel(all_in_one: Any) -> None:
    text = "deps(//seed1/...) + //seed2/...:*"
    assert ours(all_in_one, text, "label", "full") == bazels(all_in_one, text, "label", "full")


def test_drawings_have_the_edges_of_bazels(all_in_one: Any) -> None:
    text = "deps(//seed1/...)"
    drawn = ours(all_in_one, text, "graph")
    assert arrows(drawn) == arrows(bazels(all_in_one, text, "graph"))
    assert len(arrows(drawn)) > 20


def arrows(lines: Sequence[str]) -> set[tuple[str, str]]:
    """The edges between single targets of a drawing whose boxes hold several."""
    pairs = [re.findall(r'"((?:[^"\\]|\\.)*)"', line) for line in lines if "->" in line]
    return {
        (source, target)
        for sources, targets in pairs
        for source in sources.split("\\n")
        for target in targets.split("\\n")
    }


def test_paths_of_bazel_are_as_short_as_ours(all_in_one: Any) -> None:
    text = "somepath(//seed1/..., //seed1:mods0)"
    found = ours(all_in_one, text, "label")
    assert len(found) <= len(bazels(all_in_one, text, "label"))
    pairs = arrows(bazels(all_in_one, "deps(//seed1/...)", "graph"))
    assert set(itertools.pairwise(found)) <= pairs


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("deps(//seed1", 2),
        ("deps(//seed1:mods0, x)", 2),
        ("//seed1 //seed2", 2),
        ("nope(//seed1)", 2),
        ("//seed1:nope + //nope", 7),
        ("some(//seed1:mods0 - //seed1:mods0)", 7),
        ("deps(//seed1:mods0) + $x", 7),
        ("//seed1:unnamed.txt", 7),
    ],
)
def test_exit_codes_are_those_of_bazel(all_in_one: Any, text: str, code: int) -> None:
    (all_in_one.root / "seed1/unnamed.txt").touch()
    assert run_command(["query", text], cwd=all_in_one.root).returncode == code
    assert all_in_one.bazel("query", text).code == code
