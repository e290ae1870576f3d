"""Modules that only imports lead to that may fail."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from hermpkg_build.analysis.module_finder import ModuleSource
from hermpkg_build.analysis.optional_modules import optional_modules
from hermpkg_build.core.module_names import module_of_record
from hermpkg_build.core.module_roles import ModuleKind, Origin
from hermpkg_build.source.imports import analyse_source

OPTIONAL = "try:\n    {}\nexcept ImportError:\n    pass\n"
TRIED = OPTIONAL.format("from . import new")


def found_in(files: Mapping[str, str]) -> frozenset[str]:
    pairs = []
    for path, text in files.items():
        name, is_package = module_of_record(path) or ("", False)
        kind = ModuleKind.PACKAGE if is_package else ModuleKind.SOURCE
        source = ModuleSource(name=name, path=path, shown=path, kind=kind, origin=Origin.WORKSPACE)
        pairs.append((source, analyse_source(text.encode())))
    return optional_modules(pairs)


@pytest.mark.parametrize(
    ("files", "optional"),
    [
        ({"a/__init__.py": TRIED, "a/new.py": ""}, {"a.new"}),
        ({"a/__init__.py": "if X:\n    import a.new\n", "a/new.py": ""}, {"a.new"}),
        ({"a/__init__.py": "import a.new\n", "a/new.py": ""}, set()),
        ({"a/__init__.py": "", "a/new.py": ""}, set()),
        # What is needed somewhere is needed, also by its parts.
        ({"a/__init__.py": TRIED, "a/new.py": "", "b.py": "import a.new\n"}, set()),
        (
            {
                "a/__init__.py": TRIED,
                "a/new/__init__.py": "",
                "a/new/part.py": "",
                "b.py": "import a.new.part\n",
            },
            set(),
        ),
        # What lies in optional ones is optional; what only these need is not, as others may import it.
        ({"a/__init__.py": TRIED, "a/new.py": "from a import more\n", "a/more.py": ""}, {"a.new"}),
        (
            {
                "a/__init__.py": TRIED,
                "a/new.py": "from a import more\n",
                "a/more.py": "",
                "b.py": OPTIONAL.format("import a.more"),
            },
            {"a.new", "a.more"},
        ),
        (
            {"a/__init__.py": TRIED, "a/new/__init__.py": "x = (", "a/new/part.py": ""},
            {"a.new", "a.new.part"},
        ),
        ({"a/__init__.py": "def f():\n    import a.new\n", "a/new.py": ""}, set()),
        ({"a.py": "import b\n", "b.py": "import a\n"}, set()),
        ({"a/__init__.py": "from .... import new\n", "a/new.py": ""}, set()),
    ],
)
def test_which_modules_are_optional(files: dict[str, str], optional: set[str]) -> None:
    assert found_in(files) == optional
