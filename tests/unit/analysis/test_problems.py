"""Everything that can be wrong is reported at once: what, where, the chain, and the line that mends it."""

from __future__ import annotations

import sys
from collections import Counter
from importlib.machinery import EXTENSION_SUFFIXES

import pytest

from hermpkg_build.analysis.closure import Root, explore
from hermpkg_build.analysis.decisions import ABSENT, TABLE
from hermpkg_build.analysis.import_following import Followed
from hermpkg_build.analysis.problems import ProblemKind
from hermpkg_build.analysis.target_closure import close_over
from hermpkg_build.core.graph import EdgeKind
from hermpkg_build.core.label import Label
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.errors import GroupedError, Location


def rule(policy: str, *include: str, line: int = 0, **options: object) -> PolicyRule:
    location = Location("a/BUILD", line, 5) if line else None
    return PolicyRule(policy=Policy(policy), include=include, location=location, **options)


ABSENT_REASON = next(row.why for row in TABLE if row.name == ABSENT)
INTERN_APP = rule("intern", "app.**")


def facts_of(error):
    return dict(error.facts)


def test_no_policy_shows_the_import_the_chain_and_the_line_to_add(workspace):
    workspace.own({"app/__init__.py": "from .deep import x", "app/deep.py": "import os\n\nimport  wandb.sdk"})
    workspace.installed(
        {"wandb/__init__.py": "", "wandb/sdk.py": "", "wandb-1.dist-info/top_level.txt": "wandb"}
    )
    (error,) = workspace.problems("app", INTERN_APP)
    assert error.render() == "\n".join(
        [
            "app/deep.py:3:1: no policy matches 'wandb.sdk'",
            "    import  wandb.sdk",
            "    ^",
            "  chain: //a:b",
            "           app",
            "           app.deep   app/__init__.py:1:1",
            "           wandb.sdk  app/deep.py:3:1",
            "  -> add to the policy of //a:b:",
            '         intern("wandb.**"),  # its source goes into the package',
        ]
    )


def test_compiled_distribution_is_suggested_as_extern_only(workspace):
    workspace.own({"app.py": "import fast"})
    workspace.installed(
        {"fast/__init__.py": "", "fast-1.dist-info/RECORD": "fast/__init__.py,,\nfast/_core.so,,\n"}
    )
    (error,) = workspace.problems("app", INTERN_APP)
    assert "extern" in error.next_step
    assert "intern" not in error.next_step


def test_workspace_module_is_suggested_as_intern(workspace):
    workspace.own({"app.py": "import util", "util.py": ""})
    (error,) = workspace.problems("app", INTERN_APP)
    assert 'intern("util.**")' in error.next_step
    assert "extern" not in error.next_step


def test_modules_that_one_line_mends_make_one_error(workspace):
    workspace.own({"app.py": "import lib.one\nimport lib.two\n"})
    workspace.installed({"lib/__init__.py": "", "lib/one.py": "", "lib/two.py": ""})
    (lib,) = workspace.problems("app", INTERN_APP)
    assert lib.summary == "no policy matches 'lib.one' and 1 more module of it"
    assert facts_of(lib)["also"] == "lib.two  app.py:2:1"


def test_all_that_the_table_decides_is_one_error_with_one_block(workspace):
    workspace.own({"app.py": "import lib.one\nimport fast\nimport util, gone\n", "util.py": "import deep"})
    workspace.installed(
        {
            "lib/__init__.py": "",
            "lib/one.py": "import deep",
            "lib-2.0.dist-info/RECORD": "lib/__init__.py,,\nlib/one.py,,\n",
            "deep.py": "",
            "deep-1.dist-info/RECORD": "deep.py,,\n",
            "fast.py": "",
            "fast-1.dist-info/RECORD": "fast.py,,\ncore.so,,\n",
        }
    )
    rules = [rule("intern", "app", line=3), rule("extern", "torch.**", allow_empty=True), rule("deny", "**")]
    (error,) = workspace.problems("app", *rules)
    assert error.render() == "\n".join(
        [
            "a/BUILD:3:5: the policy of //a:b does not say what becomes of 5 packages that it needs",
            "  deep: intern, pure Python, packed with the data files that it reads  (lib/one.py:1:1)",
            "  fast: extern, it has compiled code, which is made for one platform  (app.py:2:1)",
            "  gone: extern, " + ABSENT_REASON + "  (app.py:3:1)",
            "  lib:  intern, pure Python, packed with the data files that it reads  (app.py:1:1)",
            "  util: intern, your code  (app.py:3:1)",
            "  -> write it with: hermpkg fix //a:b, or put in its place:",
            "         policy = [",
            '             intern(["app", "deep.**", "lib.**", "util.**"]),',
            '             extern(["torch.**", "fast.**", "gone.**"], allow_empty = True),',
            '             deny("**"),',
            "         ],",
        ]
    )


def test_what_follows_from_a_misspelt_rule_is_not_told_beside_it(workspace):
    workspace.own({"app.py": "import models", "models.py": ""})
    (error,) = workspace.problems("app", INTERN_APP, rule("intern", "modles.**"), rule("deny", "**"))
    assert error.next_step == 'did you mean "models.**"?'


def test_ones_own_module_is_never_left_outside_or_replaced(workspace):
    workspace.own({"app/__init__.py": "import app.nowhere\nimport util\n", "util.py": "(", "own.py": ""})
    for policy in ([rule("deny", "util.**")], [rule("intern", "**")]):
        for error in workspace.problems("app", INTERN_APP, *policy):
            assert "extern" not in error.next_step
            assert "mock" not in error.next_step


def test_what_is_denied_is_advised_by_the_table(workspace):
    workspace.own({"app.py": "import pure"})
    workspace.installed({"pure.py": "", "pure-1.dist-info/RECORD": "pure.py,,\n"})
    (error,) = workspace.problems("app", INTERN_APP, rule("deny", "**", line=9))
    assert error.next_step.splitlines() == [
        'remove the import, or add to the policy of //a:b before deny("**") (a/BUILD:9:5):',
        '    intern("pure.**"),  # its source goes into the package',
    ]


def test_unmatched_parent_of_an_interned_module(workspace):
    workspace.own({"app.py": "import lib.part"}).installed({"lib/__init__.py": "", "lib/part.py": ""})
    (error,) = workspace.problems("app", INTERN_APP, rule("intern", "lib.part"))
    assert (error.summary, error.location) == ("no policy matches 'lib'", Location("app.py", 1, 1))
    assert 'intern("lib"),' in error.next_step


@pytest.mark.parametrize(
    "source", ["import subprocess", "try:\n    import subprocess\nexcept ImportError:\n    pass"]
)
def test_denied(workspace, source):
    workspace.own({"app.py": source})
    (error,) = workspace.problems("app", rule("deny", "subprocess", line=7), INTERN_APP)
    assert error.summary == "'subprocess' is denied"
    assert facts_of(error)["rule"] == 'deny("subprocess")  a/BUILD:7:5'
    assert 'put in place of deny("subprocess") (a/BUILD:7:5)' in error.next_step
    assert 'mock("subprocess")' in error.next_step


def test_denied_though_it_is_optional_and_not_installed(workspace):
    workspace.own({"app.py": "try:\n    import wandb\nexcept ImportError:\n    wandb = None\n"})
    (error,) = workspace.problems("app", INTERN_APP, rule("deny", "**"))
    assert (error.summary, error.location) == ("'wandb' is denied", Location("app.py", 2, 5))


def test_extension_module_and_bytecode_cannot_be_interned(workspace):
    suffix = EXTENSION_SUFFIXES[0]
    workspace.own({"app.py": "import fast\nimport old"}).installed({f"fast{suffix}": "", "old.pyc": ""})
    (both,) = workspace.problems("app", rule("intern", "**", line=3))
    assert '    extern(["fast", "old"]),' in both.next_step
    (fast,) = workspace.problems("app", rule("extern", "old.**"), rule("intern", "**", line=3))
    assert fast.summary == "'fast' is to be interned, but is an extension module"
    (old,) = workspace.problems("app", rule("extern", "fast.**"), rule("intern", "**", line=3))
    assert old.summary == "'old' is to be interned, but is bytecode without its source"
    assert facts_of(fast)["file"] == str(workspace.site / f"fast{suffix}")
    assert 'before intern("**") (a/BUILD:3:5)' in fast.next_step
    assert 'extern("fast.**")' in fast.next_step


def test_the_compiled_parts_of_a_package_are_taken_from_outside_by_name(workspace):
    suffix = EXTENSION_SUFFIXES[0]
    parts = [f"lib/_fast{count}{suffix}" for count in range(9)]
    workspace.own({"app.py": "import lib"}).installed(
        {"lib/__init__.py": "from lib import _fast0, _fast1", **dict.fromkeys(parts, "")}
    )
    rules = [INTERN_APP, rule("intern", "lib.**", line=4)]
    (error,) = workspace.problems("app", *rules)
    line = 'extern(["lib._fast0", "lib._fast1"])'
    assert error.next_step.splitlines() == [
        'add to the policy of //a:b before intern("lib.**") (a/BUILD:4:5):',
        f"    {line},  # imported from where the package is loaded",
    ]
    workspace.close("app", rule("extern", "lib._fast0", "lib._fast1"), *rules)
    workspace.installed(
        {"lib/__init__.py": "from lib import " + ", ".join(f"_fast{count}" for count in range(9))}
    )
    (error,) = workspace.problems("app", *rules)
    assert error.next_step.splitlines() == [
        'put in place of intern("lib.**") (a/BUILD:4:5):',
        '    extern("lib.**"),  # imported from where the package is loaded',
    ]


@pytest.mark.parametrize("source", ["import absent", "def f():\n    import absent\n"])
def test_missing_module(workspace, source):
    (error,) = workspace.own({"app.py": source}).problems("app", INTERN_APP)
    assert error.summary == "no module named 'absent'"
    assert "install the distribution that has it" in error.next_step
    assert 'extern("absent.**")' in error.next_step
    assert 'mock("absent.**")' in error.next_step


def test_missing_submodules_of_what_is_not_installed_make_one_error(workspace):
    workspace.own({"app.py": "import absent.a\nimport absent.b\n"})
    (error,) = workspace.problems("app", INTERN_APP)
    assert error.summary == "no module named 'absent.a' and 1 more module of it"


def test_misspelt_submodule(workspace):
    workspace.own({"app/__init__.py": "import app.resent", "app/resnet.py": ""})
    (error,) = workspace.problems("app", INTERN_APP)
    assert error.next_step == "did you mean 'app.resnet'?"
    assert facts_of(error)["found"] == "the package 'app' (app/__init__.py), without 'resent' in it"


@pytest.mark.parametrize(
    "source", ["import util.text", "from util.text import split", "from util import text"]
)
def test_workspace_file_that_no_dependency_lists(workspace, source):
    workspace.own({"app.py": source})
    workspace.own({"util/text.py": "", "util/BUILD": ""}, declared=False)
    (error,) = workspace.problems("app", INTERN_APP)
    assert facts_of(error)["file"] == "util/text.py is there, but no dependency of the target lists it"
    assert (
        error.next_step
        == "list util/text.py in a python_modules target of util/BUILD and add that to the deps"
    )
    finder = workspace.finder(declared_by={"util/text.py": Label("util", "modules")}.get)
    (error,) = workspace.problems("app", INTERN_APP, finder=finder)
    assert error.next_step == 'add to the deps of the target that imports it:\n    "//util:modules",'


def test_name_that_a_namespace_package_cannot_have(workspace):
    workspace.own({"app.py": "from util import text, words", "util/text.py": ""})
    workspace.own({"util/words.py": ""}, declared=False)
    (error,) = workspace.problems("app", rule("intern", "**"))
    assert error.summary == "no module named 'util.words'"
    assert facts_of(error)["file"].startswith("util/words.py is there")


def test_syntax_error_is_shown_in_its_own_file(workspace):
    workspace.own({"app/__init__.py": "import app.bad", "app/bad.py": "x = 1\ndef f(:\n    pass\n"})
    (error,) = workspace.problems("app", INTERN_APP)
    assert error.summary.startswith("'app.bad' does not parse: ")
    assert (error.location.path, error.location.line) == ("app/bad.py", 2)
    assert "def f(:" in error.snippet
    assert "app.bad" in facts_of(error)["chain"]


def test_relative_import_beyond_the_top(workspace):
    workspace.own({"app/__init__.py": "from ..up import x\nfrom ... import y\n"})
    workspace.own({"single.py": "from . import z"})
    errors = workspace.problems(["app", "single"], rule("intern", "**"))
    places = [str(error.location) for error in errors]
    assert places == ["app/__init__.py:1:1", "app/__init__.py:2:1", "single.py:1:1"]
    assert errors[0].summary == "relative import '..up' goes beyond the top-level package"


def test_malformed_names(workspace):
    workspace.own({"app.py": "import importlib\nimportlib.import_module('a..b')\n"})
    errors = workspace.problems(["app", "no/name", ""], INTERN_APP)
    assert [error.summary for error in errors] == [
        "'no/name' cannot be the name of a module",
        "'' cannot be the name of a module",
        "'a..b' cannot be the name of a module",
    ]


def test_objects_of_main_have_no_module_to_load_them_from(workspace):
    root = Root(source="model/model.pkl", module="__main__", kind=EdgeKind.PICKLE)
    with pytest.raises(GroupedError) as caught:
        close_over([root], [], workspace.finder(), workspace.facts(), target="//a:b")
    (error,) = caught.value.errors
    assert "a module of its own" in error.next_step


@pytest.mark.parametrize("policy", ["intern", "extern", "mock"])
def test_pattern_that_matches_nothing(workspace, policy):
    workspace.own({"app.py": "import lib"}).installed({"lib.py": ""})
    (error,) = workspace.problems("app", rule("intern", "**"), rule(policy, "libb.**", line=4))
    assert error.summary == f'{policy}("libb.**") matches no module'
    assert error.location == Location("a/BUILD", 4, 5)
    assert error.next_step == 'did you mean "lib.**"?'
    workspace.close("app", rule("intern", "**"), rule(policy, "libb.**", allow_empty=True))


def test_deny_that_matches_nothing_is_what_was_hoped_for(workspace):
    workspace.own({"app.py": ""}).close("app", INTERN_APP, rule("deny", "wandb.**"), rule("deny", "**"))


@pytest.mark.parametrize("policy", ["intern", "extern", "mock"])
def test_nothing_may_be_left_for_the_rule_for_all_that_is_left(workspace, policy):
    workspace.own({"app.py": "import os, lib"}).installed({"lib.py": ""})
    workspace.close("app", INTERN_APP, rule("intern", "lib.**"), rule(policy, "**"))
    workspace.close("os", rule(policy, "**"))
    (error,) = workspace.problems("app", rule("intern", "**"), rule(policy, "**"))
    assert error.summary.startswith(f'{policy}("**") never decides')


def test_rule_that_never_decides(workspace):
    workspace.own({"app.py": "import lib"}).installed({"lib.py": ""})
    (error,) = workspace.problems("app", rule("intern", "**", line=3), rule("extern", "lib.**", line=4))
    assert error.summary == 'extern("lib.**") never decides: rules before it take all that it matches'
    assert error.location == Location("a/BUILD", 4, 5)
    assert facts_of(error) == {"taken by": 'intern("**")  a/BUILD:3:5', "matches": "lib"}


def test_deny_after_a_rule_that_takes_all_it_could_match(workspace):
    workspace.own({"app.py": "import lib.bad"}).installed({"lib/__init__.py": "", "lib/bad.py": ""})
    rules = [INTERN_APP, rule("extern", "lib.**", line=3), rule("deny", "lib.bad", line=4)]
    (error,) = workspace.problems("app", *rules)
    assert error.summary.startswith('deny("lib.bad") never decides')
    workspace.close("app", INTERN_APP, rule("extern", "lib.*", "lib"), rule("deny", "lib.**"))


def test_malformed_pattern(workspace):
    errors = workspace.own({"app.py": ""}).problems("app", rule("intern", "a**", "b..c", line=2))
    assert [error.summary for error in errors] == ["'a**' is not a pattern", "'b..c' is not a pattern"]
    assert errors[0].location == Location("a/BUILD", 2, 5)


def test_problems_of_rules_are_not_made_up_where_modules_were_not_looked_at(workspace):
    workspace.own({"app.py": "import broken", "broken.py": "def"}).installed({"lib.py": ""})
    rules = [rule("intern", "**"), rule("extern", "lib"), rule("extern", "libb")]
    errors = workspace.problems("app", *rules)
    assert [error.summary.split(":")[0] for error in errors] == [
        "'broken' does not parse",
        'extern("libb") matches no module',
    ]


def test_all_problems_come_together_in_a_stable_order(workspace):
    workspace.own(
        {
            "app/__init__.py": "import nowhere\nimport lib\nimport subprocess\nimport app.bad\n",
            "app/bad.py": "(",
        }
    ).installed({"lib.py": ""})
    rules = [INTERN_APP, rule("deny", "subprocess"), rule("mock", "typo.**")]
    rendered = {"\n".join(str(error) for error in workspace.problems("app", *rules)) for _ in range(3)}
    assert len(rendered) == 1
    closure, problems = explore(
        [Root(source="//a:b", module="app", kind=EdgeKind.DECLARED)],
        rules,
        workspace.finder(),
        workspace.facts(),
    )
    assert [problem.kind for problem in problems] == [
        ProblemKind.NOT_FOUND,
        ProblemKind.NO_POLICY,
        ProblemKind.DENIED,
        ProblemKind.SYNTAX,
        ProblemKind.EMPTY_RULE,
    ]
    assert [node.name for node in closure.graph.with_policy(Policy.DENY)] == ["subprocess"]


def test_long_chain_is_shown_by_its_ends(workspace):
    workspace.own({f"m{i}.py": f"import m{i + 1}" for i in range(60)})
    (error,) = workspace.problems("m0", rule("intern", "**"))
    chain = facts_of(error)["chain"].splitlines()
    assert len(chain) == 12
    assert "more" in chain[6]


def test_snippet_of_a_source_in_another_encoding(workspace):
    workspace.own({"app.py": ""})
    source = "# -*- coding: latin-1 -*-\nname = 'caf\xe9'; import nowhere\n"
    (workspace.root / "app.py").write_bytes(source.encode("latin-1"))
    (error,) = workspace.problems("app", INTERN_APP)
    assert error.snippet == "name = 'café'; import nowhere\n               ^"


def followed(error, rules):
    """`rules` as they are once the advice of an error is followed: a list for each of the ways it gives."""
    where, *lines = error.next_step.splitlines()
    (place,) = [
        i for i, rule in enumerate(rules) if where.rstrip(":").removesuffix(" one of").endswith(str(rule))
    ] or [len(rules)]
    behind = place + 1 if "in place of" in where else place
    names = {
        name: lambda include, name=name: rule(name, *_as_tuple(include))
        for name in ("intern", "extern", "mock")
    }
    for line in lines:
        (new,) = eval(f"[{line.partition('#')[0]}]", names)
        yield [*rules[:place], new, *rules[behind:]]


def _as_tuple(include):
    return (include,) if isinstance(include, str) else include


LIBRARY = {
    "lib/__init__.py": "",
    "lib/a.py": "",
    "lib/b.py": "",
    "bad.py": "def (",
    f"lib/fast{EXTENSION_SUFFIXES[0]}": "",
    "old.pyc": "",
}


@pytest.mark.parametrize(
    ("source", "rules"),
    [
        ("import lib.a", []),
        ("import lib.a", [rule("intern", "lib.a")]),
        ("import lib.a, lib.b", [rule("intern", "lib.*")]),
        ("import lib.a", [rule("deny", "**")]),
        ("import lib.a", [rule("deny", "lib.**")]),
        ("import lib.a, lib.b", [rule("deny", "lib.a"), rule("intern", "lib.**")]),
        ("import lib.a", [rule("deny", "lib.a"), rule("intern", "lib.**")]),
        ("import xml.dom, xml.sax", [rule("deny", "xml.**")]),
        ("import lib.fast", [rule("intern", "lib.**")]),
        ("import lib.fast", [rule("extern", "lib"), rule("intern", "lib.fast")]),
        ("import lib.fast", [rule("extern", "lib"), rule("intern", "lib.f*", "lib.s*")]),
        ("import lib.fast", [rule("intern", "lib.**", allow_empty=True)]),
        ("import old, lib.a", [rule("intern", "**")]),
        ("import bad", [rule("intern", "**")]),
        ("import bad", [rule("intern", "bad", "worse")]),
        ("import absent.deep", []),
        ("import absent", [rule("intern", "**")]),
        ("from lib.nowhere import x", [rule("intern", "lib.**")]),
    ],
)
def test_advice_that_is_followed_leaves_no_problem(workspace, source, rules):
    workspace.own({"app/__init__.py": source}).installed(LIBRARY)
    rules = [INTERN_APP, *rules]
    (error,) = workspace.problems("app", *rules)
    ways = list(followed(error, rules))
    assert ways
    for way in ways:
        workspace.close("app", *way)


@pytest.mark.parametrize(
    "rules", [[rule("mock", "lib.**")], [rule("mock", "lib.a"), rule("intern", "lib.**")]]
)
def test_objects_of_a_mocked_module(workspace, rules):
    workspace.installed(LIBRARY)
    roots = [
        Root(source="model.pkl", module=name, kind=EdgeKind.PICKLE, names=("A", "B"))
        for name in ("lib.a", "lib.b")
    ]

    def close(rules):
        return close_over(roots, rules, workspace.finder(), workspace.facts(), target="//a:b")

    with pytest.raises(GroupedError) as caught:
        close(rules)
    (error,) = caught.value.errors
    assert facts_of(error)["objects"] == "A, B in model.pkl"
    ways = list(followed(error, rules))
    assert [way[0].policy for way in ways] == [Policy.INTERN]
    for way in ways:
        close(way)


def test_each_source_is_read_once_however_many_problems_are_in_it(workspace, monkeypatch):
    workspace.own({"app.py": "".join(f"import app.absent{number}\n" for number in range(50))})
    finder, reads = workspace.finder(), []
    read = finder.tree.read
    monkeypatch.setattr(finder.tree, "read", lambda path: reads.append(path) or read(path))
    assert len(workspace.problems("app", rule("intern", "**"), finder=finder)) == 50
    assert reads.count(str(workspace.root / "app.py")) == 1


@pytest.mark.parametrize(
    ("absent", "rest"), [("absent{}", "deny"), ("lib.absent{}", "intern"), ("app.absent{}", "intern")]
)
def test_telling_many_problems_takes_as_much_for_each(workspace, absent, rest):
    workspace.installed({"lib/__init__.py": "", "lib-1.dist-info/top_level.txt": "lib"})

    def calls(count: int) -> Counter[object]:
        names = [absent.format(f"{count}_{number}") for number in range(count)]
        workspace.own({"app.py": "".join(f"try:\n    import {name}\nexcept OSError: 0\n" for name in names)})
        workspace.declared[1:] = []
        finder, made = workspace.finder(), Counter[object]()
        before = sys.getprofile()
        sys.setprofile(lambda frame, event, _: made.update([(frame.f_code, event)]))
        try:
            workspace.problems("app", INTERN_APP, rule(rest, "**"), finder=finder)
        finally:
            sys.setprofile(before)
        return made

    calls(5)  # Imports what is imported once.
    few, many = calls(40), calls(160)
    assert [code for code, count in many.items() if count > 1000 and count > 5 * few[code]] == []


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("import wandb\n", "'wandb' is denied"),
        ("x = 1\n\nfrom ..up import y\n", "goes beyond"),
        ("def broken(:\n", "does not parse"),
        ("import app.nowhere\n", "no module named 'app.nowhere'"),
    ],
)
def test_a_problem_in_a_text_of_the_target(workspace, text, summary):
    workspace.own({"app/__init__.py": ""}).installed({"wandb.py": ""})
    rules = [rule("intern", "me"), rule("intern", "app.**", allow_empty=True), rule("deny", "**")]
    (error,) = workspace.problems("me", *rules, finder=workspace.finder(generated={"me": text}))
    assert summary in error.summary
    assert error.location.path == "me.py"
    assert error.snippet.splitlines()[0] == text.splitlines()[-1]


@pytest.mark.parametrize(
    "rules",
    [
        [rule("intern", "**")],
        [rule("deny", "**")],
        [rule("intern", "app.**", allow_empty=True), rule("deny", "remote_code.**")],
    ],
)
def test_a_module_that_a_factory_made_or_found_by_itself(workspace, rules):
    root = Root(source="m/m.pkl", module="remote_code.net", kind=EdgeKind.PICKLE, names=("Net",))
    with pytest.raises(GroupedError) as caught:
        close_over([root], rules, workspace.finder(), workspace.facts(), target="//a:b")
    (error,) = caught.value.errors
    assert "put the folder that the factory takes it from on PYTHONPATH" in error.next_step
    # Nothing that could be imported there is found here: left outside it loads nowhere.
    assert "mock" not in error.next_step
    assert "extern" not in error.next_step


def test_an_import_of_too_many_parts_names_no_module(workspace):
    workspace.own({"own.py": f"import {'a.' * 6_000}a\n"})
    _, problems = explore(
        [Root(source="//a:b", module="own", kind=EdgeKind.DECLARED)],
        [rule("intern", "own")],
        workspace.finder(),
        workspace.facts(),
    )
    assert [problem.kind for problem in problems] == [ProblemKind.MALFORMED_NAME]


def test_a_file_that_no_dependency_lists_is_told_where_all_else_is_denied(workspace):
    workspace.own({"app.py": "import util\n"})
    workspace.own({"util.py": "", "BUILD": ""}, declared=False)
    (error,) = workspace.problems("app", rule("intern", "app"), rule("deny", "**"))
    assert error.next_step == "list util.py in a python_modules target of BUILD and add that to the deps"


def test_a_rule_for_a_part_stands_before_the_one_for_the_whole(workspace):
    workspace.own({"app.py": "import lib.a, other\n"})
    workspace.installed(
        {"lib/__init__.py": "", "lib/a.py": "import lib.old", "lib/old.py": "print 1", "other.py": ""}
    )
    workspace.installed({"lib-1.dist-info/RECORD": "lib/__init__.py,,\nlib/a.py,,\nlib/old.py,,\n"})
    (error,) = workspace.problems("app", rule("intern", "app", line=3), rule("deny", "**"))
    block = error.next_step.partition("policy = [\n")[2].splitlines()
    assert [line.strip() for line in block[:-1]] == [
        'intern("app"),',
        'mock("lib.old"),',
        'intern(["lib.**", "other.**"]),',
        'deny("**"),',
    ]


def test_each_problem_knows_its_chain_though_chains_share_their_beginning(workspace, monkeypatch):
    """As many edges are made as there are modules, not as there are steps from a root to each of them."""
    modules = 60
    sources = {
        f"chain/m{number}.py": f"import chain.m{number + 1}\nimport chain.lost{number}\n"
        for number in range(modules)
    }
    workspace.own({**sources, f"chain/m{modules}.py": "", "chain/__init__.py": ""})
    root = Root(source="//a:b", module="chain.m0", kind=EdgeKind.DECLARED)
    made = []
    edge = Followed._edge

    def counted(self, *arguments, **options):
        made.append(self)
        return edge(self, *arguments, **options)

    monkeypatch.setattr(Followed, "_edge", counted)
    rules = [PolicyRule(policy=Policy.INTERN, include=("**",))]
    _, problems = explore([root], rules, workspace.finder(), workspace.facts())
    lost = [problem for problem in problems if problem.kind is ProblemKind.NOT_FOUND]
    assert [len(problem.trail) for problem in lost] == [number + 2 for number in range(modules)]
    assert [edge.target for edge in lost[2].trail] == ["chain.m0", "chain.m1", "chain.m2", "chain.lost2"]
    assert len(made) <= 3 * modules
