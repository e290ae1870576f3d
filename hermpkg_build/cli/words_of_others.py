"""What does here what people know by other words from other build tools."""

from __future__ import annotations

from collections.abc import Mapping

ANSWERS: Mapping[str, str] = {
    "graph dependencies dependents deps rdeps paths uquery cquery aquery targets list peek filedeps": (
        'hermpkg query "deps(//folder:target)" says what depends on what, with --output graph as a graph;'
        " hermpkg why //folder:target MODULE shows the chain of imports"
    ),
    "fmt format lint check tidy tailor gazelle update-build-files buildifier": (
        "hermpkg fix mends BUILD files and adds what they lack; to format others, run buildifier"
    ),
    "run exec repl shell install": (
        "hermpkg test runs programs with an artifact; elsewhere, open it: hermpkg_build.PackageImporter(FILE)"
    ),
    "package export bundle dist archive save": "hermpkg build //folder:target writes the artifact",
    "publish upload deploy": "hermpkg push FILE oci://REGISTRY/REPOSITORY:TAG puts it into a registry",
    "download fetch get": "hermpkg pull oci://REGISTRY/REPOSITORY:TAG writes the artifact there to a file",
    "load open show view print cat dump explore": (
        "hermpkg inspect FILE says what an artifact holds, hermpkg look FILE shows it as a page"
    ),
    "coverage bench benchmark tests": "hermpkg test //... runs the package_test targets",
    "generate-lockfiles freeze pin lockfile": "hermpkg lock writes down what artifacts are",
    "new create setup start scaffold": "hermpkg init makes a workspace of a project as it is",
    "repair mend autofix migrate update upgrade": "hermpkg fix mends BUILD files",
    "explain what-ran what-up log rage analyze-profile": "hermpkg build --explain says what ran, and why",
    "shutdown kill server daemon": "there is no daemon: nothing runs between builds",
    "config status root roots env version-info": "hermpkg info shows the workspace and the versions",
    "gc prune expunge cleanup": (
        "hermpkg clean removes the workspace's outputs, hermpkg cache gc makes the cache smaller"
    ),
    "bom spdx cyclonedx licenses licences license licence licensing": (
        "hermpkg sbom FILE writes a bill of materials, hermpkg sbom --licenses FILE lists licences"
    ),
    "compare": "hermpkg diff A B compares artifacts",
    "rebuild reproduce": "hermpkg verify --rebuild builds again under other conditions, and compares",
}
"""Next steps, by the words that they answer, with blanks between these."""


def answer_to(word: str) -> str:
    """The next step for a command that another tool has; "" where none is known.

    >>> answer_to("explain")
    'hermpkg build --explain says what ran, and why'
    """
    return next((step for words, step in ANSWERS.items() if word in words.split()), "")
