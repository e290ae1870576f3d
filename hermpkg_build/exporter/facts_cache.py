"""The import facts in the user's cache, which exports share with builds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

from hermpkg_build.disk.cache_directory import default_cache_directory
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.store.cache import open_cache
from hermpkg_build.store.index import FactsCache


@contextmanager
def open_facts_cache() -> Iterator[FactsCache | None]:
    """The import facts of the user's cache; None where there can be none. New ones are written at the end."""
    with ExitStack() as stack:
        facts = None
        # An export needs no cache: it only takes longer.
        with suppress(LocalEnvironmentError):
            facts = stack.enter_context(closing(open_cache(default_cache_directory(os.environ)))).facts
        yield facts
