"""The documentation tells the truth: the tutorial runs, the reference is whole, links lead somewhere."""

import re
import shlex
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from hermpkg_build.cli.arguments import own_options
from hermpkg_build.cli.command import CommonArguments
from hermpkg_build.cli.commands import command_names
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


@pytest.mark.parametrize(
    ("page", "least"),
    [
        ("tutorial/from-a-project.md", 4),
        ("tutorial/first-package.md", 6),
        ("how-to/mend-build-files.md", 1),
        ("how-to/load-a-file-from-a-stranger.md", 5),
        ("how-to/give-your-auditors-a-bill-of-materials.md", 2),
        ("how-to/run-it-elsewhere.md", 1),
    ],
)
def test_the_pages_that_can_be_followed(workspace, page, least):
    ran = 0
    for file, language, text in steps(DOCS / page):
        if file is not None:
            workspace.write(file, text)
        elif language == "console":
            run_console(workspace, text)
            ran += 1
    assert ran >= least


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


def maker(name: str):
    """The module that makes a page or parts of one."""
    spec = spec_from_file_location(name, DOCS / f"reference/{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name",
    [
        "make_artifact_json",
        "make_decisions",
        "make_events",
        "make_query",
        "make_remote_settings",
        "make_rules",
        "make_scan",
        "make_versions",
    ],
)
def test_pages_are_those_of_the_tables(name):
    made = maker(name)
    assert made.PAGE.read_text(encoding="utf-8") == made.page(), f"run python docs/reference/{name}.py"


def test_the_json_of_artifacts_has_the_fields_of_its_page(workspace):
    text = (DOCS / "reference/artifact-json.md").read_text(encoding="utf-8")
    sections = re.findall(r"^### (\w+)\n(.*?)(?=^##)", text, flags=re.MULTILINE | re.DOTALL)
    fields = {name: set(re.findall(r"^\| \*?`(\w+)`", body, flags=re.MULTILINE)) for name, body in sections}
    workspace.write_app().build("//app")
    value = workspace.run("inspect", "//app", "--json").json
    top = fields["Contents"] | fields["ArchiveTensors"] | {"groups", "needed", "edited"}
    assert value.keys() <= top
    assert {"records", "groups", "tensors", "needed", "edited"} <= value.keys()
    assert value["manifest"].keys() <= fields["Manifest"]
    for name, kind in (("records", "RecordFacts"), ("groups", "Group"), ("needed", "Needed")):
        for each in value[name]:
            assert each.keys() - {"status", "must_be_installed"} <= fields[kind]


def test_the_commands_and_options_are_those_of_the_tables():
    make_command_line = maker("make_command_line")
    text = make_command_line.PAGE.read_text(encoding="utf-8")
    assert text == make_command_line.page(text), "run python docs/reference/make_command_line.py"
    for name in command_names():
        assert f"\n### {name}\n" in text
    for option in own_options(CommonArguments):
        assert re.search(rf"^\| `[^`]*{option.names[0]}\b", text, flags=re.MULTILINE), option.names[0]


def test_a_stale_table_is_made_anew():
    make_command_line = maker("make_command_line")
    text = make_command_line.PAGE.read_text(encoding="utf-8")
    assert make_command_line.page(text.replace("| `-k, --keep-going` |", "| `-k, --keep-on` |")) == text
