"""The documentation tells the truth: the tutorial runs, the reference is whole, links lead somewhere."""

import re
import shlex
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from hermpkg_build.cli.main import COMMANDS, GLOBAL_OPTIONS, load
from hermpkg_build.cli.remote import REMOTE_OPTIONS
from hermpkg_build.errors import ExitCode

DOCS = Path(__file__).resolve().parents[2] / "docs"

# A file is announced by its name on a line of its own, followed by a block that is its text.
STEP = re.compile(
    r"(?:^`(?P<file>[\w./]+)`:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


def steps(page: Path):
    """The (file, language, text) of each block of a page, in order."""
    for match in STEP.finditer(page.read_text(encoding="utf-8")):
        yield match["file"], match["language"], match["text"]


def loosely(expected: str) -> re.Pattern[str]:
    """A pattern for output in which ``...`` stands for anything, and blanks for any blanks."""
    parts = [r"\s+".join(map(re.escape, part.split())) for part in expected.split("...")]
    return re.compile(r"\s*" + r"[\s\S]*?".join(rf"\s*{part}\s*" for part in parts) + r"\s*")


def run_console(workspace, text: str) -> None:
    """Run the commands of a console block and compare what they print."""
    for entry in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, expected = entry.partition("\n")
        program, *words = shlex.split(line)
        assert program == "hermpkg"
        outcome = workspace.run(*words)
        shown = outcome.stdout + ("" if outcome.stdout else outcome.stderr)
        assert loosely(expected).fullmatch(shown), f"{line}\n{outcome.stdout}\n{outcome.stderr}"


def test_the_first_package(workspace):
    ran = 0
    for file, language, text in steps(DOCS / "tutorial/first-package.md"):
        if file is not None:
            workspace.write(file, text)
        elif language == "console":
            run_console(workspace, text)
            ran += 1
    assert ran >= 6


def test_the_reference_lists_every_command_and_option():
    page = (DOCS / "reference/command-line.md").read_text(encoding="utf-8")
    commands = page.partition("\n## Remote servers\n")[0]
    sections = re.split(r"^### ", commands, flags=re.MULTILINE)
    for option in GLOBAL_OPTIONS:
        for name in option.names:
            assert f"`{name}" in sections[0], name
    for command in COMMANDS:
        section = next(
            (text for text in sections[1:] if command in text.partition("\n")[0].split(", ")), None
        )
        assert section is not None, command
        named = set(re.findall(r"`(--?[\w-]+)", section))
        own = [option for option in load(command).options if option not in REMOTE_OPTIONS]
        assert named >= {name for option in own for name in option.names}


def test_the_reference_lists_every_exit_code():
    page = (DOCS / "reference/command-line.md").read_text(encoding="utf-8")
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", page, flags=re.MULTILINE)}
    assert listed == set(map(int, ExitCode))


@pytest.mark.parametrize(
    "page", sorted([*DOCS.rglob("*.md"), DOCS.parent / "README.md"]), ids=lambda p: p.name
)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("name", ["make_rules", "make_remote_settings"])
def test_pages_are_those_of_the_tables(name):
    spec = spec_from_file_location(name, DOCS / f"reference/{name}.py")
    maker = module_from_spec(spec)
    spec.loader.exec_module(maker)
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page(), f"run python docs/reference/{name}.py"
