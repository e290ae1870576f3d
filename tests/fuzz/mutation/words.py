"""Names, lines and values that readers stumble over."""

from __future__ import annotations

from typing import Any

from hermpkg_build.archive.layout import MANIFEST

NAMES = (
    *(
        "../x.py",
        "a/../b",
        "/etc/x",
        "",
        ".",
        "a//b",
        "a\\b",
        "a\0b",
        "x" * 600,
        "y" * 5_000,
        "a/" * 300 + "x.py",
    ),
    *(
        "mod\x1b[31m.py",
        "line\nbreak.py",
        "\u202egnp.py",
        "fuzzed/util.py",
        "fuzzed/__init__.py",
        ".data/version",
    ),
    *(".data/0.storage", ".data/99.storage", "version", "byteorder", "top.txt", "größe/ä.py", MANIFEST),
)
LINES = (
    *(
        b"",
        b" ",
        b"torch",
        b"torch.nn",
        b"a." * 400 + b"a",
        b"x" * 5_000,
        b"\x1b[31mred",
        b"\xff\xfe",
        b"\0",
        b"6",
    ),
    *(b"11", b"-1", b"9" * 5_000, b"\xed\xa0\x80", "\u202e".encode(), b"a\rb", b"..", b"fuzzed", b"__main__"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 10**400, "", "x", "a" * 3_000, "\ud800", "\x1b[31m", "\u202e", [], {}, [[]]),
    *(
        ["x"],
        {"x": 1},
        ">=1",
        "9" * 5_000,
        "sha256",
        f"{'0' * 64}/0",
        "extern",
        "intern",
        "module",
        "storage",
    ),
)
