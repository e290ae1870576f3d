"""Writes defs.bzl and private/table.bzl from the table of rules that the loader checks BUILD files against.

Run as ``python rules/make_defs.py``; a test compares the files with what this would write.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from hermpkg_build.loading.rules import DEFS_LABEL, POLICY_FUNCTIONS, RULES, Attribute, Function

_ORIGIN = "Written by `python rules/make_defs.py` from hermpkg_build/loading/rules.py."
_WIDTH = 120


def files() -> Mapping[Path, str]:
    """The text of each file that is made."""
    folder = Path(__file__).parent
    return {folder / "defs.bzl": _definitions(), folder / "private/table.bzl": _table()}


def _definitions() -> str:
    loads = [("attributes", '"rule_arguments"')]
    loads += [(name, f'_{name} = "{name}"') for name in RULES]
    loads += [("policy", '"policy_rule"')]
    functions = [_function(function) for function in (*POLICY_FUNCTIONS.values(), *RULES.values())]
    return (
        '"""The rules of BUILD files, for Bazel: what hermpkg\'s own engine has built in.\n\n'
        f'    load("{DEFS_LABEL}", "deny", "intern", "model", "model_package", "python_modules")\n\n'
        f'{_ORIGIN}\n"""\n\n'
        + "".join(f'load("//rules/private:{file}.bzl", {symbols})\n' for file, symbols in sorted(loads))
        + "".join(f"\n{text}" for text in functions)
    )


def _function(function: Function) -> str:
    parameters = [
        a.name if a.mandatory else f"{a.name} = {_starlark(a.default)}" for a in function.attributes.values()
    ]
    arguments = [f'"{function.name}"', *(f"{name} = {name}" for name in function.attributes)]
    if function.name in RULES:
        call = [f"    _{function.name}(**rule_arguments(", *(f"        {a}," for a in arguments), "    ))"]
    else:
        call = [f"    return policy_rule({', '.join(arguments)})"]
    lines = [*_header(function.name, parameters), *_docstring(function), *call]
    return "".join(f"{line}\n" for line in lines)


def _header(name: str, parameters: list[str]) -> Iterator[str]:
    line = f"def {name}({', '.join(parameters)}):"
    if len(line) <= _WIDTH:
        yield line
    else:
        yield f"def {name}("
        yield from (f"        {parameter}," for parameter in parameters[:-1])
        yield f"        {parameters[-1]}):"


def _docstring(function: Function) -> Iterator[str]:
    yield from (f'    """{function.doc}', "", "    Args:")
    for attribute in function.attributes.values():
        text = f"{attribute.name}: {attribute.doc}"
        yield from textwrap.wrap(text, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 8)
    if function.name in POLICY_FUNCTIONS:
        yield from ("", "    Returns:", "      A policy rule.")
    yield '    """'


def _table() -> str:
    lines = [f'"""What each rule and policy function may be given. {_ORIGIN}"""']
    for title, functions in (("POLICY_FUNCTIONS", POLICY_FUNCTIONS), ("RULES", RULES)):
        lines += ["", f"{title} = {{"]
        for name, function in sorted(functions.items()):
            # Who may see a target is Bazel's own business.
            rows = [_row(a) for a in function.attributes.values() if a.name != "visibility"]
            lines += [f'    "{name}": [', *(f"        {row}," for row in rows), "    ],"]
        lines += ["}"]
    return "".join(f"{line}\n" for line in lines)


def _row(attribute: Attribute) -> str:
    fields = {
        "name": attribute.name,
        "type": attribute.type.value,
        "mandatory": attribute.mandatory,
        "rules": attribute.rules,
        "suffixes": attribute.suffixes,
    }
    return f"struct({', '.join(f'{name} = {_starlark(value)}' for name, value in fields.items())})"


def _starlark(value: object) -> str:
    return repr(value) if value is None or isinstance(value, bool) else json.dumps(value)


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
