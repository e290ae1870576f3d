"""The environment of an artifact: recorded when it is built, made again where it is run."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import signal
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hermpkg_build.disk.replacing import hold_folder

if TYPE_CHECKING:
    from conftest import Outcome, Workspace

WHEEL = "words_lib-1.5-py3-none-any.whl"
INFO = "words_lib-1.5.dist-info"
LIBRARY = {
    "words_lib.py": "NAME = 'words'\n",
    f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: words-lib\nVersion: 1.5\n"
    "Requires-Dist: other; os_name == 'nt'\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{INFO}/RECORD": f"words_lib.py,,\n{INFO}/METADATA,,\n{INFO}/WHEEL,,\n{INFO}/RECORD,,\n",
}
MAIN = """
import os, sys, words_lib
from . import helper
if __name__ == "__main__":
    print(helper.TEXT, words_lib.NAME, os.path.dirname(words_lib.__file__), *sys.argv[1:], sep="|")
    sys.exit(7)
"""
BUILD = """
python_modules(name = "modules", srcs = glob(["**/*.py"]))
model_package(
    name = "art",
    modules = ["app.__main__"],
    deps = [":modules"],
    policy = [intern("app.**"), extern("**")],
)
"""


class Landing:
    """A workspace whose artifact needs a library, which is installed, and lies in a folder as a wheel."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.site = workspace.root.parent / "si te"
        self.wheels = workspace.root.parent / "wheels é"
        self.artifact = workspace.root / "hermpkg-out" / "app" / "art.pt"
        for path, text in LIBRARY.items():
            workspace.write(f"../si te/{path}", text)
        self.wheels.mkdir()
        with zipfile.ZipFile(self.wheels / WHEEL, "w") as file:
            for path, text in LIBRARY.items():
                file.writestr(path, text)
        self.digest = hashlib.sha256((self.wheels / WHEEL).read_bytes()).hexdigest()
        workspace.write("app/__init__.py", "")
        workspace.write("app/helper.py", "TEXT = 'packed'\n")
        workspace.write("app/__main__.py", MAIN)
        workspace.build_file(BUILD)
        self.lock()
        self.built = self.build()

    def lock(self, version: str = "1.5", more: str = "") -> None:
        wheel = WHEEL.replace("1.5", version)
        self.workspace.write(
            "pylock.toml",
            'lock-version = "1.0"\ncreated-by = "x"\n'
            f'[[packages]]\nname = "words-lib"\nversion = "{version}"\n'
            f'wheels = [{{url = "https://secret.example/{wheel}", hashes = {{sha256 = "{self.digest}"}}}}]\n'
            + more,
        )

    def run(self, *words: str, env: Mapping[str, str] | None = None, cwd: str = ".") -> Outcome:
        return self.workspace.run(*words, env=env, cwd=cwd)

    def build(self) -> Outcome:
        outcome = self.run("--json", "build", "//app:art", env={"PYTHONPATH": str(self.site)})
        assert outcome.code == 0, outcome.stderr
        return outcome

    def start(self, *words: str) -> Outcome:
        return self.run(
            "run", str(self.artifact), "--installer", "pip", "--find-links", str(self.wheels), *words
        )

    def environments(self) -> list[Path]:
        place = self.workspace.cache / "environments" / "v1"
        return sorted(place.iterdir()) if place.is_dir() else []


@pytest.fixture
def landing(workspace: Workspace) -> Landing:
    return Landing(workspace)


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory, make_workspace: type[Workspace]) -> Landing:
    """One whose environment is made."""
    folder = tmp_path_factory.mktemp("landed")
    workspace = make_workspace(folder / "workspace", folder / "ca che")
    workspace.write("pyproject.toml", "[tool.hermpkg]\n")
    landing = Landing(workspace)
    outcome = landing.start("--", "a", "--json")
    assert outcome.code == 7, outcome.stderr
    (environment,) = landing.environments()
    place = environment / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    assert outcome.stdout == f"packed|words|{place}|a|--json\n"
    return landing


def recorded(landing: Landing) -> str:
    with zipfile.ZipFile(landing.artifact) as file:
        return file.read("art/.data/hermpkg/pylock.toml").decode()


def test_an_artifact_records_what_its_externs_were_installed_from(landed: Landing) -> None:
    text = recorded(landed)
    assert landed.digest in text
    assert "secret" not in text
    assert landed.run("verify", str(landed.artifact), env={"PYTHONPATH": str(landed.site)}).code == 0
    assert landed.run("env", str(landed.artifact)).stdout == text
    lines = landed.run("env", str(landed.artifact), "--requirements").stdout.splitlines()
    assert lines[1:] == ["words-lib==1.5 \\", f"    --hash=sha256:{landed.digest}"]


def test_another_environment_is_told(landed: Landing) -> None:
    fits = landed.run("env", "--check", str(landed.artifact), env={"PYTHONPATH": str(landed.site)})
    assert (fits.code, "fits" in fits.stdout) == (0, True)
    missing = landed.run("--json", "env", "--check", str(landed.artifact))
    assert missing.code == 3
    (difference,) = missing.json["differences"]
    assert (difference["name"], difference["locked"], difference["installed"]) == ("words-lib", "1.5", "")


def test_modules_that_no_distribution_installs_are_named_and_looked_for(landing: Landing) -> None:
    site = {"PYTHONPATH": str(landing.site)}
    loose, maybe = (landing.workspace.write(f"../si te/{name}.py", "") for name in ("loose", "maybe"))
    source = "import loose\ntry:\n    import maybe\nexcept ImportError:\n    pass\n"
    landing.workspace.write("app/helper.py", source)
    landing.build()

    def check() -> tuple[int, list[str]]:
        outcome = landing.run("--json", "env", "--check", str(landing.artifact), env=site)
        assert outcome.json["differences"] == []
        return outcome.code, outcome.json["missing_modules"]

    told = landing.run("env", str(landing.artifact))
    assert [line for line in told.stderr.splitlines() if "loose, maybe" in line]
    assert landing.run("--json", "env", str(landing.artifact)).json["modules"] == ["loose", "maybe"]
    assert check() == (0, [])
    maybe.unlink()
    assert check() == (0, ["maybe"])
    loose.unlink()
    assert check() == (3, ["loose", "maybe"])


def test_a_module_that_is_not_where_its_distribution_is_does_not_fit(landing: Landing) -> None:
    """Its metadata is there, in the right version; what an import gives is nothing, or somebody else's."""
    loose = landing.workspace.write("../loose/words_lib.py", "NAME = 'other'\n")

    def check(*sites: Path) -> Outcome:
        path = os.pathsep.join(map(str, sites))
        return landing.run("--json", "env", "--check", str(landing.artifact), env={"PYTHONPATH": path})

    assert check(landing.site, loose.parent).code == 0
    shadowed = check(loose.parent, landing.site)
    assert (shadowed.code, shadowed.json["matches"], shadowed.json["differences"]) == (3, False, [])
    assert shadowed.json["moved_modules"] == [
        {"name": "words_lib", "locked": "words-lib", "installed": "", "path": str(loose.resolve())}
    ]
    (landing.site / "words_lib.py").unlink()
    gone = check(landing.site)
    assert (gone.code, gone.json["differences"], gone.json["missing_modules"]) == (3, [], ["words_lib"])


def test_another_python_does_not_fit(landing: Landing) -> None:
    other = landing.workspace.root / "other.pt"
    here = f'"python_version":"{sys.version_info[0]}.{sys.version_info[1]}.'.encode()
    with zipfile.ZipFile(landing.artifact) as before, zipfile.ZipFile(other, "w") as after:
        for name in before.namelist():
            after.writestr(name, before.read(name).replace(here, b'"python_version":"3.8.'))
    site = {"PYTHONPATH": str(landing.site)}
    told = landing.run("env", "--check", str(other), env=site)
    assert (told.code, told.stdout.startswith("Python  built with 3.8.")) == (3, True)
    python = landing.run("--json", "env", "--check", str(landing.artifact), env=site).json["python"]
    assert python["locked"] == python["installed"]


def test_an_artifact_that_needs_only_such_modules_names_them(workspace: Workspace) -> None:
    workspace.write("../site/loose.py", "")
    workspace.write("app/__main__.py", "import loose\n")
    workspace.build_file(BUILD)
    built = workspace.run("build", "//app:art", env={"PYTHONPATH": str(workspace.root.parent / "site")})
    assert built.code == 0, built.stderr

    told = workspace.run("env", "hermpkg-out/app/art.pt")

    assert (told.code, "does not record" in told.stderr, "loose" in told.stderr) == (1, True, True)


def test_the_next_command_can_be_pasted_whatever_the_file_is_called(landed: Landing) -> None:
    copy = shutil.copy(landed.artifact, landed.workspace.root / "it's my ä model.pt")
    outcome = landed.run("env", "--check", str(copy))
    assert outcome.code == 3
    (told,) = [line for line in outcome.stderr.splitlines() if "hermpkg run" in line]
    assert shlex.split(told.partition("hermpkg run ")[2]) == [str(copy)]


def test_only_relevant_edits_of_the_lock_make_anything_again(landing: Landing) -> None:
    before = landing.artifact.read_bytes()
    landing.lock(more='[[packages]]\nname = "stranger"\nversion = "1"\n')
    assert landing.build().statuses == {"//app:art": "up-to-date"}
    landing.digest = "0" * 64
    landing.lock()
    again = landing.build()
    assert again.statuses == {"//app:art": "built"}
    assert any("words-lib in the environment" in reason for reason in again.target["reasons"])
    assert landing.artifact.read_bytes() != before


def test_what_is_installed_counts_where_the_lock_disagrees(landing: Landing) -> None:
    landing.lock("1.6")
    outcome = landing.build()
    assert "words-lib: 1.5 is installed, the lock has 1.6" in outcome.stderr
    assert 'version = "1.5"' in recorded(landing)
    assert landing.digest not in recorded(landing)


@pytest.mark.parametrize(
    ("setting", "code", "told"),
    [
        ('environment = "off"', 0, ""),
        ('environment = "installed"', 0, "no hashes"),
        ('environment = "nothing.lock"', 2, "nothing.lock"),
        ("environment = 7", 2, "pyproject.toml:2"),
        ('environment = "/etc/passwd"', 2, "file of the workspace"),
        ('environment-urls = "yes"', 2, "true or false"),
        ("environment-urls = true", 0, ""),
    ],
)
def test_settings(landing: Landing, setting: str, code: int, told: str) -> None:
    landing.workspace.write("pyproject.toml", f"[tool.hermpkg]\n{setting}\n")
    outcome = landing.run("build", "//app:art", env={"PYTHONPATH": str(landing.site)})
    assert outcome.code == code, outcome.stderr
    assert told in outcome.stderr
    if code == 0:
        has_record = "art/.data/hermpkg/pylock.toml" in zipfile.ZipFile(landing.artifact).namelist()
        assert has_record == ("off" not in setting)
        assert ("secret" in recorded(landing)) == ("urls" in setting) if has_record else True


def test_a_target_has_a_lock_of_its_own(landing: Landing) -> None:
    landing.workspace.write("pyproject.toml", '[tool.hermpkg]\nenvironment = "off"\n')
    landing.workspace.build_file(
        BUILD.replace("modules = [", 'environment = "locks/uv gpu.toml", modules = [')
    )
    (landing.workspace.root / "app" / "locks").mkdir()
    absent = landing.run("build", "//app:art", env={"PYTHONPATH": str(landing.site)})
    assert absent.code == 1
    assert "//app:locks/uv gpu.toml" in absent.stderr
    os.rename(
        landing.workspace.root / "pylock.toml", landing.workspace.root / "app" / "locks" / "uv gpu.toml"
    )
    landing.build()
    assert landing.digest in recorded(landing)
    landing.workspace.write("app/locks/uv gpu.toml", "lock-version = '7'\n")
    wrong = landing.run("build", "//app:art", env={"PYTHONPATH": str(landing.site)})
    assert wrong.code == 2
    assert "app/locks/uv gpu.toml: the lock cannot be read" in wrong.stderr


def test_a_lock_found_by_name_that_cannot_be_read_is_told_and_passed_over(landing: Landing) -> None:
    landing.workspace.write("pylock.toml", "lock-version = '7'\n")
    outcome = landing.build()
    assert "pylock.toml is not used" in outcome.stderr
    assert 'version = "1.5"' in recorded(landing)


def test_what_a_lock_includes_counts_as_it_does(landing: Landing) -> None:
    (landing.workspace.root / "pylock.toml").unlink()
    landing.workspace.write("requirements.txt", "-r locks/all.txt\n")
    for digest in (landing.digest, "1" * 64):
        landing.workspace.write("locks/all.txt", f"words_lib==1.5 --hash=sha256:{digest}\n")
        landing.build()
        assert digest in recorded(landing)
    landing.workspace.write("requirements.txt", f"other==1 --hash=sha256:{landing.digest}\n-r locks/no.txt\n")
    assert "it includes locks/no.txt, which cannot be read" in landing.build().stderr
    landing.workspace.write("locks/no.txt", f"words_lib==1.5 --hash=sha256:{landing.digest}\n")
    landing.build()
    assert landing.digest in recorded(landing)


def test_the_environment_is_made_once(landed: Landing) -> None:
    (environment,) = landed.environments()
    state = (environment / "hermpkg-environment.json").stat().st_ino
    elsewhere = landed.run("run", str(landed.artifact), "--installer", "pip", env={"PIP_NO_INDEX": "1"})
    assert elsewhere.code == 7
    assert "making" not in elsewhere.stderr
    assert (environment / "hermpkg-environment.json").stat().st_ino == state


def test_the_program_is_alone_in_its_environment(landed: Landing) -> None:
    landed.workspace.write("../poison/words_lib.py", "raise SystemExit('poisoned')\n")
    outcome = landed.run(
        "run", str(landed.artifact), env={"PYTHONPATH": str(landed.workspace.root.parent / "poison")}
    )
    assert outcome.code == 7
    script = landed.workspace.write(
        "x y.py",
        "import sys, os, hermpkg_build\nprint(sys.argv[1:] == [os.environ['HERMPKG_ARTIFACT'], 'b'])\n"
        "import numpy\n",
    )
    outcome = landed.run("run", str(landed.artifact), "--script", str(script), "--", "b")
    assert outcome.stdout == "True\n"
    assert "No module named 'numpy'" in outcome.stderr
    assert outcome.code == 1


def test_signals_reach_the_program(landed: Landing) -> None:
    script = landed.workspace.write(
        "wait.py", "import sys, time\nprint('ready', flush=True)\ntime.sleep(100)\n"
    )
    process = landed.workspace.start("run", str(landed.artifact), "--script", str(script))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    kept = landed.run("cache", "gc", "--max-size", "0")
    assert landed.environments(), kept.stdout
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM


def test_a_prompt_has_the_artifact(landed: Landing) -> None:
    import subprocess

    ran = subprocess.run(
        landed.workspace.command("shell", str(landed.artifact)),
        input="print(imp.import_module('app.helper').TEXT)\n",
        env=landed.workspace.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "packed\n" in ran.stdout


def test_here_is_what_is_installed(landed: Landing) -> None:
    outcome = landed.run("run", "--here", str(landed.artifact), "a", env={"PYTHONPATH": str(landed.site)})
    assert (outcome.code, outcome.stdout) == (7, f"packed|words|{landed.site}|a\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-m", "app.nothing"], "packs no module 'app.nothing'"),
        (["-m", "app", "--script", "x.py"], "exclude each other"),
        (["--script", "nowhere.py"], "names no file"),
        (["--here", "--find-links", "."], "--here installs nothing"),
        (["--find-links", "nowhere"], "needs a folder of wheels"),
    ],
)
def test_what_cannot_be_run_is_told(landed: Landing, words: list[str], told: str) -> None:
    outcome = landed.run("run", str(landed.artifact), *words)
    assert outcome.code == 2
    assert told in outcome.stderr


def test_what_is_missing_is_told_before_anything_is_installed(landing: Landing) -> None:
    os.rename(landing.wheels / WHEEL, landing.wheels / WHEEL.replace("py3-none-any", "cp27-none-win32"))
    outcome = landing.start()
    assert outcome.code == 36
    assert f"words-lib 1.5: not in the folder: {WHEEL}" in outcome.stderr
    assert "making" not in outcome.stderr
    assert landing.environments() == []


def test_a_wheel_with_other_bytes_is_refused_and_nothing_is_left(landing: Landing) -> None:
    with zipfile.ZipFile(landing.wheels / WHEEL, "a") as file:
        file.writestr("more.py", "")
    outcome = landing.start()
    assert outcome.code == 36
    assert landing.digest in outcome.stderr
    assert landing.environments() == []


def test_what_a_killed_process_left_is_made_anew_by_one_of_two(landed: Landing) -> None:
    (environment,) = landed.environments()
    os.unlink(environment / "hermpkg-environment.json")
    shutil.rmtree(environment / "lib")
    words = ["run", str(landed.artifact), "--installer", "pip", "--find-links", str(landed.wheels)]
    processes = [landed.workspace.start(*words) for _ in range(2)]
    outcomes = [process.communicate(timeout=200) for process in processes]
    assert [process.returncode for process in processes] == [7, 7], outcomes
    assert sum("making" in stderr for _, stderr in outcomes) == 1
    assert landed.environments() == [environment]


def test_the_cache_shows_environments_and_removes_them(landed: Landing) -> None:
    shown = landed.run("--json", "cache").json
    (kind,) = (each for each in shown["kinds"] if each["kind"] == "environments of artifacts")
    assert kind["entries"] == 1
    assert kind["bytes"] > 1000
    assert landed.run("cache", "gc", "--max-size", "0").code == 0
    assert landed.environments() == []
    assert landed.start("--", "a", "--json").code == 7
    (environment,) = landed.environments()
    place = environment.parents[1]
    descriptor = hold_folder(str(environment))  # as a program that runs in it does
    assert descriptor is not None
    assert str(place) not in landed.run("--json", "clean", "--cache").json["removed"]
    assert landed.environments() == [environment]
    os.close(descriptor)
    removed = landed.run("--json", "clean", "--cache").json["removed"]
    assert (str(place) in removed, place.exists()) == (True, False)


def test_an_artifact_without_a_record_is_run_with_what_it_requires(landing: Landing) -> None:
    landing.workspace.write("pyproject.toml", '[tool.hermpkg]\nenvironment = "off"\n')
    landing.build()
    told = landing.run("env", str(landing.artifact))
    assert (told.code, "does not record an environment" in told.stderr) == (1, True)
    outcome = landing.start()
    assert outcome.code == 7, outcome.stderr
    assert "records no environment" in outcome.stderr


def test_what_a_policy_refuses_chooses_nothing_to_install(landing: Landing) -> None:
    policy = landing.workspace.write("../trust.toml", "require-trust = true\n")
    words = ["run", str(landing.artifact), "--installer", "pip", "--find-links", str(landing.wheels)]
    outcome = landing.run(*words, env={"HERMPKG_TRUST": str(policy)})
    assert outcome.code not in (0, 7)
    assert "making" not in outcome.stderr
    assert landing.environments() == []


def test_hashes_are_asked_for(landing: Landing) -> None:
    os.unlink(landing.workspace.root / "pylock.toml")
    assert "no hashes of words-lib" in landing.build().stderr
    assert "no hashes of words-lib" not in landing.build().stderr
    words = ["--resolve", "--installer", "pip", "--find-links", str(landing.wheels), "-o", "pylock.toml"]
    outcome = landing.run("--json", "env", str(landing.artifact), *words)
    assert outcome.code == 0, outcome.stderr
    landing.build()
    assert landing.digest in recorded(landing)
    assert json.loads(outcome.stdout)["distributions"][0]["name"] == "words-lib"
