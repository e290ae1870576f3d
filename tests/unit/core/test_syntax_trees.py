"""Trees are the same, and so are the warnings, however many threads parse at once."""

from __future__ import annotations

import ast
import gc
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from hermpkg_build.core.parsed_texts import literal_value, parse_expression
from hermpkg_build.core.syntax_trees import parse_module

DEEP = "".join(f"{' ' * depth}if x:\n" for depth in range(40)) + " " * 40 + "f(g(h(1)))\n"


@pytest.fixture
def frequent_collections() -> Iterator[None]:
    """Collections of garbage at every turn, each of which lets other threads run."""

    def let_others_run(phase: str, info: dict[str, int]) -> None:
        time.sleep(0)

    before = gc.get_threshold()
    gc.callbacks.append(let_others_run)
    gc.set_threshold(5)
    yield
    gc.set_threshold(*before)
    gc.callbacks.remove(let_others_run)


@pytest.mark.usefixtures("frequent_collections")
def test_threads_do_not_disturb_each_other() -> None:
    def parse(number: int) -> list[str]:
        tree, caught = parse_module(DEEP if number % 2 else "'\\d'\n", f"{number}.py")
        assert len(list(ast.walk(tree))) > (80 if number % 2 else 2)
        return [warning.filename for warning in caught]

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(parse, range(60)))
    assert told == [[] if number % 2 else [f"{number}.py"] for number in range(60)]


@pytest.mark.usefixtures("frequent_collections")
def test_threads_of_others_do_not_disturb() -> None:
    ended = threading.Event()

    def parse_without_the_lock() -> None:
        while not ended.is_set():
            with suppress(SystemError):
                ast.parse(DEEP)

    others = [threading.Thread(target=parse_without_the_lock) for _ in range(2)]
    for thread in others:
        thread.start()
    try:
        trees = [parse_module(DEEP)[0] for _ in range(20)]
    finally:
        ended.set()
        for thread in others:
            thread.join()
    assert len({ast.dump(tree) for tree in trees}) == 1


def test_an_expression() -> None:
    assert ast.unparse(parse_expression("f(1,2)")) == "f(1, 2)"


@pytest.mark.parametrize("source", ["def f(:\n", b"\xff", "x\0"])
def test_what_is_no_source(source: str | bytes) -> None:
    with pytest.raises((SyntaxError, ValueError)):
        parse_module(source)


@pytest.mark.parametrize("text", ["(" * 5_000, "-" * 50_000 + "1", "[" * 300 + "]" * 300])
def test_what_is_nested_too_deeply_is_a_syntax_error(text):
    with pytest.raises(SyntaxError):
        parse_expression(text)
    with pytest.raises(SyntaxError):
        parse_module(f"x = {text}")


@pytest.mark.parametrize("text", ["{[]: 1}", "x", "f()", "{1, []}", "1 + 'a'"])
def test_what_is_no_literal_has_no_value(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the words are the interpreter's
        literal_value(parse_expression(text))
