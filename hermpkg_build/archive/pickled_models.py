"""Which pickles of an artifact are models, and where the example of a model's arguments lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hermpkg_build.archive.layout import DATA, MANIFEST, resource_record_name
from hermpkg_build.core.manifest import Manifest, RecordKind

USUAL = ("model", "model.pkl")
"""Where `pack` puts a model, by package and resource."""

EXAMPLE = "example.pkl"
"""The pickle, beside that of a model, with the arguments of one call of it."""


def pickled_models(names: Sequence[str], read: Callable[[str], bytes]) -> list[tuple[str, str]]:
    """List the pickles among the records `names`, but for examples, by package and resource.

    The manifest says which they are, where `read` gives one; else their names do.
    """
    if MANIFEST in names:
        found = Manifest.from_bytes(read(MANIFEST)).records_of(RecordKind.PICKLE)
    else:
        found = [name for name in names if name.endswith((".pkl", ".pickle")) and not name.startswith(DATA)]
    pairs = [name.rpartition("/") for name in found]
    return [(folder.replace("/", "."), name) for folder, _, name in sorted(pairs) if name != EXAMPLE]


def model_meant(models: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    """Return which of the pickled models is meant where nobody says: the only one, else the `USUAL` one."""
    return models[0] if len(models) == 1 else USUAL if USUAL in models else None


def example_record(package: str) -> str:
    """Return the record of the example for a model in `package`."""
    return resource_record_name(package, EXAMPLE)
