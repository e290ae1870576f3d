"""Words on modules of a workspace that have no source, such as compiled ones: no artifact can hold them."""

from __future__ import annotations

from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES

SUFFIXES = (*EXTENSION_SUFFIXES, *BYTECODE_SUFFIXES)
"""What the names of their files end in, for the Python that runs this."""


def advice_on_sourceless(name: str) -> str:
    """Return the next step where the module `name` of a workspace is imported and has no source.

    >>> print(advice_on_sourceless("fast"))
    move it to a distribution of its own, install that, and leave it outside: extern("fast.**")
    >>> "import net_fast in place of net.fast" in advice_on_sourceless("net.fast")
    True
    """
    top = name.replace(".", "_")
    renamed = f" with a module {top}" if top != name else ""
    instead = f" import {top} in place of {name}," if top != name else ""
    return (
        f"move it to a distribution of its own{renamed}, install that,{instead}"
        f' and leave it outside: extern("{top}.**")'
    )
