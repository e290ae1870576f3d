"""Changes Python sources by their lines and tokens, so that many stay plain and some almost do."""

from __future__ import annotations

import random
import re

from mutation.texts import other_text

_TOKEN = re.compile(rb"[ \t\f]+|\w+|\n|.", re.DOTALL)
_LINES = (
    *(
        b"import a",
        b"import a.b as c, d",
        b"from . import a",
        b"from ..a.b import c as d, e",
        b"from a import *",
    ),
    *(
        b"from a import (b, # c\n  d as e,\n)",
        b"from a import b, \\\n c",
        b"from a import TYPE_CHECKING as T",
        b"import a; import b",
    ),
    *(b"if TYPE_CHECKING:", b"elif not t.TYPE_CHECKING:", b"if (TYPE_CHECKING):", b"if x := TYPE_CHECKING:"),
    *(b"else:", b"else : import a", b"try:", b"except ImportError:", b"except (A, b.Exception) as e:"),
    *(b"except* A:", b"except:", b"finally:", b"for x in y:", b"while x:", b"with suppress(ImportError):"),
    *(b"async with x as y, z:", b"async def f():", b"def f(x=lambda: 1):", b"class A(b):", b"match x:"),
    *(
        b"case {'a': b}:",
        b"match = 1",
        b"case(x)",
        b"@x",
        b"pass",
        b"x = (",
        b")",
        b"x = [\nwhile\n]",
        b"'''",
    ),
    *(b'"""', b"__all__ = ['a', \"b\"]", b"__all__ += ('c',)", b"__all__ = ('a')", b"__all__.append('x')"),
    *(b"f'{x!r:>{w}}' f\"{y['z']}\"", b"rf'\\{x}'", b"f'''{\nx}'''", b"f'{x:'>10}'", b"'a\\\nimport b'"),
    *(
        b"x = 1 + \\\n  2",
        b"# '''",
        b"\\",
        b"__file__",
        b"x.__path__",
        b"import importlib",
        b"\f",
        b"\tpass",
        b"\xc3\xa9",
    ),
)
_PIECES = (
    *(
        b"(",
        b")",
        b"[",
        b"]",
        b"{",
        b"}",
        b"'",
        b'"',
        b"'''",
        b'"""',
        b"\\",
        b"#",
        b"\n",
        b" ",
        b"    ",
        b"\t",
    ),
    *(
        b":",
        b":=",
        b";",
        b",",
        b".",
        b"=",
        b"!",
        b"@",
        b"as",
        b"import",
        b"from",
        b"if",
        b"else",
        b"f",
        b"r",
        b"b",
    ),
    *(
        b"1",
        b"0x",
        b"lambda",
        b"in",
        b"not",
        b"TYPE_CHECKING",
        b"suppress",
        b"__all__",
        b"\xff",
        b"\xc2\xb5",
        b"\0",
    ),
)


def other_source(data: bytes, choose: random.Random) -> bytes:
    """Return the source `data` changed in a few places."""
    if choose.random() < 0.05:
        return other_text(data, choose)
    by_lines = choose.random() < 0.6
    parts = data.splitlines(keepends=True) if by_lines else _TOKEN.findall(data)
    for _ in range(choose.choice((1, 1, 2, 3, 6))):
        place, other = choose.randrange(len(parts) + 1), choose.randrange(len(parts) + 1)
        match choose.randrange(5):
            case 0:
                del parts[place : place + 1]
            case 1:
                parts[place:place] = parts[other : other + choose.choice((1, 1, 3))]
            case 2 if place < len(parts) and other < len(parts):
                parts[place], parts[other] = parts[other], parts[place]
            case 3 if by_lines and place < len(parts):
                parts[place] = b" " * choose.choice((0, 1, 4, 8)) + parts[place].lstrip(b" ")
            case _:
                parts.insert(place, _line(choose) if by_lines else choose.choice(_PIECES))
    return b"".join(parts)


def _line(choose: random.Random) -> bytes:
    return b" " * choose.choice((0, 0, 4, 8)) + choose.choice(_LINES) + b"\n"
