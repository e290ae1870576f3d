"""What is in a closure, with which policy, and which import put it there."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES

import pytest

from hermpkg_build.analysis.closure import Root
from hermpkg_build.analysis.module_finder import ModuleFinder
from hermpkg_build.analysis.search_path import environment_search_path
from hermpkg_build.analysis.target_closure import close_over
from hermpkg_build.core.graph import Edge, EdgeKind
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.errors import GroupedError, Location


def rule(policy: str, *include: str, **options: object) -> PolicyRule:
    return PolicyRule(policy=Policy(policy), include=include, **options)


def intern(*include: str, **options: object) -> PolicyRule:
    return rule("intern", *include, **options)


def extern(*include: str, **options: object) -> PolicyRule:
    return rule("extern", *include, **options)


def edges_of(closure, name):
    return {edge.target: edge for edge in closure.graph.imports_of(name)}


def interned(closure):
    return [node.name for node in closure.graph.with_policy(Policy.INTERN)]


def test_every_form_of_import_reaches_what_python_imports(workspace):
    workspace.own(
        {
            "app/__init__.py": "",
            "app/main.py": "import app.one.leaf\nfrom app import two, NAME\nfrom .three import thing\n"
            "from . import four\nfrom .pkg.deep import *\n__import__('app.five')\n"
            "import importlib\nimportlib.import_module('.six', 'app')\n",
            "app/one/__init__.py": "from ..seven import x",
            "app/one/leaf.py": "",
            "app/pkg/__init__.py": "",
            "app/pkg/deep.py": "",
            **{f"app/{name}.py": "" for name in ("two", "three", "four", "five", "six", "seven", "unused")},
        }
    )
    closure = workspace.close("app.main", intern("app.**"))
    names = ("main", "one", "one.leaf", "pkg", "pkg.deep", "two", "three", "four", "five", "six", "seven")
    assert interned(closure) == sorted(["app", *(f"app.{name}" for name in names)])
    assert closure.graph.nodes["importlib"].policy is Policy.EXTERN
    main = edges_of(closure, "app.main")
    assert main["app.one.leaf"].location == Location("app/main.py", 1, 1)
    assert main["app.four"].location == Location("app/main.py", 4, 1)
    assert edges_of(closure, "app.one.leaf")["app.one"].kind is EdgeKind.PARENT


def test_star_import_takes_the_submodules_that_all_names_whichever_is_read_first(workspace):
    workspace.own(
        {
            "first.py": "from star import *",
            "star/__init__.py": "__all__ = ['one', 'value']\nimport second",
            "star/one.py": "",
            "star/two.py": "",
            "second.py": "from star import *",
        }
    )
    closure = workspace.close("first", intern("**"))
    assert interned(closure) == ["first", "second", "star", "star.one"]
    assert "star.one" in edges_of(closure, "first")
    assert "star.one" in edges_of(closure, "second")


def test_first_rule_decides_and_only_interned_modules_are_read(workspace):
    workspace.own({"app.py": "import lib, lib.part, stub, skipped"})
    workspace.installed(
        {
            "lib/__init__.py": "import never",
            "lib/part.py": "import used",
            "used.py": "",
            "stub.py": "import never",
            "skipped.py": "import never",
        }
    )
    closure = workspace.close(
        "app", intern("app", "used"), intern("lib.part"), extern("lib.**", "skipped"), rule("mock", "stub")
    )
    policies = {node.name: node.policy.value for node in closure.graph}
    assert policies == {
        "app": "intern",
        "lib": "extern",
        "lib.part": "intern",
        "skipped": "extern",
        "stub": "mock",
        "used": "intern",
    }
    assert closure.graph.nodes["lib.part"].rule == 1
    assert closure.graph.nodes["lib"].digest is None
    assert closure.graph.nodes["used"].digest.size == 0


def test_submodule_under_an_extern_package_is_its_own_only_where_a_rule_says_so(workspace):
    workspace.own({"app.py": "from lib import part, other, attribute"})
    workspace.installed({"lib/__init__.py": "", "lib/part.py": "", "lib/other.py": ""})
    closure = workspace.close("app", intern("app", "lib.part"), extern("lib.**"))
    assert interned(closure) == ["app", "lib.part"]
    assert [node.name for node in closure.graph.with_policy(Policy.EXTERN)] == ["lib"]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("from space import one", ["one"]),
        ("from space import one, two", ["one", "two"]),
        ("from host import own", ["host"]),
        ("from host import plug", ["host", "plug"]),
        ("from host import plug as own, own as plug", ["host", "plug"]),
        ("try:\n    from host.deep import plug\nexcept ImportError: pass", ["host", "plug"]),
        ("import space.one", ["one"]),
        ("from space.two import value", ["two"]),
    ],
)
def test_what_other_distributions_put_into_an_extern_package_is_told_of(workspace, statement, found):
    workspace.installed(
        {
            "space/one.py": "",
            "space/two/__init__.py": "value = 1",
            "host/__init__.py": "",
            "host/own.py": "",
            "host/plug.py": "",
            "host/deep/__init__.py": "",
            "host/deep/plug.py": "",
            "one-1.dist-info/RECORD": "space/one.py,,\n",
            "two-1.dist-info/RECORD": "space/two/__init__.py,,\n",
            "host-1.dist-info/RECORD": "host/__init__.py,,\nhost/own.py,,\nhost/deep/__init__.py,,\n",
            "plug-1.dist-info/RECORD": "host/plug.py,,\nhost/deep/plug.py,,\n",
        }
    )
    workspace.own({"app.py": statement})
    closure = workspace.close("app", intern("app"), extern("space.**", "host.**"))
    assert sorted({node.distribution for node in closure.graph.with_policy(Policy.EXTERN)} - {""}) == found


def test_a_submodule_that_is_denied_is_found_through_its_extern_package(workspace):
    workspace.own({"app.py": "from lib import part"}).installed({"lib/__init__.py": "", "lib/part.py": ""})
    (error,) = workspace.problems("app", intern("app"), rule("deny", "lib.part"), extern("lib.**"))
    assert error.summary == "'lib.part' is denied"


def test_standard_library_and_torch_are_extern_unless_named(workspace):
    workspace.own({"app.py": "import os, os.path, winreg, torch.no_such_thing, json.decoder"})
    closure = workspace.close("app", intern("app", "json.**"), rule("deny", "**"))
    nodes = closure.graph.nodes
    for name in ("os", "os.path", "winreg", "torch", "torch.no_such_thing"):
        assert (nodes[name].policy, nodes[name].rule) == (Policy.EXTERN, None), name
    assert (nodes["json.decoder"].policy, nodes["json.decoder"].origin) == (Policy.INTERN, Origin.STDLIB)
    assert nodes["json.scanner"].policy is Policy.INTERN


def test_workspace_module_that_shadows_the_standard_library_needs_a_rule_and_is_interned(workspace):
    workspace.own({"queue.py": "", "app.py": "import queue"})
    (error,) = workspace.problems("app", intern("app"))
    assert error.summary == "no policy matches 'queue'"
    assert interned(workspace.close("app", intern("**"))) == ["app", "queue"]


def test_imports_for_type_checkers_are_only_listed(workspace):
    workspace.own(
        {
            "app.py": "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    import nowhere\n    import banned\n"
        }
    )
    workspace.installed({"banned.py": ""})
    closure = workspace.close("app", intern("app"), rule("deny", "banned"))
    assert [(edge.target, edge.optional) for edge in closure.type_only] == [
        ("nowhere", True),
        ("banned", True),
    ]
    assert "banned" not in closure.graph.nodes


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    import absent\nexcept ImportError:\n    absent = None\n",
        "if len('x'):\n    import absent\n",
    ],
)
def test_optional_import_that_would_fail_is_listed(workspace, source):
    closure = workspace.own({"app.py": source}).close("app", intern("app"))
    assert "absent" not in closure.graph.nodes
    assert "absent" not in closure.graph.nodes


@pytest.mark.parametrize(
    "source", ["try:\n    import absent\nexcept ImportError: pass", "if 1:\n    import absent"]
)
@pytest.mark.parametrize("strict", [False, True])
def test_what_code_can_do_without_is_mocked_where_a_rule_names_it(workspace, source, strict):
    workspace.own({"app.py": source})
    for pattern, mocked in (("**", []), ("*", []), ("absent.**", ["absent"]), ("abs*", ["absent"])):
        closure = workspace.close("app", intern("app"), rule("mock", pattern), strict_imports=strict)
        assert [node.name for node in closure.graph.with_policy(Policy.MOCK)] == mocked


def test_what_code_cannot_do_without_is_mocked_with_all_the_rest(workspace):
    workspace.own({"app.py": "import absent"})
    closure = workspace.close("app", intern("app"), rule("mock", "**"))
    assert [node.name for node in closure.graph.with_policy(Policy.MOCK)] == ["absent"]


def test_the_package_of_a_missing_optional_submodule_runs_all_the_same(workspace):
    workspace.own({"app.py": "try:\n    import lib.absent\nexcept ImportError:\n    pass\n"})
    workspace.installed({"lib/__init__.py": "import json"})
    closure = workspace.close("app", intern("app", "lib"))
    assert interned(closure) == ["app", "lib"]
    assert edges_of(closure, "app")["lib"].optional


def test_missing_module_with_a_policy_of_its_own_is_recorded(workspace):
    workspace.own({"app.py": "import absent.part\nimport stand_in\n"})
    closure = workspace.close("app", intern("app"), extern("absent.**"), rule("mock", "stand_in"))
    for name, policy in (("absent.part", Policy.EXTERN), ("stand_in", Policy.MOCK)):
        node = closure.graph.nodes[name]
        assert (node.policy, node.kind, node.origin) == (policy, ModuleKind.MISSING, Origin.MISSING)


def test_what_is_optional_is_as_good_as_absent_but_where_a_pickle_refers_to_it(workspace):
    workspace.own({"app.py": "import lib, lib.a\n"}).installed({"lib/__init__.py": "", "lib/a.py": ""})
    rules = [intern("app"), extern("lib.**", optional=True)]
    pickle = Root(source="model.pkl", module="lib.a", kind=EdgeKind.PICKLE, names=("A",))
    app = Root(source="model.pkl", module="app", kind=EdgeKind.PICKLE, names=("B",))
    for roots, origin in (([app], Origin.MISSING), ([app, pickle], Origin.ENVIRONMENT)):
        closure = close_over(roots, rules, workspace.finder(), workspace.facts(), target="//a:b")
        assert [closure.graph.nodes[name].origin for name in ("lib", "lib.a")] == [Origin.MISSING, origin]


def test_an_edge_is_optional_only_while_no_import_needs_it(workspace):
    workspace.own(
        {"app.py": "try:\n    import one\nexcept ImportError:\n    pass\nimport one\n", "one.py": ""}
    )
    edge = edges_of(workspace.close("app", intern("**")), "app")["one"]
    assert (edge.optional, edge.location.line) == (False, 5)


@pytest.mark.parametrize("policy", ["extern", "mock"])
def test_a_folder_that_only_the_workspace_has_is_not_left_to_the_environment(workspace, policy):
    workspace.own({"space/deep/main.py": "from space.deep import other", "space/deep/other.py": ""})
    closure = workspace.close("space.deep.main", intern("space.deep.*"), rule(policy, "**"))
    assert interned(closure) == ["space.deep.main", "space.deep.other"]
    assert "space" not in closure.graph.nodes
    assert "space.deep" not in closure.graph.nodes


def test_namespace_packages_need_no_rule(workspace):
    workspace.own({"app/main.py": "from space import leaf"}).installed({"space/leaf.py": ""})
    closure = workspace.close("app.main", intern("app.main", "space.leaf"), rule("deny", "**"))
    assert interned(closure) == ["app.main", "space.leaf"]
    assert "space" not in closure.graph.nodes


def test_parents_of_extern_modules_are_not_asked_for(workspace):
    workspace.own({"app.py": "import lib.part"}).installed({"lib/__init__.py": "", "lib/part.py": ""})
    closure = workspace.close("app", intern("app"), extern("lib.part"), rule("deny", "**"))
    assert list(closure.graph.nodes) == ["app", "lib.part"]


def test_what_only_run_time_knows_is_listed(workspace):
    workspace.own({"app.py": "import importlib\nimportlib.import_module(name)\nprint(__file__)\n"})
    closure = workspace.close("app", intern("app"))
    assert [(module, call.line) for module, call in closure.dynamic] == [("app", 2)]
    assert [(module, use.name) for module, use in closure.uses_files] == [("app", "__file__")]


def test_observed_imports_count_where_reading_did_not_find_them(workspace):
    workspace.own({"app.py": "import read", "read.py": "", "seen.py": "import json"})
    observed = [
        Edge(source="app", target=target, kind=EdgeKind.OBSERVED, location=Location("app.py", 1))
        for target in ("read", "seen", "made_while_running")
    ]
    closure = close_over(
        [Root(source="//a:b", module="app", kind=EdgeKind.DECLARED)],
        [intern("**")],
        workspace.finder(),
        workspace.facts(),
        target="//a:b",
        observed=observed,
    )
    kinds = {name: edge.kind for name, edge in edges_of(closure, "app").items()}
    assert kinds == {"read": EdgeKind.IMPORT, "seen": EdgeKind.OBSERVED}
    assert "json" in closure.graph.nodes


def test_generated_modules_are_followed(workspace):
    workspace.own({"app.py": "import made.up"})
    finder = workspace.finder(generated={"made.up": "import json"})
    closure = workspace.close("app", intern("**"), finder=finder)
    assert closure.graph.nodes["made.up"].origin is Origin.GENERATED
    assert "json" in edges_of(closure, "made.up")


def test_long_chains_and_cycles(workspace):
    count = 1500
    workspace.own({f"m{i}.py": f"import m{(i + 1) % count}" for i in range(count)})
    closure = workspace.close("m0", intern("**"))
    assert len(interned(closure)) == count
    assert len(closure.graph.chain(f"m{count - 1}")) == count


def test_environment_paths_do_not_leak_into_locations(workspace):
    workspace.own({"app.py": "import lib"}).installed({"lib/__init__.py": "import json"})
    closure = workspace.close("app", intern("**"))
    assert edges_of(closure, "lib")["json"].location == Location("lib/__init__.py", 1, 1)
    assert not any(str(workspace.root) in str(edge.location) for edge in closure.graph.edges)


def test_distribution_of_a_module_is_recorded(workspace):
    workspace.own({"app.py": "import lib"})
    workspace.installed({"lib.py": "", "Some_Lib-1.5.dist-info/RECORD": "lib.py,,\n"})
    closure = workspace.close("app", intern("app"), extern("lib"))
    assert closure.graph.nodes["lib"].distribution == "some-lib"


def test_result_does_not_depend_on_the_order_of_roots_but_for_their_list(workspace):
    workspace.own({"a.py": "import c", "b.py": "import c", "c.py": ""})
    one = workspace.close(["a", "b"], intern("**")).graph
    two = workspace.close(["b", "a"], intern("**")).graph
    assert one == two


def test_interned_extension_of_an_extern_package_is_no_matter(workspace):
    suffix = EXTENSION_SUFFIXES[0]
    workspace.own({"app.py": "from lib import fast"}).installed(
        {"lib/__init__.py": "", f"lib/fast{suffix}": ""}
    )
    closure = workspace.close("app", intern("app"), extern("lib.**"))
    assert closure.graph.nodes["lib"].kind is ModuleKind.PACKAGE


def test_closure_of_kornia_loftr_holds_all_that_its_import_really_imports(reading_facts):
    pytest.importorskip("kornia")

    finder = ModuleFinder(
        tree=SourceTree(),
        workspace_modules=[],
        workspace_root="/nowhere",
        search_path=environment_search_path(),
    )
    closure = close_over(
        [Root(source="//matching:loftr", module="kornia.feature.loftr", kind=EdgeKind.DECLARED)],
        [intern("kornia.**"), extern("torch.**", "numpy.**", "kornia_rs.**")],
        finder,
        reading_facts,
        target="//matching:loftr",
    )
    code = "import sys, json, kornia.feature.loftr; json.dump(sorted(sys.modules), sys.stdout)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    imported = {name for name in json.loads(run.stdout) if name.split(".")[0] == "kornia"}
    assert len(imported) > 100
    assert imported <= set(interned(closure))


@pytest.mark.parametrize(
    "code",
    [
        'sys.modules["lib.cp"] = lib.deep.cp\n',
        "sys.modules[__name__ + '.cp'] = lib.deep.cp\n",
        'sys.modules[f"{__name__}.cp"] = lib.deep.cp\n',
        "modules.setdefault('lib.cp', lib.deep.cp)\n",
    ],
)
def test_a_name_that_a_package_puts_into_sys_modules_needs_no_file(workspace, code):
    files = {"lib/__init__.py": f"import sys\nimport lib.deep.cp\n{code}", "lib/deep/__init__.py": ""}
    workspace.installed({**files, "lib/deep/cp.py": "X = 1\n", "lib/net.py": "from lib.cp import X\n"})
    closure = workspace.close("lib.net", intern("lib.**"))
    assert interned(closure) == ["lib", "lib.deep", "lib.deep.cp", "lib.net"]
    with pytest.raises(GroupedError):
        workspace.installed({"lib/net.py": "from lib.dp import X\n"}).close("lib.net", intern("lib.**"))


ALIASING = {
    "lib/__init__.py": "import lib.setup\n",
    "lib/setup.py": "import sys, lib.deep.cp\nfor n in ['cp']:\n    sys.modules['lib.' + n] = lib.deep.cp\n",
    "lib/deep/__init__.py": "",
    "lib/deep/cp.py": "X = 1\n",
    "lib/deep/cq.py": "",
}


@pytest.mark.parametrize("code", ["import lib.cp", "from lib.cp import X", "from old import cp, cq"])
@pytest.mark.parametrize("rest", [(), (rule("deny", "**"),)])
def test_a_module_seen_under_another_name_is_packed_by_its_own(workspace, code, rest):
    workspace.installed({**ALIASING, "app.py": f"import lib\n{code}\n"})
    seen = {"lib.cp": "lib.deep.cp", "old": "lib.deep", "old.cp": "lib.deep.cp"}
    closure = workspace.close("app", intern("app", "lib.**"), *rest, finder=workspace.finder(aliases=seen))
    packed = ["app", "lib", "lib.deep", "lib.deep.cp", "lib.setup"]
    assert interned(closure) == sorted([*packed, *(["lib.deep.cq"] if "cq" in code else [])])
    assert not any(node.name in seen for node in closure.graph)
    with pytest.raises(GroupedError):
        workspace.close("app", intern("app", "lib.**"), *rest)


def test_a_rule_for_another_name_and_what_extern_code_puts_there_count_as_before(workspace):
    workspace.installed({**ALIASING, "app.py": "import lib, old\n"})
    finder = workspace.finder(aliases={"old": "lib.deep"})
    closure = workspace.close("app", intern("app"), extern("lib.**", "old"), finder=finder)
    assert closure.graph.nodes["old"].policy is Policy.EXTERN
    with pytest.raises(GroupedError, match="old"):
        workspace.close("app", intern("app"), extern("lib.**"), finder=finder)
