"""Buffers read in pieces are the whole."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hermpkg_build.inspection.mapped_pieces import pieces


def test_pieces_are_the_whole():
    data = bytes(range(256)) * 10_000
    assert b"".join(pieces(memoryview(data))) == data


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is mapped")
def test_the_digest_of_a_large_file_takes_no_memory(tmp_path: Path):
    with open(tmp_path / "large.pt", "wb") as file:
        file.truncate(300 << 20)
    script = """
        import sys, resource
        from hermpkg_build.archive.archive_file import ArchiveFile
        from hermpkg_build.inspection.contents import digest_of
        class Archive:
            def raw(self): return ArchiveFile(sys.argv[1]).view
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        digest_of(Archive())
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before >> 10)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "large.pt")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 150
