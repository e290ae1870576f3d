"""TOML of strangers is parsed in bounded time, or refused."""

import pytest

from hermpkg_build.core.toml_text import NestedTooDeeplyError, parse_toml


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 100_000, ".".join(["a"] * 5_000) + " = 1", "[" + "a." * 9_000 + "a]"]
)
def test_what_is_nested_too_deeply_is_refused(text):
    with pytest.raises(NestedTooDeeplyError, match="nested too deeply"):
        parse_toml(text)


@pytest.mark.parametrize("data", [b"a = ", b"a = " + b"9" * 5_000, b"\xff = 1", b"a = 1\na = 2"])
def test_what_is_no_toml_is_refused(data):
    with pytest.raises(ValueError):  # noqa: PT011 - the words are the parser's
        parse_toml(data)


def test_texts_may_have_many_dots():
    assert parse_toml(f'a = "{"." * 9_000}"'.encode()) == {"a": "." * 9_000}
    assert parse_toml(b"\xef\xbb\xbf[a]\n") == {"a": {}}
