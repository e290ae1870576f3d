"""Builds the site of one version into a folder of that name, beside those of other versions.

    python docs/site/make.py [FOLDER]

FOLDER (default: ``site``) is what a server gives: ``index.html`` leads to the newest version,
``versions.json`` lists all, in the form of mike, which the theme reads. Folders of other versions stay as
they are.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>hermpkg</title>
<meta http-equiv="refresh" content="0; url={version}/index.html">
<a href="{version}/index.html">hermpkg {version}</a>
</html>
"""


def main(folder: Path) -> None:
    """Build the version of this checkout, strictly, and list it among the others."""
    version = this_version()
    folder.mkdir(parents=True, exist_ok=True)
    made = Path(
        tempfile.mkdtemp(prefix=f".{version}.", dir=folder)
    )  # aside: a site that fails changes nothing
    made.chmod(0o755)
    environment = {**os.environ, "HERMPKG_SITE_DIR": str(made.absolute()), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    try:
        code = subprocess.run(command, cwd=REPOSITORY, env=environment, check=False).returncode
        if code:
            sys.exit(code)
        # It counts from the root of the server, where no version lies: all its links lead nowhere.
        (made / "404.html").unlink(missing_ok=True)
        shutil.rmtree(folder / version, ignore_errors=True)
        made.rename(folder / version)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    versions = sorted((path.parent.name for path in folder.glob("[!.]*/index.html")), key=order, reverse=True)
    listed = [{"version": name, "title": name, "aliases": []} for name in versions]
    (folder / "versions.json").write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    (folder / "index.html").write_text(PAGE.format(version=versions[0]), encoding="utf-8")
    print(f"{folder / version / 'index.html'}: read it there, or by python -m http.server -d {folder}")


def this_version() -> str:
    """The version of this checkout, of its only source."""
    names: dict[str, str] = {}
    exec((REPOSITORY / "hermpkg_build/version.py").read_text(encoding="utf-8"), names)  # noqa: S102 -- ours
    return names["__version__"]


def order(version: str) -> tuple[bool, list[tuple[int, str]]]:
    """Sort versions by their numbers; what begins with none, such as ``dev``, comes last.

    >>> sorted(["0.10.0", "dev", "0.9.1"], key=order, reverse=True)
    ['0.10.0', '0.9.1', 'dev']
    """
    parts = [(int(part), "") if part.isdigit() else (-1, part) for part in version.split(".")]
    return parts[0][0] >= 0, parts


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "site"))
