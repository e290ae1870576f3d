"""What edits of BUILD files write, and what they leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.core.starlark_text import CallText
from hermpkg_build.errors import LoadingError, LocalEnvironmentError
from hermpkg_build.generate.build_files.build_text import BuildText
from hermpkg_build.generate.build_files.edits import (
    CallPlace,
    NotEditableError,
    add_argument,
    add_entry,
    add_loads,
    add_statement,
    add_values,
    change_patterns,
    insert_rule,
    new_file,
    remove_rules,
    remove_statement,
    remove_values,
    replace_value,
)
from hermpkg_build.generate.build_files.files import FileOnDisk

_NUMPY = PolicyRule(policy=Policy.EXTERN, include=("numpy.**",))
_ONE = CallPlace(function="model_package", name="one")


def _package(*lines: str) -> BuildText:
    inner = "".join(f"    {line}\n" for line in ('name = "one",', *lines))
    return BuildText("BUILD", f"model_package(\n{inner})\n")


def _inner(file: BuildText) -> list[str]:
    return [line[4:] for line in file.text.splitlines()[2:-1]]


def test_a_rule_goes_before_the_one_with_its_comments() -> None:
    file = _package("policy = [", '    intern("app.**"),  # own', "    # the rest", '    deny("**"),', "],")
    assert _inner(insert_rule(file, _ONE, 1, _NUMPY)) == [
        "policy = [",
        '    intern("app.**"),  # own',
        '    extern("numpy.**"),',
        "    # the rest",
        '    deny("**"),',
        "],",
    ]


def test_a_list_in_one_line_gets_a_line_for_each_item() -> None:
    file = insert_rule(_package('policy = [deny("**")],'), _ONE, 0, _NUMPY)
    assert _inner(file) == ["policy = [", '    extern("numpy.**"),', '    deny("**"),', "],"]


def test_a_policy_that_is_not_given_is_added_in_its_place() -> None:
    file = insert_rule(_package('deps = [":m"],'), _ONE, 0, _NUMPY)
    assert _inner(file) == ['policy = [extern("numpy.**")],', 'deps = [":m"],']


def test_a_comment_behind_an_item_without_a_comma_stays_behind_it() -> None:
    file = _package("policy = [", '    deny("**")  # nothing', "],")
    assert _inner(insert_rule(file, _ONE, 9, _NUMPY))[1:3] == [
        '    deny("**"),  # nothing',
        '    extern("numpy.**"),',
    ]


def test_a_removed_rule_leaves_its_comments() -> None:
    file = _package("policy = [", "    # group", '    intern("a"),  # a', '    deny("**"),', "],")
    assert _inner(remove_rules(file, _ONE, [0])) == [
        "policy = [",
        "    # group",
        "    # a",
        '    deny("**"),',
        "],",
    ]


def test_labels_take_their_place_in_sorted_lists_and_the_end_of_others() -> None:
    given = ["deps = [", '    ":z",', '    "//b",', "],"]
    added = add_values(_package(*given), _ONE, "deps", ["//a", ":a", "//b"])
    assert [line.strip() for line in _inner(added)[1:-1]] == ['":a",', '":z",', '"//a",', '"//b",']
    unsorted = add_values(_package("deps = [", '    "//b",', '    ":z",', "],"), _ONE, "deps", [":a"])
    assert _inner(unsorted)[-2] == '    ":a",'


def test_values_are_added_to_the_list_beside_a_glob() -> None:
    modules = CallPlace(function="python_modules", name="m")
    globbed = BuildText("BUILD", 'python_modules(\n    name = "m",\n    srcs = glob(["*.py"]),\n)\n')
    once = add_values(globbed, modules, "srcs", ["gen/a.py"])
    assert 'srcs = glob(["*.py"]) + ["gen/a.py"],' in once.text
    assert add_values(once, modules, "srcs", ["gen/a.py"]).text == once.text
    assert remove_values(once, modules, "srcs", ["gen/a.py"]).text.count("gen") == 0


@pytest.mark.parametrize("computed", ["DEPS", "deps()", "[d for d in DEPS]", 'select({"a": []})'])
def test_what_is_computed_is_told_with_its_place(computed: str) -> None:
    with pytest.raises(NotEditableError) as caught:
        add_values(_package(f"deps = {computed},"), _ONE, "deps", [":a"])
    assert str(caught.value.location) == "BUILD:3:12"


def test_a_target_of_a_macro_is_told_with_its_place() -> None:
    file = BuildText("BUILD", 'x = 1\nmacro(name = "one")\n')
    with pytest.raises(NotEditableError, match="a macro") as caught:
        insert_rule(file, _ONE, 0, _NUMPY)
    assert str(caught.value.location) == "BUILD:2:1"


def test_a_rule_under_another_name_is_found() -> None:
    load = 'load("@hermpkg//rules:defs.bzl", pack = "model_package")\n\npack(name = "one")\n'
    assert 'policy = [extern("numpy.**")]' in insert_rule(BuildText("BUILD", load), _ONE, 0, _NUMPY).text


def test_patterns_are_added_and_removed() -> None:
    file = _package("policy = [", '    intern("b.**"),', '    extern(["c.**"]),', "],")
    both = change_patterns(file, _ONE, 0, add=["a.**"])
    assert _inner(both)[1:5] == ["    intern([", '        "b.**",', '        "a.**",', "    ]),"]
    assert change_patterns(both, _ONE, 0, remove=["a.**"]).text.count("a.**") == 0
    assert _inner(change_patterns(file, _ONE, 1, add=["a.**"]))[3:5] == [
        '        "a.**",',
        '        "c.**",',
    ]


def test_lines_inside_of_strings_are_not_moved() -> None:
    text = 'model_package(name = "one", sources = {"a": """x\n  y\n""", "b": "z"})\n'
    changed = add_entry(BuildText("BUILD", text), _ONE, "sources", "c", "w")
    assert '"""x\n  y\n"""' in changed.text
    assert changed.text.splitlines()[-4:] == ['        "b": "z",', '        "c": "w",', "    },", ")"]


def test_an_entry_gets_another_value() -> None:
    file = _package('requires = {"torch": ">=2"},')
    assert _inner(add_entry(file, _ONE, "requires", "torch", ">=3")) == ['requires = {"torch": ">=3"},']
    assert _inner(replace_value(file, _ONE, "requires", ">=2", ">=4")) == ['requires = {"torch": ">=4"},']


def test_a_new_target_loads_what_it_needs() -> None:
    model = CallText(function="model", named={"name": "m", "factory": "a:b"})
    empty = add_statement(BuildText("BUILD", "# License\n\nx = 1\n"), model)
    assert empty.text.splitlines() == [
        "# License",
        "",
        'load("@hermpkg//rules:defs.bzl", "model")',
        "",
        "x = 1",
        "",
        "model(",
        '    name = "m",',
        '    factory = "a:b",',
        ")",
    ]
    assert add_loads(empty, ["deny", "model"]).text.splitlines()[2].endswith('"deny", "model")')
    assert new_file("BUILD", [model]).text.startswith('load("@hermpkg//rules:defs.bzl", "model")\n\nmodel(')


def test_a_target_is_removed_and_the_comments_above_it_stay() -> None:
    file = BuildText("BUILD", '# one\nmodel_package(name = "one")\n\n# two\nmodel_package(name = "two")\n')
    assert remove_statement(file, _ONE).text == '# one\n# two\nmodel_package(name = "two")\n'


def test_other_arguments_keep_their_form() -> None:
    file = _package("models = {  # ours", '    "a/b":   ":m" },', "tags=['x'],")
    assert _inner(add_argument(file, _ONE, "out", "a.pt")) == [
        'out = "a.pt",',
        "models = {  # ours",
        '    "a/b":   ":m" },',
        "tags=['x'],",
    ]


@pytest.mark.parametrize(
    "data", [b"x = 1\r\ny = 2\r\n", b"\xef\xbb\xbfx = 1\ny = 2\n", "x = 'ä'\ny = 2\n".encode()]
)
def test_ends_of_lines_and_the_byte_order_mark_stay(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "BUILD").write_bytes(data)
    file = FileOnDisk.read(str(tmp_path), "BUILD")
    file.write(file.text().text.replace("y = 2", "y = 3"))
    assert (tmp_path / "BUILD").read_bytes() == data.replace(b"y = 2", b"y = 3")


def test_several_ends_of_lines_are_not_mended(tmp_path: Path) -> None:
    (tmp_path / "BUILD").write_bytes(b"x = 1\r\ny = 2\n")
    with pytest.raises(LoadingError, match="end in several ways"):
        FileOnDisk.read(str(tmp_path), "BUILD").text()


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "BUILD").write_text("x = 1\n")
    file = FileOnDisk.read(str(tmp_path), "BUILD")
    (tmp_path / "BUILD").write_text("x = 2\n")
    with pytest.raises(LocalEnvironmentError, match="changed while"):
        file.write("x = 3\n")
    assert (tmp_path / "BUILD").read_text() == "x = 2\n"


def test_the_mode_of_a_file_and_a_link_to_it_stay(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text("x = 1\n")
    real.chmod(0o640)
    (tmp_path / "BUILD").symlink_to("real")
    FileOnDisk.read(str(tmp_path), "BUILD").write("x = 2\n")
    assert (tmp_path / "BUILD").is_symlink()
    assert (real.read_text(), real.stat().st_mode & 0o777) == ("x = 2\n", 0o640)
