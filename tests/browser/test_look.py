"""The pages of `hermpkg look` in a real browser: clicks, search, keys, hostile names."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

by_hand = sys.modules["made_by_hand_for_pages"]


def texts(page, selector: str) -> list[str]:
    return page.run(f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.textContent)")


def row(page, start: str) -> None:
    """Click the row of the list whose first cell begins so."""
    page.run(
        "[...document.querySelectorAll('#list tbody tr')]"
        f".find((r) => r.firstChild.textContent.startsWith({json.dumps(start)})).click()"
    )


def test_bytes_go_from_everything_to_one_tensor(open_page, small):
    page = open_page(small)
    assert texts(page, "h1") == ["net"]
    assert page.run("document.querySelector('#chart').clientHeight > 200")
    for name in ("tensors", "model/model.pkl", "weight"):
        row(page, name)
    details = page.run("document.querySelector('#details').textContent")
    assert "float32[20, 3]" in details
    assert ".data/0.storage" in details
    assert "view" in details  # It lies in the same storage.
    page.press("u")
    page.press("u")
    assert texts(page, "#crumbs .link") == ["everything"]
    assert page.problems() == []
    assert all(url.startswith(("file:", "data:")) for url in page.requests())


def test_a_click_on_the_map_opens_what_is_there(open_page, small):
    page = open_page(small)
    page.wait("document.querySelector('#chart').firstChild !== null")
    page.click("#chart")
    assert texts(page, "#details h2") != []
    assert len(texts(page, "#crumbs .link")) >= 1
    assert page.problems() == []


def test_a_module_shows_the_imports_that_lead_to_it(open_page, small):
    page = open_page(small)
    page.press("2")
    page.wait("document.querySelectorAll('#list tbody tr').length > 2")
    row(page, "numpy")
    details = page.run("document.querySelector('#details').textContent")
    assert "models/layers.py:3:5" in details
    assert "import numpy" in details
    assert "if it can" in details
    links = "[...document.querySelectorAll('#details .link')]"
    page.run(f"{links}.find((link) => link.textContent === 'models.layers').click()")
    assert texts(page, "#details h2") == ["models.layers"]
    assert "from models import layers" in page.run("document.querySelector('#details').textContent")
    row(page, "models")
    page.wait("[...document.querySelectorAll('#list tbody tr')].length > 4")
    assert page.problems() == []


def test_what_must_be_installed(open_page, small):
    page = open_page(small)
    page.press("3")
    assert [text.partition(" (")[0] for text in texts(page, "#list tbody tr td:first-child")] == [
        "numpy",
        "torch",
    ]
    assert "models.net" in texts(page, "#list tbody tr")[1]
    row(page, "torch")
    assert "models/net.py:1:1" in page.run("document.querySelector('#details').textContent")


def test_tables_are_sorted_by_their_heads(open_page, small):
    page = open_page(small)
    page.press("4")
    names = "#list tbody td:first-child"
    assert texts(page, names) == ["weight", "view", "bias"]
    page.click("#list th button")
    assert texts(page, names) == ["bias", "view", "weight"]
    page.click("#list th button")
    assert texts(page, names) == ["weight", "view", "bias"]
    assert "storage with 1 more" in texts(page, "#list tbody tr")[0]


def test_search_by_keys_alone(open_page, small):
    page = open_page(small)
    page.press("/")
    page.type("LAYERS")
    assert texts(page, "#details h2") == ["2 found"]
    page.press("Enter")
    assert texts(page, "#details h2") == ["models.layers"]
    page.press("Escape")
    assert page.run("document.querySelector('#search').value") == ""
    page.press("/")
    page.type("words")
    page.press("ArrowDown")
    assert page.run("document.activeElement.textContent") == "models/words.txt"


def test_light_and_dark(open_page, small):
    back = "getComputedStyle(document.body).backgroundColor"
    dark = open_page(small, dark=True).run(back)
    page = open_page(small)
    light = page.run(back)
    assert light != dark
    page.press("t")
    assert page.run(back) == dark
    page.press("t")
    assert page.run(back) == light


def test_what_changed(open_page, small):
    changed = {
        **small,
        ".data/1.storage": b"\0\0\x80\x3f" + bytes(4),
        "models/layers.py": b"x = 2\n",
        "models/new.py": b"import json\n",
    }
    page = open_page(small, changed)
    assert "tensors" in texts(page, "#list tbody td:first-child")
    page.press("2")
    assert texts(page, "#list tbody td:first-child") == ["bias"]
    assert texts(page, "#list tbody td:nth-child(3)") == ["1 of 2"]
    page.press("3")
    assert "x = 1" in texts(page, ".sides .minus")
    assert {"x = 2", "import json"} <= set(texts(page, ".sides .plus"))
    page.press("4")
    assert page.problems() == []


HOSTILE = '"><img src=x onerror="window.pwned=1"><b>&lt;b&gt;</b>'


def test_names_cannot_run_script(open_page, small):
    bad = HOSTILE.replace("/", "")
    tensors = {
        HOSTILE: by_hand.tensor(0, (2,)),
        "</script><script>window.pwned=1</script>": by_hand.tensor(0, (1,)),
    }
    records = {
        **small,
        "m/" + bad + ".pkl": by_hand.module(tensors),
        "<script>window.pwned=1<!--/x.py": b"import torch # <img src=x onerror=window.pwned=1>\n",
        f"{bad.replace('.', '')}.py": b"import torch\n",
        "a<b/c\u202etxt.exe": b"x",
    }
    page = open_page(records, root="<img src=x onerror=window.pwned=1>")
    for key in "1234":
        page.press(key)
        for number in range(page.run("document.querySelectorAll('#list tbody tr').length")):
            page.run(f"(document.querySelectorAll('#list tbody tr')[{number}] || document.body).click()")
        page.press(key)
    page.press("/")
    page.type("<")
    assert any("<img src=x" in text for text in texts(page, "#details .link"))
    assert page.run("document.querySelectorAll('img, b, #details script').length") == 0
    assert "\u202e" not in page.run("document.documentElement.outerHTML")
    changed = open_page(small, records, root="<b>")
    for key in "1234":
        changed.press(key)
    for each in (page, changed):
        assert each.run("window.pwned") is None
        assert each.problems() == []
        assert all(url.startswith(("file:", "data:")) for url in each.requests())


def test_the_policy_of_the_page_stops_what_gets_in_all_the_same(open_page, small):
    """The control of the test above: markup that does get into the page runs nothing and loads nothing."""
    page = open_page(small)
    page.run(f"document.body.insertAdjacentHTML('beforeend', {json.dumps(HOSTILE)})")
    page.run(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.pwned = 1'}))"
    )
    page.wait("document.images.length === 1")
    assert page.run("window.pwned") is None
    assert any("Content Security Policy" in problem for problem in page.problems())


def test_the_pictures_of_the_documentation_can_be_made(browser, tmp_path):
    path = Path(__file__).parents[2] / "docs" / "pictures" / "make_pictures.py"
    spec = importlib.util.spec_from_file_location("make_pictures", path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    pictures = list(made.make_pictures(browser, tmp_path))
    assert sorted(picture.name for picture in pictures) == sorted(p.name for p in path.parent.glob("*.png"))
    assert all(picture.stat().st_size > 5000 for picture in pictures)


def test_pages_with_little_in_them(open_page, small):
    empty, same = open_page({}), open_page(small, small)
    assert "the same bytes" in same.run("document.querySelector('#head').textContent")
    for page in (empty, same):
        for key in "1234":
            page.press(key)
        assert page.problems() == []


def test_packages_unfold_down_to_what_they_hold(open_page):
    """A folder that is all that is in another opens with it; every module is somewhere, once."""
    names = [f"lib/core/part{i}/m{j}" for i in range(3) for j in range(4)]
    page = open_page({f"{name}.py": b"import lib.core.part0.m0\n" for name in names})
    page.press("2")
    row(page, "lib")
    first = "#list tbody td:first-child"
    assert {"lib.core.part0", "lib.core.part1", "lib.core.part2"} <= set(texts(page, first))
    row(page, "lib.core.part1")
    shown = dict(zip(texts(page, first), map(int, texts(page, "#list tbody td:nth-child(2)")), strict=True))
    assert shown["lib.core.part1.m3"] == 1
    assert sum(count for name, count in shown.items() if name.startswith("lib")) >= len(names)
    page.click("#crumbs .link")
    assert "lib.core.part0" not in texts(page, first)
    assert page.problems() == []


def test_a_click_makes_no_more_than_what_is_seen_first(open_page):
    """How much a click builds does not grow with the artifact; the rest comes where it is scrolled to."""
    tensors = {f"w{i}": by_hand.tensor(i % 7, (2,), offset=2 * i) for i in range(2000)}
    storages = {f".data/{i}.storage": bytes(1 << 16) for i in range(7)}
    modules = {f"m{i}.py": f"import torch, m{i * 7 % 1000}\n".encode() for i in range(1000)}
    page = open_page({"model/model.pkl": by_hand.module(tensors), **storages, **modules})
    page.run(
        "window.made = 0; const really = document.createElement;"
        "document.createElement = function (...tag) { window.made++; return really.apply(this, tag); }; 0"
    )
    made = {}

    def settled(name: str) -> None:
        page.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        made[name] = page.run("window.made")
        page.run("window.made = 0")

    for key in "1234":
        page.press(key)
        settled(f"tab {key}")
        page.run("document.querySelectorAll('#list tbody tr')[0].click()")
        settled(f"first row of tab {key}")
    page.run("document.querySelectorAll('#list th button')[0].click()")
    settled("sort")
    page.press("/")
    page.type("1")
    settled("search")
    assert max(made.values()) < 700, made
    page.run("document.querySelector('#search').blur()")
    rows = "document.querySelectorAll('#list tbody tr').length"
    few = page.run(rows)
    page.run("document.querySelector('#view').scrollTop = 1e6")
    page.wait(f"{rows} > {few}")
    page.run("[...document.querySelectorAll('#list .link')].pop().click()")
    assert few + 400 <= page.run(rows) <= 2000
    assert page.problems() == []


def test_a_narrow_window_shows_all_of_it(open_page, small):
    page = open_page(small, width=360)
    for key in "1234":
        page.press(key)
        height = "document.querySelector('header').offsetHeight"
        assert page.run(height) < 240
        assert page.run("document.documentElement.scrollWidth") <= 360
        assert page.run("document.querySelector('#view').clientHeight") > 250
    page.press("/")
    page.type("weight")
    page.press("Enter")
    assert "float32[20, 3]" in page.run("document.querySelector('#details').textContent")


def test_tensors_and_records_without_bytes(open_page):
    tensors = {"none": by_hand.tensor(0, (0,)), "nor.this": by_hand.tensor(0, (3, 0))}
    page = open_page({"m/m.pkl": by_hand.module(tensors), ".data/0.storage": b"", "a/__init__.py": b""})
    for key in "1234":
        page.press(key)
    assert sorted(texts(page, "#list td:first-child")) == ["none", "nor.this"]
    page.run("document.querySelector('#list tbody tr').click()")
    assert "0 B" in texts(page, "#details td")
    page.press("1")
    row(page, "tensors")
    row(page, "m/m.pkl")
    row(page, "none")
    assert texts(page, "#details h2") == ["none"]
    assert page.problems() == []
