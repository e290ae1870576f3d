"""Random workspaces of several packages over shared modules."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st

FOLDERS = ("one", "two", "three", "space/four", "space/five")
MODULES = tuple(f"{folder.replace('/', '.')}.{name}" for folder in FOLDERS for name in ("a", "b"))
STATEMENTS = (
    "import {}",
    "try:\n    import {}\nexcept ImportError:\n    pass",
    "def later():\n    import {}",
    "from {} import *",
)
POLICIES = (
    '[intern("**")]',
    '[mock("two.**", allow_empty = True), intern("**")]',
    '[extern("space.**", allow_empty = True), intern("**")]',
)
MAKES_ONE = "import sys\nsys.modules['one.made'] = sys\n"

BUILD = """
load("@hermpkg//rules:defs.bzl", "extern", "intern", "mock", "model_package", "python_modules")
python_modules(
    name = "code",
    srcs = glob(["*.py"]),
    deps = {deps},
    visibility = ["//visibility:public"],
)
model_package(
    name = "out",
    deps = [":code"],
    modules = ["{package}.a"],
    policy = {policy},
)
"""


@dataclass
class Workspace:
    """A workspace as a value."""

    imports: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    deps: dict[str, frozenset[str]] = field(default_factory=dict)
    policies: dict[str, int] = field(default_factory=dict)
    packages: frozenset[str] = frozenset()
    makes: bool = False
    comments: dict[str, int] = field(default_factory=dict)
    another_root: bool = False
    """Whether there is another source root, in which a folder has more of the namespace package."""

    def write(self, root: Path) -> None:
        """Make the files, touching only those that differ."""
        for path, text in self.files().items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists() or file.read_text() != text:
                file.write_text(text)

    def files(self) -> dict[str, str]:
        """The texts of all files by path."""
        roots = '["", "root"]' if self.another_root else '[""]'
        files = {"pyproject.toml": f"[tool.hermpkg]\nsource-roots = {roots}\n"}
        for folder in (*FOLDERS, *(("root/space/six",) if self.another_root else ())):
            package = folder.removeprefix("root/").replace("/", ".")
            for name in ("a", "b"):
                imports = self.imports.get(f"{package}.{name}", ())
                lines = [f"# {self.comments.get(f'{package}.{name}', 0)}"]
                lines += [STATEMENTS[kind].format(imported) for kind, imported in imports]
                files[f"{folder}/{name}.py"] = "\n".join([*lines, f'__all__ = ["b", "{name}"]', ""])
            if folder in self.packages:
                made = MAKES_ONE if self.makes and folder == "one" else ""
                files[f"{folder}/__init__.py"] = f'{made}__all__ = ["a", "b"]\n'
            deps = [f"//{other}:code" for other in sorted(self.deps.get(folder, ())) if other < folder]
            deps += ["//root/space/six:code"] if self.another_root and folder in ("two", "space/five") else []
            files[f"{folder}/BUILD"] = BUILD.format(
                package=package,
                deps=str(deps).replace("'", '"'),
                policy=POLICIES[self.policies.get(folder, 0)],
            )
        return files


names = st.sampled_from(
    (*MODULES, "one", "space", "space.four", "space.six.a", "one.made", "json", "nothing")
)
folders = st.sampled_from(FOLDERS)
workspaces = st.builds(
    Workspace,
    imports=st.dictionaries(
        st.sampled_from(MODULES), st.lists(st.tuples(st.integers(0, 3), names), max_size=3), min_size=4
    ),
    deps=st.dictionaries(folders, st.frozensets(folders, min_size=1), min_size=2),
    policies=st.dictionaries(folders, st.integers(0, 2), max_size=2),
    packages=st.frozensets(folders),
    makes=st.booleans(),
    another_root=st.booleans(),
)
