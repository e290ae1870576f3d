from collections.abc import Sequence

from hermpkg_build.core.import_facts import ImportContext, ImportForm

VERSION: str

def scan(
    source: bytes,
    words: tuple[bytes, ...],
    forms: tuple[ImportForm, ImportForm],
    contexts: Sequence[ImportContext],
    /,
) -> (
    tuple[list[tuple[str, int, tuple[str, ...], ImportForm, ImportContext, int, int]], list[str] | None]
    | None
): ...
def is_valid(source: bytes, /) -> bool: ...
