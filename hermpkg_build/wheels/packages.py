"""Tells which packages a project has, and so which artifacts of its workspace are its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hermpkg_build.dataclass import dataclass

_INITS = ("__init__.py", "__init__.pyc", "__init__.pyi")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPackages:
    """The packages of one project, by their dotted names.

    `named` are those with files of their own, `regular` those of them that no other project adds to: they
    have an ``__init__``. `modules` are files of Python, which are no packages.

    >>> own = packages_of(["acme/shop/__init__.py", "acme/shop/models/x.py"])
    >>> own.has("acme.shop.models"), own.has("acme.shop.new"), own.has("acme.other"), own.has("acme")
    (True, True, False, False)
    """

    named: frozenset[str]
    regular: frozenset[str]
    modules: frozenset[str] = frozenset()

    def has(self, package: str) -> bool:
        """Whether `package` is one of these, or would lie in one that is this project's alone."""
        return package in self.named or any(name in self.regular for name in above(package))

    def touches(self, package: str) -> bool:
        """Whether `package` has the top-level name of one of these."""
        top = package.partition(".")[0]
        return any(name.partition(".")[0] == top for name in self.named)


def packages_of(files: Iterable[str]) -> OwnPackages:
    """Tell the packages that `files` make up: paths with "/", relative to where modules are imported from."""
    named, regular, modules = set(), set(), set()
    for path in files:
        if path.endswith(".py"):
            modules.add(path.removesuffix(".py").replace("/", "."))
        folder, _, file = path.rpartition("/")
        if folder and not folder.partition("/")[0].endswith((".dist-info", ".data")):
            name = folder.replace("/", ".")
            named.add(name)
            if file in _INITS or (file.startswith("__init__.") and file.endswith((".so", ".pyd"))):
                regular.add(name)
    modules -= regular  # As Python does where there are both.
    return OwnPackages(named=frozenset(named), regular=frozenset(regular), modules=frozenset(modules))


def joined(parts: Iterable[OwnPackages]) -> OwnPackages:
    """Return the packages of all parts of one project."""
    each = list(parts)
    return OwnPackages(
        named=frozenset[str]().union(*(part.named for part in each)),
        regular=frozenset[str]().union(*(part.regular for part in each)),
        modules=frozenset[str]().union(*(part.modules for part in each)),
    )


def above(package: str) -> Iterator[str]:
    """Give a package, and those that it lies in, the top-level one last.

    >>> list(above("acme.shop"))
    ['acme.shop', 'acme']
    """
    while package:
        yield package
        package = package.rpartition(".")[0]
