"""Hooks of MkDocs: navigation by the index pages, pages of files beside docs/, scripts of our own."""

from __future__ import annotations

import logging
import posixpath
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).resolve().parents[2]
SECTIONS = {
    "Tutorial": "tutorial/index.md",
    "How-to": "how-to/index.md",
    "Reference": "reference/index.md",
    "Explanation": "explanation/index.md",
    "Examples": "examples/index.md",
    "Project": "project/index.md",
}
"""The tabs, each by the page that links to all its pages in their order."""

PROJECT = {
    "project/changelog.md": "CHANGELOG.md",
    "project/contributing.md": "CONTRIBUTING.md",
    "project/security.md": "SECURITY.md",
    "project/code-of-conduct.md": ".github/CODE_OF_CONDUCT.md",
}
"""The pages about the project, by their files."""

SCRIPTS = {
    "assets/iframe-worker.js": "iframe-worker/shim/index.js",  # searches pages that no server gives
    "assets/mermaid.js": "mermaid/dist/mermaid.min.js",  # draws diagrams
}
"""The files of the site that come from the packages of npm beside the environment."""

LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
_FENCE = re.compile(r"^ *(`{3,}|~{3,})")
_WRITTEN = ("BUILD", "MODULE.bazel", "WORKSPACE", ".bzl", ".ipynb", ".json", ".py", ".sh", ".toml", ".txt")
_WRITTEN += (".bazelrc", ".yaml", ".yml")
_HIDDEN = (".bazelrc", ".gitlab-ci.yml", ".pre-commit-config.yaml")
_MADE = re.compile(r"bazel-.*|hermpkg-out|build|dist|__pycache__|\..*|.*\.egg-info")
_LANGUAGES = {"BUILD": "starlark", "MODULE.bazel": "starlark", "WORKSPACE": "starlark", ".bzl": "starlark"}
_LONGEST = 20_000

logger = logging.getLogger("mkdocs.hooks.hermpkg")


@event_priority(100)  # before the plugin `offline` asks the web for its script
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Do without what npm has not brought: searches without a server, and drawn diagrams."""
    missing = [name for name in SCRIPTS if not _script(name).exists()]
    if missing:
        logger.info("without npm, these are left out: %s", ", ".join(missing))
    if "assets/iframe-worker.js" in missing:
        config.plugins["material/offline"].config["enabled"] = False
        config.extra["polyfills"] = []
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of files that lie beside docs/, and read the navigation from the index pages."""
    for name in SCRIPTS:
        if _script(name).exists():
            files.append(File.generated(config, name, abs_src_path=str(_script(name))))
    pages = {**dict(_project_pages()), **dict(_example_pages())}
    pages |= {_file_page(name): _shown(REPOSITORY / name, name) for name in _linked_files(pages, files)}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    config.nav = list(_navigation(files))
    return files


def on_page_markdown(markdown: str, page: Page, **_given: Any) -> str:
    """Turn links to files of the repository into links to their pages."""
    place = page.file.src_uri
    if place.startswith("files/"):
        return markdown
    return _relinked(markdown, lambda target: _link(place, target))


def on_post_page(output: str, page: Page, **_given: Any) -> str:
    """Give a page with diagrams the script that draws them, before the theme would fetch it from the web."""
    if 'class="mermaid"' not in output:
        return output
    if not _script("assets/mermaid.js").exists():
        return output.replace('<pre class="mermaid">', "<pre>")
    src = "../" * page.url.count("/") + "assets/mermaid.js"
    return re.sub(
        r"(<script src=\"[^\"]*assets/javascripts/bundle)", rf'<script src="{src}"></script>\1', output
    )


def original(name: str) -> str:
    """Name the file of the repository that a page of the site shows.

    >>> original("examples/vision.md"), original("how-to/index.md"), original("project/changelog.md")
    ('examples/vision/README.md', 'docs/how-to/index.md', 'CHANGELOG.md')
    >>> original("files/dot.gitlab/verify.yml.md")
    '.gitlab/verify.yml'
    """
    folder, _, rest = name.partition("/")
    if name == "examples/index.md":
        return "examples/README.md"
    if folder == "examples":
        return f"examples/{rest.removesuffix('.md')}/README.md"
    if folder == "files":
        return re.sub(r"(^|/)dot\.", r"\1.", rest.removesuffix(".md"))
    return PROJECT.get(name, f"docs/{name}")


def shown(path: str) -> str:
    """Name the page of the site that shows a file or folder of the repository.

    >>> shown("examples/vision"), shown("docs/how-to/index.md"), shown("CHANGELOG.md"), shown("action.yml")
    ('examples/vision.md', 'how-to/index.md', 'project/changelog.md', 'files/action.yml.md')
    """
    pages = {file: page for page, file in PROJECT.items()}
    if path in pages:
        return pages[path]
    if path == "README.md":
        return "index.md"
    if path in ("examples", "examples/README.md"):
        return "examples/index.md"
    example = re.fullmatch(r"examples/([^/]+)(/README\.md)?", path)
    if example and (REPOSITORY / "examples" / example[1]).is_dir():
        return f"examples/{example[1]}.md"
    return path.removeprefix("docs/") if path.startswith("docs/") else _file_page(path)


def _link(place: str, target: str) -> str:
    if "://" in target or target.startswith(("mailto:", "/")):
        return target
    path = posixpath.normpath(posixpath.join(posixpath.dirname(original(place)), target))
    if not (REPOSITORY / path).exists():
        return target  # MkDocs tells of it.
    return posixpath.relpath(shown(path), posixpath.dirname(place))


def _relinked(markdown: str, change: Callable[[str], str]) -> str:
    fence = ""
    lines = []
    for line in markdown.split("\n"):
        mark = _FENCE.match(line)
        if mark and (not fence or line.strip() == fence):
            fence = "" if fence else mark[1]
        elif not fence:
            line = LINK.sub(lambda found: f"{found[1]}{change(found[2])}{found[3] or ''}{found[4]}", line)
        lines.append(line)
    return "\n".join(lines)


def _linked_files(pages: dict[str, str], files: Files) -> Iterator[str]:
    """Name the files of the repository that pages link to and that have no page yet."""
    named: set[str] = set()
    sources = {**pages, **{file.src_uri: file.content_string for file in files.documentation_pages()}}
    for place, text in sources.items():
        _relinked(text, lambda target, place=place: named.add(_link(place, target)) or target)
        for target in list(named):
            name = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
            if name.startswith("files/"):
                yield original(name)
        named.clear()


def _project_pages() -> Iterator[tuple[str, str]]:
    there = {page: REPOSITORY / name for page, name in PROJECT.items() if (REPOSITORY / name).exists()}
    rows = [f"- [{_title(file)}]({posixpath.basename(page)})" for page, file in there.items()]
    yield "project/index.md", "\n".join(["# The project", "", *rows, ""])
    for page, file in there.items():
        yield page, file.read_text(encoding="utf-8")


def _example_pages() -> Iterator[tuple[str, str]]:
    folder = REPOSITORY / "examples"
    yield "examples/index.md", (folder / "README.md").read_text(encoding="utf-8")
    for readme in sorted(folder.glob("*/README.md")):
        parts = [readme.read_text(encoding="utf-8").rstrip("\n"), "## All its files"]
        parts += [_detail(path, str(path.relative_to(readme.parent))) for path in _files_of(readme.parent)]
        yield shown(f"examples/{readme.parent.name}"), "\n\n".join(parts) + "\n"


def _files_of(folder: Path) -> Iterator[Path]:
    """List what an example has that people wrote, and not what builds have made."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if any(map(_MADE.fullmatch, parts)) and path.name not in _HIDDEN:
            continue
        if path.name.endswith(_WRITTEN) and path.is_file() and path.stat().st_size <= _LONGEST:
            yield path


def _detail(path: Path, name: str) -> str:
    body = _fenced(path).replace("\n", "\n    ")
    return f'??? note "{name}"\n\n    {body}'


def _shown(path: Path, name: str) -> str:
    if path.is_dir():
        body = "\n".join(
            f"- `{each.name}`" for each in sorted(path.iterdir()) if not each.name.startswith("_")
        )
    else:
        body = _fenced(path)
    return f"---\nsearch:\n  exclude: true\n---\n\n# {name}\n\n{body}\n"


def _fenced(path: Path) -> str:
    language = _LANGUAGES.get(path.name) or _LANGUAGES.get(path.suffix) or path.suffix.lstrip(".") or "text"
    language = {"ipynb": "json", "yml": "yaml", "txt": "text"}.get(language, language)
    text = path.read_text(encoding="utf-8").rstrip("\n")
    fence = "`" * max(3, *(len(found) + 1 for found in re.findall(r"^ *(`{3,})", text, re.MULTILINE)), 3)
    return f"{fence}{language}\n{text}\n{fence}"


def _file_page(path: str) -> str:
    visible = re.sub(r"(^|/)\.", r"\1dot.", path)  # MkDocs leaves out what begins with a dot.
    return f"files/{visible}.md"


def _navigation(files: Files) -> Iterator[dict[str, Any]]:
    yield {"Home": "index.md"}
    for name, index in SECTIONS.items():
        file = files.get_file_from_path(index)
        assert file is not None, f"there is no {index}"
        pages: list[Any] = [index]
        for heading, links in _groups(file.content_string):
            found = [
                page for page in map(partial(_page_in, posixpath.dirname(index)), links) if page != index
            ]
            there = [page for page in dict.fromkeys(found) if files.get_file_from_path(page)]
            if heading and there:
                pages.append({heading: there})
            else:
                pages.extend(there)
        yield {name: pages}


def _groups(text: str) -> Iterator[tuple[str, list[str]]]:
    """Give the links of an index page below each of its headings, the first of which is none."""
    for part in re.split(r"^## ", f"\n{text}", flags=re.MULTILINE):
        heading, _, body = part.partition("\n")
        yield heading, [link[2] for link in LINK.finditer(body)]


def _page_in(folder: str, link: str) -> str:
    """Name the page that an index in `folder` links to."""
    page = posixpath.normpath(posixpath.join(folder, link.removesuffix("/README.md")))
    return page if page.endswith(".md") else f"{page}.md"


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _script(name: str) -> Path:
    return Path(sys.prefix) / "node_modules" / SCRIPTS[name]
