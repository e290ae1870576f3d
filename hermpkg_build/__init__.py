"""Build PyTorch models, the code and the resources they need into one reproducible file.

The public names are loaded when first used: importing this package loads neither torch nor anything
of the build side. They are those of two distributions: hermpkg-runtime has all that loads artifacts,
hermpkg-build the rest.
"""

from __future__ import annotations

from hermpkg_build.version import __version__ as __version__

TYPE_CHECKING = False
# That of `typing`, to type checkers. `python -m` has the current folder on the path until `__main__` runs,
# and a workspace may have a module of any name.

if TYPE_CHECKING:
    from hermpkg_build.core.globs import GlobGroup as GlobGroup
    from hermpkg_build.core.globs import GlobPattern as GlobPattern
    from hermpkg_build.errors import HermpkgError as HermpkgError
    from hermpkg_build.exporter.errors import EmptyMatchError as EmptyMatchError
    from hermpkg_build.exporter.errors import PackagingError as PackagingError
    from hermpkg_build.exporter.errors import PackagingErrorReason as PackagingErrorReason
    from hermpkg_build.exporter.package_exporter import PackageExporter as PackageExporter
    from hermpkg_build.generate.pack import PackError as PackError
    from hermpkg_build.generate.pack import pack as pack
    from hermpkg_build.generate.report import PackReport as PackReport
    from hermpkg_build.runtime.contents.file_tree import Directory as Directory
    from hermpkg_build.runtime.importer import PackageImporter as PackageImporter
    from hermpkg_build.runtime.importer_protocol import Importer as Importer
    from hermpkg_build.runtime.importer_protocol import ObjMismatchError as ObjMismatchError
    from hermpkg_build.runtime.importer_protocol import ObjNotFoundError as ObjNotFoundError
    from hermpkg_build.runtime.importer_protocol import OrderedImporter as OrderedImporter
    from hermpkg_build.runtime.importer_protocol import sys_importer as sys_importer
    from hermpkg_build.runtime.mangling import is_from_package as is_from_package
    from hermpkg_build.signing.signers import AcceptedCertificate as AcceptedCertificate
    from hermpkg_build.signing.signers import AcceptedIdentity as AcceptedIdentity
    from hermpkg_build.signing.signers import AcceptedKey as AcceptedKey
    from hermpkg_build.trust.errors import TrustError as TrustError
    from hermpkg_build.trust.policy import TrustPolicy as TrustPolicy
    from hermpkg_build.trust.policy import TrustRule as TrustRule

_PUBLIC_NAMES = {
    "core.globs": ("GlobGroup", "GlobPattern"),
    "errors": ("HermpkgError",),
    "exporter.errors": ("EmptyMatchError", "PackagingError", "PackagingErrorReason"),
    "exporter.package_exporter": ("PackageExporter",),
    "generate.pack": ("PackError", "pack"),
    "generate.report": ("PackReport",),
    "runtime.contents.file_tree": ("Directory",),
    "runtime.importer": ("PackageImporter",),
    "runtime.importer_protocol": (
        "Importer",
        "ObjMismatchError",
        "ObjNotFoundError",
        "OrderedImporter",
        "sys_importer",
    ),
    "runtime.mangling": ("is_from_package",),
    "signing.signers": ("AcceptedCertificate", "AcceptedIdentity", "AcceptedKey"),
    "trust.errors": ("TrustError",),
    "trust.policy": ("TrustPolicy", "TrustRule"),
    "version": ("__version__",),
}
"""The names that are imported above for type checkers, by the module that has them."""

_HOMES = {name: home for home, names in _PUBLIC_NAMES.items() for name in names}

_OF_BUILD = ("exporter", "generate")
"""The rooms with public names that hermpkg-build has."""


def _public(name: str) -> object:
    """Load a public name. Raises AttributeError for any other."""
    if name == "__all__":
        # Type checkers, which can compute no list, go by the imports.
        return _available()
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if home.startswith(_OF_BUILD):
        from hermpkg_build.installation import check_build

        check_build(name)
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


if not TYPE_CHECKING:  # To these, a module with a `__getattr__` has every name.
    __getattr__ = _public


def _available() -> list[str]:
    """Return the public names that can be had: those of hermpkg-build only where it is installed."""
    from hermpkg_build.installation import check_build

    try:
        check_build()
    except ImportError:
        return [name for name, home in _HOMES.items() if not home.startswith(_OF_BUILD)]
    return list(_HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *_available()})
