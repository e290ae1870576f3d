"""A model is made again also where its factory asked in ways that no audit event tells of."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build import PackageImporter

WAYS = {
    "status_of_entry": "sum(entry.stat().st_size for entry in os.scandir(folder))",
    "entries_are_entries": "[e.stat().st_size for e in os.scandir(folder) if isinstance(e, os.DirEntry)]",
    "fwalk": "[os.stat(n, dir_fd=fd).st_size for _, _, names, fd in os.fwalk(folder) for n in sorted(names)]",
    "status_in_open_folder": "os.stat('a.txt', dir_fd=os.open(folder, os.O_RDONLY)).st_size",
    "access_in_open_folder": "os.access('later.txt', os.R_OK, dir_fd=os.open(folder, os.O_RDONLY))",
    "link_in_open_folder": "os.readlink('link', dir_fd=os.open(folder, os.O_RDONLY))",
    "append_and_read": "read_all(open(path, 'a+'))",
    "open_or_create": "os.read(os.open(path, os.O_RDWR | os.O_CREAT), 100)",
    "hard_link": "[os.link(path, own + '/hard'), open(own + '/hard').read()]",
    "symbolic_link": "[os.symlink(path, own + '/soft'), open(own + '/soft').read()]",
    "link_to_folder": "[os.symlink(folder, own + '/all'), open(own + '/all/a.txt').read()]",
    "listing_by_link": "[os.symlink(folder, own + '/all2'), len(os.listdir(own + '/all2'))]",
    "attached_database": "attached(folder + '/x.sqlite')",
}
OF_PROCESSES = {
    "variable": "run(['sh', '-c', 'cat $FILE'], env={'FILE': path})",
    "variable_with_folder": "run(['sh', '-c', 'cat $FOLDER/*.txt'], env={'FOLDER': folder})",
    "folder_it_is_in": "run('cat *.txt', shell=True, cwd=folder)",
    "file_in_named_folder": "run([sys.executable, own + '/program.py', folder])",
    "file_beside": "run(['sh', '-c', 'cat $(dirname $0)/a.txt', folder + '/later.txt.in'])",
}
FACTORY = """
import os, sqlite3, subprocess, sys

def read_all(file):
    file.seek(0)
    return file.read()

def attached(path):
    database = sqlite3.connect(":memory:")
    database.execute("attach ? as other", [path])
    return database.execute("select * from other.t").fetchall()

def run(words, **options):
    return subprocess.run(words, capture_output=True, text=True, **options).stdout

def make(name, way):
    folder, own = {top!r} + "/" + name, os.environ["TMPDIR"]
    path = folder + "/a.txt"
    with open(own + "/program.py", "w") as file:
        file.write("import sys; print(open(sys.argv[1] + '/a.txt').read())")
    return eval(way)
"""


def write(folder: Path, text: str) -> None:
    (folder / "a.txt").write_text(text)
    (folder / "link").unlink(missing_ok=True)
    (folder / "link").symlink_to("a.txt" if text == "one" else "later.txt.in")
    with closing(sqlite3.connect(folder / "x.sqlite")) as database, database:
        database.execute("create table if not exists t (word text)")
        database.execute("insert into t values (?)", [text])
    if text != "one":
        (folder / "later.txt").write_text("")


@pytest.mark.parametrize("place", ["workspace", "elsewhere"])
def test_an_edit_shows_whatever_way_the_factory_asked(workspace: Any, tmp_path: Path, place: str) -> None:
    ways = {**WAYS, **OF_PROCESSES} if sys.platform == "linux" else dict(WAYS)
    if place == "elsewhere" or sys.platform != "linux":
        del ways["attached_database"]  # native code opens it, which Linux tells of in the workspace
    folders = {"workspace": workspace.root / "data", "elsewhere": tmp_path / "elsewhere"}
    rules = ['python_modules(name = "modules", srcs = ["factory.py"])\n']
    for name, way in ways.items():
        folder = folders[place] / name
        folder.mkdir(parents=True)
        write(folder, "one")
        (folder / "later.txt.in").write_text("")
        args = json.dumps({"name": name, "way": way})
        rules.append(
            f'model(name = "{name}_made", factory = "app.factory:make", deps = [":modules"], args = {args})\n'
            f'model_package(name = "{name}", models = {{"m/x.pkl": ":{name}_made"}}, policy = [deny("**")])\n'
        )
    workspace.build_file("".join(rules))
    workspace.write("app/factory.py", FACTORY.format(top=str(folders[place])))

    def made() -> dict[str, object]:
        workspace.build("//app/...")
        found: dict[str, object] = {}
        for name in ways:
            with PackageImporter(workspace.root / f"hermpkg-out/app/{name}.pt") as importer:
                found[name] = importer.load_pickle("m", "x.pkl")
        return found

    before = made()
    again = workspace.build("//app/...").statuses
    # To make a hard link changes the file's status, so that nothing of that is kept.
    assert [label for label, status in again.items() if status == "built"] == ["//app:hard_link_made"]
    for name in ways:
        write(folders[place] / name, "another text")
    after = made()
    assert [name for name in ways if after[name] == before[name]] == []
