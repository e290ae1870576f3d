"""Sources for the scanner in C: it finds what the analysis in Python finds, and says valid of what parses."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from mutation.python_sources import other_source
from target import Attempt, Target

from hermpkg_build.core.parsed_texts import parses
from hermpkg_build.source.imports import analyse_in_python
from hermpkg_build.source.normal_form import SourceError, normal_form
from hermpkg_build.source.scanner import choose, is_certainly_valid, scanned_facts

_SOURCES = {
    "blocks": b'''"""Words: import a."""
from __future__ import annotations
import os, sys as system
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from a import b
elif not os.TYPE_CHECKING:
    import c
else:
    import d
try:
    import e
    if f:
        import g
except (KeyError, x.ImportError) as error:
    import h
else:
    import i
finally:
    import j
class A(B):
    import k
    async def l(self, m=(lambda: 1)):
        for n in o: pass
        else:
            import p
        with q as r, s:
            import t
match u:
    case {"a": [v]} if w:
        import x
while y:
    import z
''',
    "lexemes": rb'''# import a
__all__ = ["a", 'b',  # c
]
__all__ += ("d",)
from . import (a, b as c,  # d
    e)
from ..f.g import *
h = f"{i!r:>{j}} {{k}} {l['m']}" 'n' b"\x00" r'\d' """o
import p"""
q = [r for s in t
     if u
     else 1]; v = '\
w'
def x(): return 1 + \
    2
	# tab
import y  # z
''',
    "grammar": rb'''a = b, *c = d[1:2, ::3, e:] = [f, *g] if h else not i < j is not k not in l
m: n[o] = 0x1F + 1_0.5e-3j ** -p @ q // ~r << 2 or s and t
u.v += yield_(*w, x, y=1, *z, **a)
del b, c.d, e[0]
lambda f, /, g=1, *h, i, **j: (yield k)
@l.m(n for o in p if q)
async def r(s: t = 1, /, u: v = 2, *, w, **x: y) -> z:
    async with a as b, c as (d, e): await f
    async for g, *h in i: return {**j, 'k': l}, {m, *n}, {o: p for q in r}
    try: raise s from t
    except (u, v) as w: assert x, y; global z; pass
    else: yield from [a async for b in c if d if e]
    finally:
        if (f := g): yield *h, 1
        elif i: ...
        while j: break
class k(l, metaclass=m): n = b"o" rb'\d' ; p = f"{q!r:>{r}}{s=}{{" "\x41\n"
''',
}  # fmt: skip


def _seeds(_: Path) -> Mapping[str, bytes]:
    if not choose().extension:
        print(f"sources are read {choose().told}: nothing is compared", file=sys.stderr)
    return _SOURCES


def _broken_laws(data: bytes, _: Attempt) -> Iterator[str]:
    if is_certainly_valid(data) and not parses(data):
        yield "said to be valid, which the parser does not accept"
    try:
        source = normal_form(data)
    except SourceError:
        return
    found = scanned_facts(source)
    if found is None:
        return
    expected = analyse_in_python(data)
    if found != expected:
        yield f"found {found} and not {expected}"


TARGET = Target(seeds=_seeds, mutant=other_source, broken_laws=_broken_laws)
