"""The documentation tells the truth: the tutorial runs, the reference is whole, links lead somewhere."""

import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

import hermpkg_build
from hermpkg_build import analyze, serving
from hermpkg_build.cli.arguments import own_options
from hermpkg_build.cli.command import CommonArguments
from hermpkg_build.cli.commands import command_names
from hermpkg_build.errors import ExitCode
from tests.e2e.followed_pages import follow, steps

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize(
    ("page", "least"),
    [
        ("tutorial/from-a-project.md", 4),
        ("tutorial/first-package.md", 6),
        ("how-to/mend-build-files.md", 1),
        ("how-to/ship-a-model.md", 1),
        ("how-to/load-a-file-from-a-stranger.md", 5),
        ("how-to/give-your-auditors-a-bill-of-materials.md", 2),
        ("how-to/run-it-elsewhere.md", 1),
    ],
)
def test_the_pages_that_can_be_followed(workspace, page, least):
    assert follow(DOCS / page, workspace) >= least


def test_the_reference_lists_every_exit_code():
    page = (DOCS / "reference/command-line.md").read_text(encoding="utf-8")
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", page, flags=re.MULTILINE)}
    assert listed == set(map(int, ExitCode))


PAGES = sorted(
    [*DOCS.rglob("*.md"), *DOCS.parent.glob("*.md"), *(DOCS.parent / "examples").rglob("README.md")]
)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("folder", ["tutorial", "how-to", "reference", "explanation"])
def test_each_page_is_linked_from_the_index_of_its_folder(folder):
    """The navigation of the site is made of these links."""
    links = re.findall(r"\]\(([\w.-]+\.md)\)", (DOCS / folder / "index.md").read_text(encoding="utf-8"))
    assert sorted({*links, "index.md"}) == sorted(path.name for path in (DOCS / folder).glob("*.md"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts and the site name them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_to_headings_that_are_there(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        assert anchor in anchors(page.parent / target if target else page), f"{target}#{anchor}"


PYTHON_PAGES = sorted((DOCS / "reference").glob("python-*.md"))


def test_each_public_name_has_its_place_among_the_python_pages():
    shown = re.findall(
        r"^::: (hermpkg_build\.[\w.]+)$", "".join(map(Path.read_text, PYTHON_PAGES)), re.MULTILINE
    )
    public = {f"hermpkg_build.{name}" for name in hermpkg_build.__all__ if not name.startswith("_")}
    public |= {f"hermpkg_build.serving.{name}" for name in vars(serving) if name[0].isupper()}
    public |= {
        f"hermpkg_build.analyze.{name}" for name in analyze.__all__ if name not in hermpkg_build.__all__
    }
    public |= {"hermpkg_build.serving.deploy"}
    public |= {f"hermpkg_build.integrations.{name}" for name in ("mlflow", "ray")}
    assert sorted(shown) == sorted(public)
    table = (DOCS / "reference/python.md").read_text(encoding="utf-8")
    for name in hermpkg_build.__all__:
        assert name.startswith("_") or f"[`{name}`]" in table, name


@pytest.mark.parametrize(
    "page", [page for page in PYTHON_PAGES if "```python" in page.read_text()], ids=lambda p: p.name
)
def test_the_examples_of_the_python_pages_run(page, tmp_path):
    code = "".join(text for _, language, text in steps(page) if language == "python")
    (tmp_path / "example.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "example.py"]
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr


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
