"""Two distributions of one package: each file is in one, what loads needs no more, versions in step."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

import hermpkg_build
from hermpkg_build.errors import ExitCode
from hermpkg_build.exporter.package_exporter import PackageExporter
from tests.release_programs import PROGRAMS, release_programs

REPOSITORY = Path(__file__).resolve().parents[2]
VERSION = hermpkg_build.__version__
LARGEST_WHEEL = 300_000
NAMES = ("hermpkg_runtime", "hermpkg_build")
MISSING = "is a part of hermpkg-build, and only hermpkg-runtime is installed, which loads artifacts"
RELEASED_AT = "315532800"


@pytest.fixture(scope="module")
def program():
    with release_programs() as importing:
        yield importing


@pytest.fixture(scope="module")
def split(program):
    return program("split")


@pytest.fixture(scope="module")
def checkout_files(program):
    return program("checkout_files")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The folder with what `make dist` makes."""
    folder = tmp_path_factory.mktemp("dist")
    completed = subprocess.run(
        [sys.executable, str(PROGRAMS / "make.py"), str(folder)], capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return folder


@pytest.fixture(scope="module")
def alone(made, tmp_path_factory) -> Path:
    """A folder with hermpkg-runtime and the one distribution that it needs, as pip installs them."""
    folder = tmp_path_factory.mktemp("runtime alone")
    with zipfile.ZipFile(wheel_of(made, "hermpkg_runtime")) as wheel:
        wheel.extractall(folder)
    link_installed(folder, "packaging")
    return folder


@pytest.fixture(scope="module")
def artifact(tmp_path_factory) -> Path:
    """An artifact without tensors: a module, a pickle of its class, and a text."""
    path = tmp_path_factory.mktemp("artifact") / "own.pt"
    with PackageExporter(path) as exporter:
        exporter.save_source_string("own", "import json\n\ndef say(x):\n    return json.dumps(x)\n")
        exporter.extern("json")
        exporter.save_pickle("data", "numbers.pkl", {"one": [1, 2, 3]})
        exporter.save_text("data", "words.txt", "two words")
    return path


def wheel_of(folder: Path, name: str) -> Path:
    return folder / f"{name}-{VERSION}-py3-none-any.whl"


def link_installed(folder: Path, *names: str) -> None:
    """Make distributions of this environment look installed in `folder`."""
    for name in names:
        distribution = metadata.distribution(name)
        for top in {Path(str(file)).parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            (folder / top).symlink_to(Path(str(distribution.locate_file(top))).resolve())


def recorded(wheel: Path) -> set[str]:
    """The files that the wheel's RECORD lists, without its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".dist-info/RECORD")]
        lines = archive.read(name).decode().splitlines()
    files = {line.rsplit(",", 2)[0] for line in lines}
    return {file for file in files if ".dist-info/" not in file}


def python(
    folder: Path, code: str, *words: str, start: tuple[str, ...] = ("-c",)
) -> subprocess.CompletedProcess:
    """Run Python with what is in `folder` and the standard library."""
    environ = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-S", *start, code, *words],
        env=environ,
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )


# What is in which.


def test_each_file_is_in_one_of_them_and_all_are_the_tree(made):
    runtime, build = (recorded(wheel_of(made, name)) for name in NAMES)
    assert not runtime & build
    tree = {file for file in files_by_git(REPOSITORY) if file.startswith("hermpkg_build/")}
    own = {"hermpkg_build/BUILD", "hermpkg_build/runtime/pyproject.toml", "hermpkg_build/runtime/README.md"}
    elsewhere = tuple(
        f"hermpkg_build/{own}/" for own in ("runtime/distribution", "source/native", "pickles/native")
    )
    assert runtime | build == {file for file in tree - own if not file.startswith(elsewhere)}


def files_by_git(folder: Path) -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode or not (folder / ".git").exists():
        pytest.skip("this is no git checkout")
    return {file for file in listed.stdout.split("\0") if file and (folder / file).is_file()}


def test_the_files_of_a_checkout_are_those_of_git(checkout_files):
    assert set(checkout_files.checkout_files(REPOSITORY)) == files_by_git(REPOSITORY)


def test_patterns_of_a_gitignore_mean_what_they_mean_to_git(checkout_files, tmp_path):
    patterns = [
        "# said",
        "",
        "/top/",
        "/a/*/b/",
        "/a/**/deep/",
        "*.egg-info/",
        "*.py[co]",
        "odd-*",
        "x?z",
        "in/it",
    ]
    (tmp_path / ".gitignore").write_text("\n".join(patterns) + "\n")
    folders = ["", "top", "in/top", "a/b", "a/c/b", "a/c/d/b", "a/deep", "a/c/d/deep", "in/it", "o/in/it"]
    folders += ["n.egg-info", "a/n.egg-info", "odd-one", "a/odd-", "xyz", "x/z", "sub/.git.d"]
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for folder in folders:
        for name in ("plain.py", "m.pyc", "n.egg-info", "odd-name", "xyz", "with space", "ü"):
            if not (tmp_path / folder / name).exists():
                (tmp_path / folder / name).touch()
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / ".gitignore").write_text("# Made by a tool.\n*\n")
    (cache / "kept.json").touch()
    found = set(checkout_files.checkout_files(tmp_path))
    assert found == files_by_git(tmp_path)
    assert len(found) > 20


@pytest.mark.parametrize("pattern", ["!kept", "a\\ b"])
def test_patterns_that_are_not_known_are_refused(checkout_files, tmp_path, pattern):
    (tmp_path / ".gitignore").write_text(f"{pattern}\n")
    with pytest.raises(checkout_files.UnreadableCheckoutError, match="only patterns without"):
        list(checkout_files.checkout_files(tmp_path))


def test_a_link_is_no_file_of_a_checkout(checkout_files, tmp_path):
    (tmp_path / ".gitignore").touch()
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(checkout_files.UnreadableCheckoutError, match="link is neither"):
        list(checkout_files.checkout_files(tmp_path))


def test_the_runtime_is_what_its_imports_reach(split):
    """The build finds them by this project's own analysis; here `ast` does."""
    files = split.runtime_files()
    missing = {
        f"{file} imports {name}"
        for file in files
        if file.endswith(".py") and file not in ("hermpkg_build/__init__.py", "hermpkg_build/__main__.py")
        for name in own_imports(REPOSITORY / file)
        if not {f"{name.replace('.', '/')}.py", f"{name.replace('.', '/')}/__init__.py"} & files
    }
    assert not missing
    reached = {name for file in files if file.endswith(".py") for name in own_imports(REPOSITORY / file)}
    needless = {
        file
        for file in files
        if not file.startswith("hermpkg_build/runtime/")
        and file.endswith(".py")
        and not file.endswith(("__init__.py", "__main__.py"))
        and file.removesuffix(".py").replace("/", ".") not in reached
    }
    assert not needless


def own_imports(path: Path) -> set[str]:
    """The modules of the package that a file imports, except where it can do without."""
    found = set()
    for node in needed_nodes(ast.parse(path.read_bytes())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [node.module, *(name for name in inner if is_module(name))]
        found.update(name for name in names if name.partition(".")[0] == "hermpkg_build")
    return found


def needed_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those in a try that catches ImportError."""
    yield node
    caught = {ast.unparse(each.type) for each in getattr(node, "handlers", ()) if each.type}
    optional = getattr(node, "body", ()) if caught & {"ImportError", "ModuleNotFoundError"} else ()
    for child in ast.iter_child_nodes(node):
        if child not in optional:
            yield from needed_nodes(child)


def is_module(name: str) -> bool:
    path = REPOSITORY / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def test_the_runtime_needs_packaging_alone_and_is_small(made):
    wheel = wheel_of(made, "hermpkg_runtime")
    assert wheel.stat().st_size <= LARGEST_WHEEL
    needed = [each for each in requirements(wheel) if "extra ==" not in each]
    assert needed == ["packaging>=24"]
    assert f"hermpkg-runtime=={VERSION}" in requirements(wheel_of(made, "hermpkg_build"))
    ours = metadata.requires("hermpkg-build") or []
    assert set(needed) <= set(ours)


def test_the_extension_is_an_extra_of_what_is_released_alone(made):
    """A checkout is installed without a compiler, also with its extras."""
    (needed,) = (each for each in requirements(wheel_of(made, "hermpkg_build")) if "hermpkg-speed" in each)
    assert needed == f'hermpkg-speed=={VERSION}; extra == "speed"'
    assert not [each for each in metadata.requires("hermpkg-build") or [] if "hermpkg-speed" in each]


@pytest.fixture(scope="module")
def make_extension():
    """Makes the wheel of the extension in a folder, by the make.py of a checkout."""
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler")

    def make(checkout: Path, folder: Path, **environ: str) -> Path:
        completed = subprocess.run(
            [
                sys.executable,
                str(checkout / PROGRAMS.relative_to(REPOSITORY) / "make.py"),
                str(folder),
                "hermpkg-speed",
            ],
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert completed.returncode == 0, completed.stdout + completed.stderr
        (wheel,) = folder.glob("*.whl")
        return wheel

    return make


def test_the_extension_is_one_wheel_for_all_versions_of_python_and_the_same_anywhere(
    make_extension, source, tmp_path
):
    warnings = "-Wall -Wextra -Wshadow -Werror"
    one = make_extension(REPOSITORY, tmp_path / "one", CFLAGS=warnings)
    other = make_extension(source, tmp_path / "an other", TZ="Asia/Tokyo", PYTHONHASHSEED="7")
    assert one.name == other.name
    assert one.read_bytes() == other.read_bytes()
    assert one.name.startswith(f"hermpkg_speed-{VERSION}-cp310-abi3-")
    with zipfile.ZipFile(one) as wheel:
        assert recorded(one) == {"hermpkg_speed.abi3.so"}
        wheel.extractall(tmp_path / "installed")
    told = python(tmp_path / "installed", "import hermpkg_speed; print(hermpkg_speed.VERSION)")
    assert told.stdout == f"{VERSION}\n", told.stderr


def requirements(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        header = archive.read(name).decode().partition("\n\n")[0]
    return [line.partition(": ")[2] for line in header.splitlines() if line.startswith("Requires-Dist: ")]


def test_an_import_of_the_runtime_takes_its_module_along(split, tmp_path):
    """The control: the list is no list that somebody keeps."""
    copy_of_checkout(tmp_path)
    edited = tmp_path / "hermpkg_build/runtime/mangling.py"
    edited.write_text(edited.read_text() + "\n\ndef late():\n    from hermpkg_build.query import ast\n")
    assert not [file for file in split.runtime_files() if file.startswith("hermpkg_build/query")]
    assert "hermpkg_build/query/__init__.py" in split.runtime_files(tmp_path)
    assert split.files_of("hermpkg-build", tmp_path) == split.all_files(tmp_path) - split.runtime_files(
        tmp_path
    )


def test_what_the_runtime_can_do_without_is_left_out(split, tmp_path):
    copy_of_checkout(tmp_path)
    edited = tmp_path / "hermpkg_build/runtime/mangling.py"
    optional = (
        "    try:\n        from hermpkg_build.query import ast\n    except ImportError:\n        pass\n"
    )
    edited.write_text(f"{edited.read_text()}\n\ndef late():\n{optional}")
    assert split.runtime_files(tmp_path) == split.runtime_files()


def test_versions_that_differ_make_no_distributions(split, tmp_path):
    copy_of_checkout(tmp_path)
    (tmp_path / "hermpkg_build/build_version.py").write_text('BUILD_VERSION = "0.0.9"\n')
    with pytest.raises(split.SplitError, match="two versions"):
        split.write_project("hermpkg-runtime", tmp_path / "out", tmp_path)


def copy_of_checkout(target: Path) -> Path:
    shutil.copytree(
        REPOSITORY / "hermpkg_build",
        target / "hermpkg_build",
        ignore=shutil.ignore_patterns("__pycache__"),
        dirs_exist_ok=True,
    )
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copyfile(REPOSITORY / name, target / name)
    return target


# The bytes.


@pytest.fixture(scope="module")
def source(made, tmp_path_factory) -> Path:
    """The source distribution of hermpkg-build, as somebody unpacks it under another umask."""
    folder = tmp_path_factory.mktemp("some where else")
    with tarfile.open(made / f"hermpkg_build-{VERSION}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / f"hermpkg_build-{VERSION}"


def test_a_source_distribution_makes_all_distributions_again_to_the_same_bytes(made, source, tmp_path):
    """Elsewhere, under another umask, hash seed and time zone, from nothing but itself."""
    make = source / PROGRAMS.relative_to(REPOSITORY) / "make.py"
    completed = subprocess.run(
        [sys.executable, str(make), "out"],
        cwd=tmp_path,
        env={**os.environ, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"},
        umask=0o077,
        check=False,
        capture_output=True,
        text=True,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    names = sorted(os.listdir(made))
    assert sorted(os.listdir(tmp_path / "out")) == names
    assert len(names) == 5
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (made / name).read_bytes(), name


def test_what_a_release_says_of_time_is_in_the_bytes(made, tmp_path):
    """The control: SOURCE_DATE_EPOCH counts, in both files of a distribution."""
    subprocess.run(
        [sys.executable, str(PROGRAMS / "make.py"), str(tmp_path), "hermpkg-runtime"],
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
        check=True,
        capture_output=True,
    )
    for name in os.listdir(tmp_path):
        assert (tmp_path / name).read_bytes() != (made / name).read_bytes()
    with tarfile.open(tmp_path / f"hermpkg_runtime-{VERSION}.tar.gz") as archive:
        assert {member.mtime for member in archive} == {1700000000}


def test_the_source_distribution_is_the_checkout(made, source, checkout_files):
    ours = {*checkout_files.checkout_files(REPOSITORY)}
    theirs = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    assert theirs == {*ours, "PKG-INFO"}
    for name in (
        "tests/conftest.py",
        "docs/index.md",
        "rules/defs.bzl",
        "MODULE.bazel",
        "CHANGELOG.md",
        "action.yml",
    ):
        assert name in theirs
    programs = {file for file in ours if (REPOSITORY / file).stat().st_mode & 0o100}
    assert programs == {file for file in ours if (source / file).stat().st_mode & 0o100}
    assert ".ci/run" in programs
    with zipfile.ZipFile(wheel_of(made, "hermpkg_build")) as wheel:
        metadata_of_wheel = wheel.read(f"hermpkg_build-{VERSION}.dist-info/METADATA")
    assert (source / "PKG-INFO").read_bytes() == metadata_of_wheel


def test_any_frontend_makes_the_same_wheel_of_the_runtime(made, tmp_path):
    checkout = copy_of_checkout(tmp_path / "some where else")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "-w", "pip",
         str(checkout / "hermpkg_build/runtime")],
        cwd=tmp_path,
        umask=0o077,
        check=True,
    )  # fmt: skip
    assert (
        wheel_of(tmp_path / "pip", "hermpkg_runtime").read_bytes()
        == wheel_of(made, "hermpkg_runtime").read_bytes()
    )


def test_a_source_distribution_has_what_its_wheel_is_made_of(made):
    for name in NAMES:
        with tarfile.open(made / f"{name}-{VERSION}.tar.gz") as archive:
            members = {member.name.partition("/")[2]: member for member in archive.getmembers()}
        assert recorded(wheel_of(made, name)) <= members.keys()
        assert {(each.uid, each.gid, each.uname, each.mtime) for each in members.values()} == {
            (0, 0, "", int(RELEASED_AT))
        }


def test_links_of_a_description_lead_to_the_released_files(made, split):
    for name in NAMES:
        with zipfile.ZipFile(wheel_of(made, name)) as wheel:
            text = wheel.read(f"{name}-{VERSION}.dist-info/METADATA").decode()
        assert "](docs/" not in text
        assert "Author-email: hermpkg maintainers <maintainers@hermpkg.example>" in text
        assert "Project-URL: Changelog, https://" in text
    assert f"(https://hermpkg.example/hermpkg/blob/v{VERSION}/docs/how-to/index.md)" in text
    urls = {"Repository": "https://x.example"}
    kept = "[a](https://y.example) [b](#there) ![c](mailto:d) [e]: f (g)"
    assert split.readme_elsewhere(kept, urls, "1") == kept


# What the runtime does alone.


def test_all_of_the_runtime_can_be_imported_alone(alone, split):
    modules = sorted(
        file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for file in split.runtime_files()
        if file.endswith(".py")
    )
    code = """if True:
        import sys
        for name in sys.argv[1:]:
            try:
                __import__(name)
            except Exception as error:
                assert "hermpkg-runtime[sign]" in str(error), (name, error)
        print(*{name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names)
    """
    completed = python(alone, code, *modules)
    assert completed.returncode == 0, completed.stderr
    assert set(completed.stdout.split()) <= {"__main__", "hermpkg_build", "packaging"}


def test_artifacts_are_loaded_with_the_runtime_alone(alone, artifact):
    code = """if True:
        import sys
        from hermpkg_build import PackageImporter, TrustPolicy, TrustRule
        with PackageImporter(sys.argv[1]) as importer:
            print(importer.import_module("own").say([1]))
            print(importer.load_pickle("data", "numbers.pkl"), importer.load_text("data", "words.txt"))
            print(importer.load_tensors("data", "numbers.pkl"))
        policy = TrustPolicy(rules=[TrustRule(globals=[])])
        PackageImporter(sys.argv[1], trust=policy)
    """
    completed = python(alone, code, str(artifact))
    assert completed.stdout.splitlines() == ["[1]", "{'one': [1, 2, 3]} two words", "{}"]
    assert "TrustError" in completed.stderr


def test_names_that_need_more_say_what_to_install(alone):
    code = """if True:
        import hermpkg_build
        names = [name for homes in hermpkg_build._PUBLIC_NAMES.values() for name in homes]
        for name in names:
            try:
                getattr(hermpkg_build, name)
            except ImportError as error:
                assert f"pip install hermpkg-build=={hermpkg_build.__version__}" in str(error), error
                assert name not in dir(hermpkg_build)
                print(name)
        from hermpkg_build import *
        assert PackageImporter
    """
    completed = python(alone, code)
    assert completed.returncode == 0, completed.stderr
    homes = hermpkg_build._HOMES
    needing = {name for name, home in homes.items() if home.startswith(("exporter", "generate"))}
    assert set(completed.stdout.split()) == needing
    assert (
        python(alone, "from hermpkg_build import PackageExporter")
        .stderr.splitlines()[-2]
        .startswith(f"ImportError: PackageExporter {MISSING}")
    )


def test_the_command_line_says_what_to_install(alone):
    completed = python(alone, "hermpkg_build", "version", start=("-m",))
    assert completed.returncode == ExitCode.LOCAL_ENVIRONMENT
    assert completed.stderr.splitlines() == [
        f"hermpkg: the command line {MISSING}",
        f"  -> pip install hermpkg-build=={VERSION}",
    ]


def test_distributions_of_two_versions_are_told(tmp_path):
    copy_of_checkout(tmp_path)
    (tmp_path / "hermpkg_build/version.py").write_text('__version__ = "9.0"\n')
    for code, start in (("hermpkg_build", ("-m",)), ("from hermpkg_build import pack", ("-c",))):
        completed = python(tmp_path, code, start=start)
        assert completed.returncode
        assert f"-> pip install hermpkg-build=={VERSION} hermpkg-runtime=={VERSION}" in completed.stderr


def test_distributions_in_two_folders_are_told(made, alone, tmp_path):
    """As where the runtime is in the system's folder and the rest in that of a virtual environment."""
    with zipfile.ZipFile(wheel_of(made, "hermpkg_build")) as wheel:
        wheel.extractall(tmp_path / "venv")
    completed = python(
        tmp_path / "venv", f"import sys; sys.path.append({str(alone)!r}); from hermpkg_build import pack"
    )
    assert "hermpkg-build, which is installed in another folder than hermpkg-runtime" in completed.stderr
    assert str(tmp_path / "venv") in completed.stderr
    assert (
        f"--force-reinstall --no-deps hermpkg-build=={VERSION} hermpkg-runtime=={VERSION}" in completed.stderr
    )


# Installing.


def test_one_is_installed_upgraded_and_removed_beside_the_other(made, artifact, tmp_path):
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    own = environment / "bin/python"
    (site,) = environment.glob("lib/python*/site-packages")
    link_installed(site, "packaging", "starlark-pyo3", "typing-extensions")

    def pip(*words: str) -> str:
        completed = subprocess.run(
            [sys.executable, "-m", "pip", "--python", str(own), *words],
            env={
                **os.environ,
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                "PIP_NO_INDEX": "1",
                "PIP_FIND_LINKS": str(made),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert completed.returncode == 0, completed.stdout + completed.stderr
        return completed.stdout

    def run(*words: str) -> str:
        return subprocess.run([str(own), *words], capture_output=True, text=True, check=True).stdout

    load = (
        "-c",
        (
            "from hermpkg_build import PackageImporter\n"
            f"print(PackageImporter({str(artifact)!r}).import_module('own').say(1))"
        ),
    )
    pip("install", "-q", "--no-compile", "hermpkg-build")
    assert "No broken requirements" in pip("check")
    assert run("-m", "hermpkg_build", "version") == f"hermpkg {VERSION}\n"
    assert run(*load) == "1\n"
    pip("uninstall", "-q", "-y", "hermpkg-build")
    assert run(*load) == "1\n"
    pip("install", "-q", "--no-compile", "hermpkg-build")
    pip("install", "-q", "--no-compile", "--force-reinstall", "--no-deps", "hermpkg-runtime")
    assert run("-m", "hermpkg_build", "version") == f"hermpkg {VERSION}\n"
    pip("uninstall", "-q", "-y", "hermpkg-build", "hermpkg-runtime")
    assert not [path for path in site.rglob("*") if path.name.startswith("hermpkg") and path.is_file()]
