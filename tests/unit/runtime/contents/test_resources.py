"""Texts, bytes and importlib.resources, from packaged code and from outside, packed and unpacked."""

from __future__ import annotations

import importlib.resources
import os
import sys
import zipfile

import pytest

from hermpkg_build import PackageImporter

FILES = {
    "pkg/__init__.py": "",
    "pkg/a.txt": "alpha\n",
    "pkg/b.bin": b"\x00\xff",
    "pkg/deep/er/c.txt": "gamma",
    "bare/words.txt": "wörds".encode("latin-1"),
}


def test_texts_and_bytes(load) -> None:
    importer = load(FILES)
    assert importer.load_text("pkg", "a.txt") == "alpha\n"
    assert importer.load_binary("pkg", "b.bin") == b"\x00\xff"
    assert importer.load_text("pkg.deep.er", "c.txt") == "gamma"
    assert importer.load_text("bare", "words.txt", encoding="latin-1") == "wörds"
    assert importer.load_text("bare", "words.txt", errors="replace") == "w\ufffdrds"
    with pytest.raises(UnicodeDecodeError):
        importer.load_text("bare", "words.txt")
    assert importer.load_text(importer.import_module("pkg"), "a.txt") == "alpha\n"
    assert importer.load_text(importer.import_module("pkg").__name__, "a.txt") == "alpha\n"


def test_a_missing_resource_is_named_with_what_is_close(load) -> None:
    with pytest.raises(FileNotFoundError, match=r"did you mean pkg/a\.txt"):
        load(FILES).load_text("pkg", "a.text")


@pytest.mark.parametrize(
    ("package", "resource"), [("", "a.txt"), ("pkg", ""), ("pkg", "../a.txt"), ("pkg", "deep/c")]
)
def test_names_that_are_no_resources(load, package: str, resource: str) -> None:
    with pytest.raises(ValueError, match=r"name"):
        load(FILES).load_binary(package, resource)


def test_loading_a_resource_runs_no_code(load) -> None:
    importer = load({"pkg/__init__.py": "raise RuntimeError\n", "pkg/a.txt": "a"})
    assert importer.load_text("pkg", "a.txt") == "a"


def test_resource_reader(load) -> None:
    importer = load(FILES)
    reader = importer.get_resource_reader("pkg")
    assert list(reader.contents()) == ["__init__.py", "a.txt", "b.bin", "deep"]
    assert reader.is_resource("a.txt")
    assert not reader.is_resource("deep")
    assert not reader.is_resource("none")
    assert bytes(reader.open_resource("a.txt").getbuffer()) == b"alpha\n"
    with pytest.raises(FileNotFoundError):
        reader.open_resource("none")
    with pytest.raises(FileNotFoundError):
        reader.resource_path("a.txt")
    assert importer.get_resource_reader("nothing") is None


def test_files_of_a_packaged_package_from_outside(load) -> None:
    files = importlib.resources.files(load(FILES).import_module("pkg"))
    assert (files / "a.txt").read_text() == "alpha\n"
    lines = importlib.resources.files(
        load({"pkg/__init__.py": "", "pkg/l.txt": "ä\r\nb\r"}).import_module("pkg")
    )
    assert (lines / "l.txt").read_text() == "ä\nb\n"
    assert (lines / "l.txt").read_bytes().endswith(b"\r\nb\r")
    assert files.joinpath("deep", "er", "c.txt").read_bytes() == b"gamma"
    assert files.joinpath("deep/er/../er/./c.txt").is_file()
    assert [item.name for item in files.joinpath("deep").iterdir()] == ["er"]
    assert files.joinpath("deep").is_dir()
    assert not files.joinpath("none").is_dir()
    with files.joinpath("a.txt").open() as stream:
        assert stream.readline() == "alpha\n"
    with files.joinpath("b.bin").open("rb") as stream:
        assert stream.read() == b"\x00\xff"
    with pytest.raises(ValueError, match="only be read"):
        files.joinpath("a.txt").open("w")
    with pytest.raises(IsADirectoryError):
        files.joinpath("deep").read_bytes()
    with pytest.raises(FileNotFoundError):
        files.joinpath("none").read_text()
    with importlib.resources.as_file(files / "a.txt") as path:
        assert path.read_text() == "alpha\n"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_importlib_resources_in_packaged_code(load) -> None:
    importer = load(
        {
            **FILES,
            "main.py": """
                import importlib.resources
                import importlib.resources as resources
                from importlib.resources import files, as_file
                import pkg
                texts = [files(p).joinpath("a.txt").read_text() for p in ("pkg", pkg, pkg.__name__)]
                with as_file(files("pkg") / "a.txt") as path:
                    texts.append(path.read_text())
                if hasattr(resources, "read_text"):
                    texts += [resources.read_text(p, "a.txt") for p in ("pkg", pkg)]
                    texts.append(resources.read_binary("pkg", "a.txt").decode())
                    with importlib.resources.open_text("pkg", "a.txt") as stream:
                        texts.append(stream.read())
                    with importlib.resources.path("pkg", "a.txt") as path:
                        texts.append(path.read_text())
                    is_resource = resources.is_resource("pkg", "a.txt")
                    names = list(resources.contents("pkg"))
                else:
                    is_resource, names = True, ["a.txt"]
            """,
        },
        ["importlib.resources"],
    )
    main = importer.import_module("main")
    assert set(main.texts) == {"alpha\n"}
    assert main.is_resource
    assert "a.txt" in main.names


@pytest.mark.skipif(sys.version_info < (3, 12), reason="files() takes a package before Python 3.12")
def test_files_without_an_anchor_means_the_calling_package(load) -> None:
    importer = load(
        {
            **FILES,
            "pkg/code.py": """
                from importlib.resources import files
                text = files().joinpath("a.txt").read_text()
            """,
        },
        ["importlib.resources"],
    )
    assert importer.import_module("pkg.code").text == "alpha\n"


def test_an_unpacked_folder_is_an_artifact_too(artifact, tmp_path) -> None:
    with zipfile.ZipFile(artifact({**FILES, "main.py": "import pkg\n"})) as file:
        file.extractall(tmp_path / "out")
    folder = os.fspath(tmp_path / "out" / "thing")
    with PackageImporter(folder + "/") as importer:
        assert importer.import_module("main").pkg.__name__ == f"{importer.id()}.pkg"
        assert importer.load_text("pkg.deep.er", "c.txt") == "gamma"
        assert importer.get_resource_reader("pkg").resource_path("a.txt") == os.path.join(
            folder, "pkg", "a.txt"
        )
        files = importlib.resources.files(importer.import_module("pkg"))
        assert (files / "deep" / "er" / "c.txt").read_text() == "gamma"
        assert importer.file_structure().has_file("pkg/deep/er/c.txt")
