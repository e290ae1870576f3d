"""The rules under a real Bazel, held to what our own engine makes of the same BUILD files."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.archive.reader import ArchiveReader

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
RULES = 'load("@hermpkg//rules:defs.bzl", "deny", "extern", "intern", "mock", "model", "model_package", '
RULES += '"package_test", "python_modules")\n'

APP_BUILD = (
    RULES
    + """
python_modules(
    name = "modules",
    srcs = glob(["*.py"], exclude = ["*_test.py", "made.py"]),
    resources = ["words.txt"],
    deps = [":more"],
)

python_modules(name = "more", srcs = ["made.py"], resources = ["größe.txt"])

model(
    name = "thing",
    factory = "app.factory:make",
    args = {
        "label": "größe ☃",
        "numbers": [1, 2.5, 1e300, 0.1, -3, 0.0, 12345678901234567890123],
        "nested": {"b": None, "a": True},
    },
    seed = 5000000000,
    deps = [":modules"],
)

model_package(
    name = "pack",
    out = "sub/pack-v1.pt",
    # The same model twice, in two spellings.
    models = {"model/a.pkl": ":thing", "model/b.pkl": "thing"},
    modules = ["app.extra"],
    policy = [
        mock("wandb.**"),
        intern(["app.**", "generated.**"], exclude = ["app.broken"]),
        extern("numpy.**", allow_empty = True),
        deny("**"),
    ],
    python_version = "3.11",
    requires = {"packaging": ">=20"},
    resources = {"res/one.txt": "words.txt", "res/two.txt": ":words.txt", "res/data.bin": "//data:blob.bin"},
    sources = {"generated.__init__": "", "generated.info": "NAME = 'grün'\\nPATH = \\"$HOME $(x)\\"\\n"},
    deps = [":modules"],
)

model_package(
    name = "open",
    modules = ["app.undecided"],
    policy = [intern("app.**")],
    deps = [":modules"],
    tags = ["manual"],
)

model(name = "nosy", factory = "app.nosy:make", deps = [":modules"], tags = ["manual"])

model(name = "undeclared", factory = "app.undeclared:make", deps = [":modules"], tags = ["manual"])

package_test(
    name = "pack_test",
    args = ["--x", "a b", "$HOME", "$(location x)", "é"],
    env = {"MODE": "fast $X"},
    main = "pack_test.py",
    package = ":pack",
    timeout = 30,
    data = [":words.txt", "//data:blob.bin"],
    deps = ["//helpers"],
)

package_test(name = "fails_test", main = "fails_test.py", package = ":pack", tags = ["manual"])

package_test(name = "flaky_test", main = "fails_test.py", package = ":pack", flaky = True, tags = ["manual"])

package_test(name = "slow_test", main = "slow_test.py", package = ":pack", timeout = 1, tags = ["manual"])
"""
)

FILES = {
    "pyproject.toml": '[tool.hermpkg]\nsource-roots = ["src", ""]\n',
    "src/app/BUILD": APP_BUILD,
    "src/app/__init__.py": "",
    "src/app/extra.py": "import app.made\n\ntry:\n    import wandb\nexcept ImportError:\n    wandb = None\n",
    "src/app/made.py": "VALUE = 1\n",
    "src/app/words.txt": "eins zwei é\n",
    "src/app/größe.txt": "12\n",
    "src/app/undecided.py": "import hypothesis\n",
    # In no artifact, and no obstacle to one.
    "src/app/broken.py": "def f(:\n",
    "src/app/factory.py": """
        import random
        from pathlib import Path

        from app import made

        class Thing:
            def __init__(self, options):
                self.options = options
                self.words = (Path(__file__).parent / "words.txt").read_text(encoding="utf-8")
                self.draw = random.random()

        def make(**options):
            return Thing(options)
        """,
    # Lies beside the modules and is named by no target.
    "src/app/secret.txt": "secret",
    "src/app/nosy.py": """
        from pathlib import Path

        def make():
            return (Path(__file__).parent / "secret.txt").read_text()
        """,
    "src/app/undeclared.py": "def make():\n    import helpers.helper\n    return {}\n",
    "src/app/pack_test.py": """
        import os
        import sys

        from helpers.helper import ANSWER
        from hermpkg_build import PackageImporter

        assert ANSWER == 42
        assert open("src/app/words.txt", encoding="utf-8").read() == "eins zwei é\\n"
        assert os.path.getsize("data/blob.bin") > 0
        print("only", os.environ.get("TESTBRIDGE_TEST_ONLY"))
        assert sys.argv[2:] == ["--x", "a b", "$HOME", "$(location x)", "é"], sys.argv
        assert os.environ["MODE"] == "fast $X"
        with PackageImporter(sys.argv[1]) as importer:
            thing = importer.load_pickle("model", "a.pkl")
        assert thing.options["label"] == "größe ☃", thing.options
        assert thing.words == "eins zwei é\\n"
        print("the words are", thing.words)
        """,
    "src/app/fails_test.py": "print('as it should')\nraise SystemExit(7)\n",
    "src/app/slow_test.py": "import time\ntime.sleep(60)\n",
    "helpers/BUILD": RULES
    + 'python_modules(name = "helpers", srcs = ["helper.py"], visibility = ["//src/app:__pkg__"])\n',
    "helpers/helper.py": "ANSWER = 42\n",
    "data/BUILD": 'exports_files(["blob.bin"])\n',
}
PACK = "src/app/sub/pack-v1.pt"
ROOTS = "--@hermpkg//rules:source_roots=src,"


@pytest.fixture(scope="module")
def built(shared: Any) -> Any:
    shared.write(FILES)
    (shared.root / "data" / "blob.bin").write_bytes(bytes(range(256)) * (1 << 13))
    shared.declare(workers=True)
    shared.write({".bazelrc": f"build --experimental_worker_allow_json_protocol {ROOTS}\n"})
    shared.build("//src/app:pack")
    return shared


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_everything_that_a_build_file_can_say_comes_to_the_same_bytes(built: Any) -> None:
    assert built.hermpkg("//src/app:pack") == {PACK: sha256(built.output(PACK))}


def test_outside_of_a_sandbox_too(built: Any) -> None:
    before = sha256(built.output(PACK))
    (built.root / "src/app/words.txt").write_text("changed\n")
    built.build("//src/app:pack")
    assert sha256(built.output(PACK)) != before
    (built.root / "src/app/words.txt").write_text(FILES["src/app/words.txt"], encoding="utf-8")
    built.build("//src/app:pack", "--spawn_strategy=local")
    assert sha256(built.output(PACK)) == before


def test_tests_pass_and_are_remembered(built: Any) -> None:
    first = built.bazel("test", "//src/app:pack_test", "--test_output=all")
    assert first.code == 0, first.said
    assert "the words are eins zwei é" in first.stdout
    again = built.bazel("test", "//src/app:pack_test")
    assert "(cached) PASSED" in again.stdout


def test_tests_can_be_run_by_hand_with_arguments(built: Any) -> None:
    ran = built.bazel("run", "//src/app:pack_test", "--", "more")
    assert ran.code != 0
    assert "AssertionError" in ran.said + ran.stdout
    assert "'more'" in ran.said + ran.stdout


def test_a_test_that_fails_says_what_it_printed(built: Any) -> None:
    outcome = built.bazel("test", "//src/app:fails_test", "--test_output=errors")
    assert outcome.code == 3
    assert "as it should" in outcome.stdout
    assert "//src/app:fails_test exited with code 7" in outcome.stdout


def test_a_flaky_test_is_tried_three_times(built: Any) -> None:
    outcome = built.bazel("test", "//src/app:flaky_test")
    assert outcome.code == 3, outcome.said
    assert "FAILED in 3 out of 3" in outcome.stdout + outcome.said


def test_tests_are_told_what_to_run(built: Any) -> None:
    outcome = built.bazel("test", "//src/app:pack_test", "--test_filter=Case.test_a", "--test_output=all")
    assert outcome.code == 0, outcome.said
    assert "only Case.test_a" in outcome.stdout + outcome.said


def test_a_test_that_takes_too_long_is_stopped(built: Any) -> None:
    outcome = built.bazel("test", "//src/app:slow_test", "--test_output=errors")
    assert outcome.code == 3
    assert "did not end within 1 s" in outcome.stdout


def test_only_what_changed_is_done_again(built: Any) -> None:
    made = built.root / "src/app/made.py"
    made.write_text(FILES["src/app/made.py"] + "# a comment\n")
    once = built.build("//src/app:pack", "--subcommands")
    assert once.ran == [
        "Analysing imports of src/app/made.py",
        "Assembling the artifact of //src/app:pack",
        "Making the model //src/app:thing",
    ]
    assert built.build("//src/app:pack", "--subcommands").ran == []
    made.write_text(FILES["src/app/made.py"])


def test_modules_are_analysed_by_a_worker(built: Any) -> None:
    made = built.root / "src/app/made.py"
    made.write_text(FILES["src/app/made.py"] + "# another comment\n")
    built.build("//src/app:pack", "--strategy=HermpkgAnalyse=worker")
    made.write_text(FILES["src/app/made.py"])


def test_what_is_not_declared_cannot_be_read(built: Any) -> None:
    outcome = built.bazel("build", "//src/app:nosy")
    assert outcome.code == 1
    assert "FileNotFoundError" in outcome.said
    local = built.bazel("build", "//src/app:nosy", "--spawn_strategy=local")
    assert "FileNotFoundError" in local.said


def test_what_is_not_declared_cannot_be_imported(built: Any) -> None:
    outcome = built.bazel("build", "//src/app:undeclared")
    assert outcome.code == 1
    assert "helpers.helper" in outcome.said


def test_what_the_policy_leaves_open_is_told_with_its_place(built: Any) -> None:
    outcome = built.bazel("build", "//src/app:open")
    assert outcome.code == 1
    assert "src/app/undecided.py:1" in outcome.said
    assert "hypothesis" in outcome.said


def test_modules_are_checked_when_they_are_what_is_built(built: Any) -> None:
    outcome = built.bazel("build", "//src/app:modules")
    assert outcome.code == 1
    assert "src/app/broken.py:1:7" in outcome.said


def test_the_graph_can_be_asked_for(built: Any) -> None:
    assert "//src/app:thing" in built.bazel("query", "deps(//src/app:pack)").stdout.split()
    kinds = built.bazel("query", "kind('^model_package rule$', //src/app:all)").stdout.split()
    assert sorted(kinds) == ["//src/app:open", "//src/app:pack"]
    asked = built.bazel("aquery", ROOTS, "--output=jsonproto", "deps(//src/app:pack)")
    mnemonics = [action["mnemonic"] for action in json.loads(asked.stdout)["actions"]]
    assert mnemonics.count("HermpkgAssemble") == 1
    assert mnemonics.count("HermpkgModel") == 1
    modules = [name for name in FILES if name.startswith("src/app/") and name.endswith(".py")]
    assert mnemonics.count("HermpkgAnalyse") == len([name for name in modules if "_test" not in name])


def test_generated_sources_are_modules_too(workspace: Any) -> None:
    workspace.declare()
    workspace.write(
        {
            "app/BUILD": RULES
            + """
genrule(
    name = "write",
    outs = ["version.py", "note.txt"],
    cmd = "for out in $(OUTS); do echo 'V = 1' > $$out; done",
)

python_modules(name = "modules", srcs = ["__init__.py", "version.py"], resources = ["note.txt"])

model_package(
    name = "app",
    modules = ["app.version"],
    policy = [intern("app.**"), deny("**")],
    deps = [":modules"],
)
""",
            "app/__init__.py": "",
        }
    )
    workspace.build("//app")
    with ArchiveReader(str(workspace.output("app/app.pt"))) as archive:
        assert archive.read("app/version.py") == b"V = 1\n"
        assert archive.read("app/note.txt") == b"V = 1\n"


def test_attributes_may_be_chosen_by_the_configuration(workspace: Any) -> None:
    workspace.declare()
    workspace.write(
        {
            "app/BUILD": RULES
            + """
config_setting(name = "optimized", values = {"compilation_mode": "opt"})

python_modules(
    name = "modules",
    srcs = select({":optimized": ["fast.py"], "//conditions:default": ["slow.py"]}),
)

model_package(
    name = "app",
    modules = select({":optimized": ["app.fast"], "//conditions:default": ["app.slow"]}),
    policy = [intern("app.**"), deny("**")],
    deps = [":modules"],
)
""",
            "app/fast.py": "",
            "app/slow.py": "",
        }
    )
    for mode, module in (("opt", "fast"), ("fastbuild", "slow")):
        workspace.build("//app", f"--compilation_mode={mode}")
        with ArchiveReader(str(workspace.output("app/app.pt"))) as archive:
            assert [name for name in archive.names() if name.endswith(".py")] == [f"app/{module}.py"]


def test_another_checkout_takes_everything_from_a_shared_cache(checkouts: Any, tmp_path: Path) -> None:
    digests = []
    # The tool is an input of every action, so both must have the same: a copy that nobody works on.
    for folder in ("hermpkg_build", "rules"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / folder, tmp_path / "hermpkg" / folder, ignore=ignored)
    (tmp_path / "hermpkg" / "WORKSPACE").touch()
    for checkout in checkouts:
        checkout.declare()
        checkout.write(
            {
                "app/BUILD": RULES
                + """
python_modules(name = "modules", srcs = glob(["*.py"]))

model(name = "thing", factory = "app.factory:make", deps = [":modules"])

model_package(
    name = "app",
    models = {"model/model.pkl": ":thing"},
    policy = [intern("app.**"), deny("**")],
    deps = [":modules"],
)
""",
                "app/factory.py": "class Thing:\n    pass\n\n\ndef make():\n    return Thing()\n",
            }
        )
        log = tmp_path / "log.json"
        checkout.build(
            "//app",
            f"--override_repository=hermpkg={tmp_path / 'hermpkg'}",
            f"--disk_cache={tmp_path / 'cache'}",
            "--remote_upload_local_results",
            f"--execution_log_json_file={log}",
        )
        digests.append(sha256(checkout.output("app/app.pt")))
    # What the second one left.
    spawns = log.read_text().count('"mnemonic"')
    hits = log.read_text().replace(" ", "").count('"remoteCacheHit":true')
    assert spawns == hits == 6
    assert digests[0] == digests[1]
