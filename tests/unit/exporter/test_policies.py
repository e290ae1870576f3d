"""What becomes of modules: rules in order, hooks, rules without modules, and every broken module at once."""

import io
import re

import pytest

from hermpkg_build import EmptyMatchError, PackageExporter, PackagingError, PackagingErrorReason

R = PackagingErrorReason


@pytest.fixture
def tree(project):
    project.package("lib", "other")
    project.module("own", "import lib.a, lib.b\nimport other.c\n")
    for name in ("lib.a", "lib.b", "other.c"):
        project.module(name)
    return project


def exporter_of(*calls) -> PackageExporter:
    exporter = PackageExporter(io.BytesIO())
    for method, *arguments in calls:
        getattr(exporter, method)(*arguments)
    return exporter


def test_the_first_rule_that_matches_decides(tree):
    exporter = exporter_of(
        ("mock", "lib.a"), ("intern", ["lib.**", "nothing"]), ("extern", "**"), ("save_module", "own")
    )
    assert exporter.mocked_modules() == ["lib.a"]
    assert exporter.interned_modules() == ["lib", "lib.b", "own"]
    assert exporter.externed_modules() == exporter.extern_modules == ["other", "other.c"]


def test_rules_may_come_after_what_they_are_for(tree):
    importer = tree.load(lambda e: (e.save_module("own"), e.intern("lib.**"), e.mock("other.**")))
    assert importer.import_module("own").lib.a.__name__.endswith("lib.a")


def test_excludes(tree):
    exporter = PackageExporter(io.BytesIO())
    exporter.mock("**", exclude=["lib.**"])
    exporter.intern("**", exclude="lib.b")
    exporter.deny("lib.b")
    exporter.save_module("own")
    assert exporter.mocked_modules() == ["other", "other.c"]
    assert exporter.denied_modules() == ["lib.b"]


def test_what_is_saved_is_interned_whatever_the_rules_say(tree):
    exporter = exporter_of(("deny", "**"), ("save_source_string", "lib.a", "x = 1\n"), ("save_module", "own"))
    assert exporter.interned_modules() == ["lib.a", "own"]


def test_the_standard_library_and_torch_are_extern_unless_they_are_named(project):
    project.module("own", "import sys, io, torch.nn, subprocess, json\n")
    exporter = exporter_of(("save_module", "own"), ("deny", "**"), ("mock", "subprocess"))
    assert exporter.mocked_modules() == ["subprocess"]
    assert {"sys", "io", "json", "torch", "torch.nn"} <= set(exporter.externed_modules())
    assert "subprocess" in exporter_of(("save_module", "own"), ("deny", "subprocess")).denied_modules()


def test_a_wildcard_never_interns_torch_or_the_standard_library(project):
    project.module("own", "import torch.nn, textwrap, torchlike\n")
    project.module("torchlike")
    exporter = exporter_of(("intern", ["torch*.**", "t*.**", "torch.**"]), ("save_module", "own"))
    assert exporter.interned_modules() == ["own", "torchlike"]
    assert {"torch", "torch.nn", "textwrap"} == set(exporter.externed_modules())


def test_a_module_of_the_standard_library_may_be_interned_by_name(project):
    project.module("own", "import this_is_own, colorsys\n")
    project.module("this_is_own")
    exporter = exporter_of(("intern", ["colorsys", "this_is_own"]), ("save_module", "own"))
    assert "colorsys" in exporter.interned_modules()


@pytest.mark.parametrize("pattern", ["a**", "a.b**.c", "", ".", "a..b", ".a", "a.", ["a", ""]])
def test_a_malformed_pattern_is_refused_at_once(pattern):
    exporter = PackageExporter(io.BytesIO())
    for method in (exporter.intern, exporter.extern, exporter.mock, exporter.deny):
        with pytest.raises(ValueError, match="is no pattern"):
            method(pattern)
    with pytest.raises(ValueError, match="is no pattern"):
        exporter.intern("**", exclude=pattern)
    exporter.close()


@pytest.mark.parametrize("pattern", ["absent.*", "**"])
@pytest.mark.parametrize("method", ["intern", "extern", "mock"])
def test_a_rule_that_must_match_something(tree, method, pattern):
    def save(exporter):
        exporter.intern(["lib.**", "other.**"])
        exporter.save_module("own")
        getattr(exporter, method)(pattern, allow_empty=False)

    with pytest.raises(
        EmptyMatchError,
        match=re.escape(f'exporter.{method}("{pattern}", allow_empty=False) did not match any modules'),
    ):
        tree.export(save)
    tree.export(
        lambda e: (getattr(e, method)("lib.**", allow_empty=False), e.intern("**"), e.save_module("own"))
    )
    with pytest.raises(EmptyMatchError, match="taken by"):
        tree.export(
            lambda e: (e.intern("**"), getattr(e, method)("lib.**", allow_empty=False), e.save_module("own"))
        )


def test_broken_modules_come_before_rules_without_modules(tree):
    with pytest.raises(PackagingError):
        tree.export(lambda e: (e.extern("absent", allow_empty=False), e.save_module("own")))


def test_every_broken_module_is_reported_at_once(project):
    project.package("lib")
    project.module("lib.bad", "def (\n")
    project.module("lib.up", "from .... import x\n")
    project.module("own", "import lib.bad, lib.up\nimport gone\nimport norule, denied\n")
    project.module("norule")
    project.module("denied")
    exporter = exporter_of(("deny", "denied"), ("intern", "lib.**"), ("save_module", "own"))
    with pytest.raises(PackagingError) as caught:
        exporter.close()
    assert caught.value.reasons == {
        "lib.bad": R.DEPENDENCY_RESOLUTION_FAILED,
        "lib.up": R.DEPENDENCY_RESOLUTION_FAILED,
        "gone": R.MODULE_NOT_FOUND,
        "norule": R.NO_ACTION,
        "denied": R.DENIED,
    }
    text = str(caught.value)
    assert "5 modules are broken" in text
    for reason in set(caught.value.reasons.values()):
        assert f"* {reason.value}" in text
    assert "own.py:2:1" in text
    assert 'exporter.deny("denied")' in text
    assert caught.value.dependency_graph.nodes.keys() >= {"own", "denied"}


def test_a_broken_module_comes_with_its_import_its_chain_and_the_fix(project):
    project.module("a", "import b\n")
    project.module("b", "x = 1\nimport c\n")
    project.module("c")
    exporter = exporter_of(("intern", ["a", "b"]), ("save_module", "a"))
    with pytest.raises(PackagingError) as caught:
        exporter.close()
    (broken,) = caught.value.broken
    assert (broken.module, str(broken.location)) == ("c", "b.py:2:1")
    assert list(broken.path) == ["save_module", "a", "b", "c"]
    assert broken.chain[2:] == ["  b  a.py:1:1", "  c  b.py:2:1"]
    assert __file__ in broken.chain[1]
    assert 'exporter.intern("c.**")' in broken.fix
    assert all(line in str(caught.value) for line in broken.chain)


def test_debug_tells_every_import_of_a_broken_module(project):
    project.module("a", "import b, gone_a\n")
    project.module("b", "import denied\n")
    project.module("own", "import a, denied\n")
    project.module("denied")
    for debug in (False, True):
        exporter = PackageExporter(io.BytesIO(), debug=debug)
        exporter.intern(["a", "b"])
        exporter.deny("denied")
        exporter.save_module("own")
        with pytest.raises(PackagingError) as caught:
            exporter.close()
        assert ("also needed by" in str(caught.value)) is debug
        assert ("b.py:1:1" in str(caught.value)) is debug


def test_an_optional_import_may_be_missing(project):
    project.module("own", "try:\n    import not_there\nexcept ImportError:\n    not_there = 5\n")
    assert project.load(lambda e: e.save_module("own")).import_module("own").not_there == 5


def test_a_missing_module_may_be_mocked_or_extern(project):
    project.module("own", "import not_there, nor_this\n")
    importer = project.load(lambda e: (e.mock("not_there"), e.extern("nor_this"), e.save_module("own")))
    assert "nor_this" in importer.extern_modules
    with pytest.raises(NotImplementedError):
        importer.import_module("not_there").something()


def test_pickles_of_mocked_objects_are_refused(project):
    project.module("lib", "class A:\n    pass\ndef function():\n    pass\n")
    import lib

    with pytest.raises(PackagingError) as caught:
        project.export(lambda e: (e.mock("lib"), e.save_pickle("m", "m.pkl", [lib.A(), lib.function])))
    assert caught.value.reasons == {"lib": R.MOCKED_BUT_STILL_USED}
    assert "A, function in <m.m.pkl>" in str(caught.value)
    project.export(lambda e: (e.mock("lib"), e.save_pickle("m", "m.pkl", lib.A(), dependencies=False)))


def test_what_cannot_be_opened_is_not_written(project):
    def save(exporter):
        exporter.save_source_string("a", "")
        exporter.save_source_string("a.b", "")

    with pytest.raises(PackagingError, match=r"a\.py and a/b\.py|is not a package"):
        project.export(save)
    with pytest.raises(PackagingError, match="not a package"):
        project.export(lambda e: (e.save_source_string("m", ""), e.save_text("m", "t.txt", "")))


def test_a_failed_close_can_be_mended(project):
    project.module("own", "import lib_of_mine\n")
    project.module("lib_of_mine")
    stream = io.BytesIO()
    exporter = PackageExporter(stream)
    exporter.save_module("own")
    with pytest.raises(PackagingError):
        exporter.close()
    assert not stream.getvalue()
    exporter.mock("lib_of_mine")
    exporter.close()
    assert stream.getvalue()


def test_hooks_are_told_once_of_each_module_in_the_order_of_registration(tree):
    told = []
    exporter = PackageExporter(io.BytesIO())

    def hook(name):
        return lambda _exporter, module: told.append((name, module))

    exporter.register_intern_hook(hook("first"))
    removed = exporter.register_intern_hook(hook("removed"))
    exporter.register_intern_hook(hook("second"))
    exporter.register_extern_hook(hook("extern"))
    exporter.register_mock_hook(hook("mock"))
    removed.remove()
    removed.remove()
    with exporter.register_mock_hook(hook("left")):
        pass
    exporter.intern("lib.**")
    exporter.mock("other.c")
    exporter.extern("other")
    exporter.save_module("own")
    exporter.save_module("own")
    exporter.close()
    assert [t for t in told if t[0] in ("first", "second")] == [
        (name, module) for module in ("lib", "lib.a", "lib.b", "own") for name in ("first", "second")
    ]
    assert [t for t in told if t[0] not in ("first", "second")] == [("extern", "other"), ("mock", "other.c")]


def test_a_hook_may_save_more(tree):
    def hook(exporter, module):
        exporter.save_text("notes", f"{module}.txt", module)
        if module == "own":
            exporter.save_source_string("added", "")

    records = tree.records(
        lambda e: (e.register_intern_hook(hook), e.intern("lib.**"), e.mock("other.**"), e.save_module("own"))
    )
    assert {"notes/own.txt", "notes/lib.a.txt", "notes/added.txt", "added.py"} <= set(records)


def test_a_submodule_may_be_interned_below_an_extern_package(project):
    project.module("big.__init__", "value = 'environment'\n")
    project.module("big.small", "import big\nvalue = 'packaged ' + big.value\n")
    project.module("big.other", "value = 'other'\n")
    project.module("own", "import big.small, big.other\nx = big.small.value, big.other.value\n")
    importer = project.load(lambda e: (e.intern("big.small"), e.extern("big.**"), e.save_module("own")))
    assert importer.import_module("own").x == ("packaged environment", "other")


def test_a_package_and_its_submodule_may_both_be_named(project):
    project.module("par.__init__", "from .sub import value\n")
    project.module("par.sub", "value = 3\n")
    importer = project.load(
        lambda e: (e.intern(["par", "par.sub"]), e.save_source_string("own", "import par"))
    )
    assert importer.import_module("par").value == 3


def test_many_rules_and_modules_take_no_time(project):
    for number in range(300):
        project.module(f"mod_{number}", f"import mod_{number + 1}\n" if number < 299 else "")
    exporter = PackageExporter(io.BytesIO())
    for number in range(2000):
        exporter.mock(f"rule_{number}.**")
    exporter.intern("mod_*")
    exporter.save_module("mod_0")
    assert len(exporter.interned_modules()) == 300
