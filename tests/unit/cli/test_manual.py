"""Pages for man say of each command what its help says, in the language of man."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from hermpkg_build.cli.commands import all_commands
from hermpkg_build.cli.main import main
from hermpkg_build.cli.manual import manual_page, overview_page

PAGES = {"": lambda: overview_page(all_commands())} | {
    command.name: lambda command=command: manual_page(command) for command in all_commands()
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_well_formed(name: str) -> None:
    page = PAGES[name]()
    lines = page.splitlines()
    assert lines[0].startswith(".TH HERMPKG")
    macros = {line.split()[0] for line in lines if line.startswith((".", "'"))}
    assert macros <= {".TH", ".SH", ".TP", ".PP", ".nf", ".fi"}
    assert "`" not in page
    assert page.isascii()
    groff = shutil.which("groff")
    if groff:
        made = subprocess.run(
            [groff, "-man", "-Tascii", "-ww", "-z"], input=page, capture_output=True, text=True, check=True
        )
        assert made.stderr == ""


def test_help_gives_the_page_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "--man", "build"]) == 0
    assert ".SH NAME\nhermpkg\\-build \\- Build" in capsys.readouterr().out
    assert main(["help", "--man"]) == 0
    assert "\\fBhermpkg-watch\\fR(1)" in capsys.readouterr().out


def test_the_options_for_remote_servers_are_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "build"]) == 0
    told = capsys.readouterr().out
    assert "--remote-cache" not in told
    assert "hermpkg help remote" in told
    assert main(["help", "remote"]) == 0
    assert "--remote-cache" in capsys.readouterr().out
