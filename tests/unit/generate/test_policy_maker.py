"""The policy that imports lead to: decided as they are followed, by what is installed."""

import pytest

from hermpkg_build.analysis.decisions import rules_of
from hermpkg_build.analysis.policy_maker import Wishes
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.errors import CommandLineError
from hermpkg_build.generate.packing_exporter import PackingExporter
from hermpkg_build.generate.policy_maker import make_policy


def policy_for(source, tmp_path, **wishes):
    """The decisions for a module `root` with this source, and the exporter, closed."""
    exporter = PackingExporter(tmp_path / "out.pt")
    exporter.save_source_string("root", source)
    made = make_policy(exporter, Wishes(**wishes))
    exporter.close()
    return made.decisions, exporter


def rows(decisions):
    return {name: decision.row for name, decision in decisions.items()}


def test_only_what_is_reached_is_decided(site, tmp_path):
    site.module("app/__init__.py")
    site.module("app/net.py", "import pure\nimport fast\n")
    site.module("app/other.py", "import never\n")
    site.install("pure", {"pure/__init__.py": "from . import inner", "pure/inner.py": "import json, deep"})
    site.install("deep", {"deep.py": ""})
    site.install("never", {"never.py": ""})
    site.install("fast", {"fast/__init__.py": "import behind"}, listed=["fast/core.so"])
    site.install("behind", {"behind.py": ""})
    decisions, exporter = policy_for("import app.net", tmp_path)
    assert rows(decisions) == {"app": "own", "pure": "pure", "deep": "pure", "fast": "compiled"}
    assert exporter.interned_modules() == ["app", "app.net", "deep", "pure", "pure.inner", "root"]


def test_what_an_extern_distribution_needs_is_extern_however_far_behind_it(site, tmp_path):
    site.install("shared", {"shared.py": ""}, requires=["deeper"])
    site.install("deeper", {"deeper.py": ""})
    site.install("extra", {"extra.py": ""})
    site.install(
        "fast",
        {"fast.py": ""},
        listed=["core.so"],
        requires=["shared (>=1)", 'extra; extra == "all"', "no-such-thing"],
    )
    decisions, _ = policy_for("import deeper, extra, fast, shared", tmp_path)
    assert rows(decisions) == {
        "deeper": "needed outside",
        "extra": "pure",
        "fast": "compiled",
        "shared": "needed outside",
    }
    assert "fast" in decisions["deeper"].reason


def test_what_torch_needs_comes_with_torch(tmp_path):
    decisions, _ = policy_for("import torch, networkx", tmp_path)
    assert rows(decisions) == {"networkx": "needed outside"}
    assert "torch" in decisions["networkx"].reason


def test_a_plugin_goes_with_its_host(site, tmp_path):
    site.install("fast", {"fast.py": ""}, listed=["core.so"])
    site.install("fast-extra", {"fast_extra.py": ""}, entry_points="[fast.plugins]\nx = fast_extra\n")
    site.install("tool", {"tool.py": ""}, entry_points="[console_scripts]\nfast = tool\n")
    decisions, _ = policy_for("import fast, fast_extra, tool", tmp_path)
    assert rows(decisions) == {"fast": "compiled", "fast-extra": "plugin", "tool": "pure"}


def test_a_logger_is_one_with_the_hosts(site, tmp_path):
    site.install("writes", {"writes.py": ""}, classifiers=["Topic :: System :: Logging"])
    decisions, _ = policy_for("import writes", tmp_path)
    assert rows(decisions) == {"writes": "one with the host's"}


def test_what_is_absent_is_left_out_whole(site, tmp_path):
    site.install(
        "pure",
        {
            "pure/__init__.py": "def f():\n    import in_a_function\n    from pure import later\n",
            "pure/later.py": "import missing.part\nfrom missing import other\n",
        },
    )
    decisions, exporter = policy_for(
        "import pure\ntry:\n    import gone\nexcept ImportError: pass\n", tmp_path
    )
    assert rows(decisions) == {"pure": "pure", "missing": "absent"}
    assert "gone" not in exporter.externed_modules()


def test_imports_for_type_checkers_are_left_out(site, tmp_path):
    site.install("pure", {"pure.py": ""})
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pure\n"
    assert policy_for(source, tmp_path)[0] == {}


def test_a_missing_or_broken_part_of_a_library_is_no_error(site, tmp_path):
    site.install(
        "pure",
        {
            "pure/__init__.py": "def f():\n    from . import old, later\n",
            "pure/later.py": "from .gone import x\n",
            "pure/old.py": "print 'of another Python'\n",
        },
    )
    decisions, exporter = policy_for("import pure", tmp_path)
    assert rows(decisions) == {"pure": "pure", "pure.gone": "absent", "pure.old": "unreadable part"}
    assert exporter.mocked_modules() == ["pure.old"]


def test_modules_of_one_namespace_are_decided_apart(site, tmp_path):
    site.install("big-fast", {"big/fast/__init__.py": ""}, listed=["big/fast/core.so"])
    site.install("big-pure", {"big/pure/__init__.py": ""})
    decisions, exporter = policy_for("import big.fast, big.pure", tmp_path)
    assert rows(decisions) == {"big-fast": "compiled", "big-pure": "pure"}
    assert "big.pure" in exporter.interned_modules()
    assert "big.fast" in exporter.externed_modules()


def test_the_caller_decides_otherwise(site, tmp_path):
    site.install("pure", {"pure.py": "import deep"})
    site.install("deep", {"deep.py": ""})
    decisions, exporter = policy_for("import pure", tmp_path, named={"Pure": Policy.EXTERN})
    assert rows(decisions) == {"pure": "asked"}
    assert exporter.externed_modules() == ["pure"]


def test_a_name_of_nothing_that_is_needed_is_an_error(site, tmp_path):
    site.install("pure", {"pure.py": ""})
    with pytest.raises(CommandLineError, match="'puer'") as caught:
        policy_for("import pure", tmp_path, named={"puer": Policy.EXTERN})
    assert "did you mean 'pure'?" in str(caught.value)


def test_a_failure_puts_the_library_outside(site, tmp_path):
    site.install("pure", {"pure.py": ""})
    decisions, _ = policy_for("import pure", tmp_path, failures={"pure": "it looks for a file"})
    assert rows(decisions) == {"pure": "fails in a package"}


@pytest.mark.parametrize(
    ("source", "interned", "outside"),
    [
        ("import kornia.filters", "kornia", ["kornia-rs"]),
        ("import transformers.models.bert.modeling_bert", "transformers", ["tokenizers", "huggingface-hub"]),
        ("import torchmetrics", "torchmetrics", ["numpy"]),
    ],
)
def test_real_libraries(source, interned, outside, tmp_path):
    decisions, _ = policy_for(source, tmp_path)
    inside = [d.name for d in decisions.values() if d.policy is Policy.INTERN]
    assert interned in inside
    for name in outside:
        assert name not in decisions or decisions[name].policy is Policy.EXTERN


def test_the_rules_of_the_decisions_decide_all(site, tmp_path):
    site.install("pure", {"pure.py": "import fast"})
    site.install("fast", {"fast.py": ""}, listed=["fast.so"])
    decisions, _ = policy_for("import pure", tmp_path)
    again = PackingExporter(tmp_path / "again.pt")
    again.save_source_string("root", "import pure")
    again.set_rules(rules_of(decisions.values()))
    again.deny("**")
    again.close()
    assert (tmp_path / "again.pt").read_bytes() == (tmp_path / "out.pt").read_bytes()


def test_what_can_be_done_without_and_was_not_loaded_stays_outside(site, tmp_path):
    site.install(
        "lib",
        {
            "lib/__init__.py": (
                "try:\n    import guarded, loaded\nexcept ImportError:\n    pass\n"
                "if lib:\n    import behind_a_condition\n"
                "def g():\n    import declared\n"
                "def f():\n    import in_a_function\n"
                "try:\n    import both\nexcept ImportError:\n    pass\n"
            ),
            "lib/needed.py": "import both\n",
        },
        requires=["declared", "both"],
    )
    site.install("guarded", {"guarded.py": "import behind_guarded"}, requires=["shared"])
    site.module("own.py", "import own_needs\ndef f():\n    import own_needs_later\n")
    for name in ("own_needs", "own_needs_later", "declared", "of_loaded"):
        site.install(name, {f"{name}.py": ""})
    for name in ("behind_a_condition", "in_a_function", "both", "behind_guarded", "shared"):
        site.install(name, {f"{name}.py": ""})
    site.install("loaded", {"loaded.py": "def f(): import of_loaded"}, requires=["of_loaded"])
    source = "import lib.needed, shared, own\n"
    decisions, _ = policy_for(source, tmp_path, loaded={"root", "lib", "loaded.deeper"})
    assert rows(decisions) == {
        "both": "pure",
        "behind-a-condition": "unused",
        "guarded": "unused",
        "in-a-function": "unused",
        "own": "own",
        "own-needs": "pure",
        "own-needs-later": "pure",
        "declared": "pure",
        "of-loaded": "pure",
        "lib": "pure",
        "loaded": "pure",
        "shared": "pure",
    }
    decisions, _ = policy_for(source, tmp_path)
    assert "unused" not in rows(decisions).values()


def test_a_folder_that_one_shares_with_distributions_is_not_ones_own(site, tmp_path, monkeypatch):
    site.install("shared-fast", {"shared/fast/__init__.py": ""}, listed=["shared/fast/core.so"])
    site.install("shared-pure", {"shared/pure.py": ""})
    for name in ("shared/mine/deep/code.py", "shared/single.py", "alone/part/code.py"):
        file = tmp_path / "work" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    monkeypatch.syspath_prepend(tmp_path / "work")
    source = "import shared.mine.deep.code, shared.single, shared.fast, shared.pure, alone.part.code\n"
    decisions, _ = policy_for(source, tmp_path)
    assert {name: (each.row, each.modules) for name, each in decisions.items()} == {
        "alone": ("own", ("alone",)),
        "shared-fast": ("compiled", ("shared.fast",)),
        "shared-pure": ("pure", ("shared.pure",)),
        "shared.mine": ("own", ("shared.mine",)),
        "shared.single": ("own", ("shared.single",)),
    }
