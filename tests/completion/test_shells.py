"""The real shells complete command lines by the scripts that they are given."""

from __future__ import annotations

TAB, BEGIN_OF_LINE, CLEAR = "\t", "\x01", "\x15"

LINES = {
    "hermpkg verif": "verify",
    "hermpkg build //models:resnet_": "//models:resnet_test",
    "hermpkg build //mod": "//models",
    "hermpkg build //models:modules //models/vis": "//models/vision:",
    "hermpkg inspect //models:re": "//models:resnet",
    "hermpkg build --keep": "--keep-going",
    "hermpkg --color=nev": "--color=never",
    "hermpkg --color nev": "never",
    "hermpkg completion zs": "zsh",
    "hermpkg build -- -//models:mod": "-//models:modules",
    "hermpkg inspect my": "my artifact.pt",
    "hermpkg -C oth": "other",
}
"""Lines that are being typed, each with the last word as it is completed."""


def test_lines_are_completed(shell) -> None:
    """The shell itself tells how it reads the line: it prints the words, each between brackets."""
    for number, (typed, word) in enumerate(LINES.items()):
        shell.type(f"{typed}{TAB}")
        shell.wait(word.split(" ")[-1][-4:].strip())
        shell.type(f"{BEGIN_OF_LINE}printf '<%s>' {number} \n")
        shell.wait(f"<{number}><hermpkg>")
        shell.wait(f"<{word}>", f"<{word}/>")  # of folders, some shells take the slash away again
