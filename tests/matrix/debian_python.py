"""Makes a Python that Debian's next release has, in a folder of its own: nothing is installed on the machine.

The packages are those that apt resolves, from the mirror that this machine uses, and are unpacked. The
interpreter is told by its header where its C library and the others lie, so that it starts like any other.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

SUITE = "testing"
_WHEELS = "/usr/share/python-wheels"
"""Where Debian's ensurepip looks for pip."""


def can_be_tried() -> bool:
    """Whether this machine has Debian's tools."""
    return sys.platform == "linux" and bool(shutil.which("apt-get") and shutil.which("dpkg-deb"))


def make_python(version: str, folder: Path) -> str | None:
    """Return the path of a Python of `version` ("3.14") in `folder`; None where there is none to be had."""
    python = folder / "bin" / f"python{version}"
    if python.is_file():
        return str(python)
    shutil.rmtree(folder, ignore_errors=True)
    root, downloads = folder / "root", folder / "apt"
    root.mkdir(parents=True)
    try:
        for package in _downloaded(version, downloads):
            subprocess.run(["dpkg-deb", "-x", package, root], check=True, capture_output=True)
        _set_in_place(root, version)
        (folder / "lib").symlink_to("root/usr/lib")
        (folder / "include").symlink_to("root/usr/include")
        python.parent.mkdir()
        os.replace(root / "usr/bin" / python.name, python)
        subprocess.run([python, "-c", "import ctypes, sqlite3, ssl, venv"], check=True, capture_output=True)
    except (subprocess.CalledProcessError, OSError, StopIteration):
        shutil.rmtree(folder, ignore_errors=True)
        return None
    finally:
        shutil.rmtree(downloads, ignore_errors=True)
    return str(python)


def _downloaded(version: str, folder: Path) -> list[Path]:
    """Have apt download all that this Python needs, as if nothing were installed."""
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    targets = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    told = subprocess.run(
        [*targets, "Origin: Debian", "Component: main", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    )
    mirror = next(line for line in told.stdout.splitlines() if "security" not in line)
    (folder / "sources.list").write_text(f"deb {mirror} {SUITE} main\n")
    options = {
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        # As root it would become a user that may not write here.
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    apt = [
        "apt-get",
        "-q",
        "-y",
        *(word for name, value in options.items() for word in ("-o", f"{name}={value}")),
    ]
    install = ["install", "--download-only", "--no-install-recommends"]
    packages = [f"python{version}", f"python{version}-venv", f"python{version}-dev", "patchelf", "libstdc++6"]
    for command in (["update"], [*install, *packages]):
        subprocess.run([*apt, *command], check=True, capture_output=True)
    return sorted((folder / "archives").glob("*.deb"))


def _set_in_place(root: Path, version: str) -> None:
    """Have what is unpacked find its parts where they are."""
    libraries = next(root.glob("usr/lib/*/libc.so.6")).parent
    loader = next(libraries.glob("ld-linux*"))
    patch = [loader, "--library-path", libraries, root / "usr/bin/patchelf"]
    python = root / "usr/bin" / f"python{version}"
    # An RPATH also holds for the libraries of libraries, unlike a RUNPATH. Where it is set after the
    # interpreter, patchelf 0.18 makes a file that crashes.
    for words in (["--force-rpath", "--set-rpath", libraries], ["--set-interpreter", loader]):
        subprocess.run([*patch, *words, python], check=True, capture_output=True)
    for file in (root / "usr/lib" / python.name).glob("_sysconfigdata*.py"):
        if not file.is_symlink():
            text = file.read_text(encoding="utf-8")
            file.write_text(text.replace(_WHEELS, f"{root}{_WHEELS}"), encoding="utf-8")
