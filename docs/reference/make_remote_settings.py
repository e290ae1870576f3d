"""Writes remote-settings.md from the table that the command line and ``[tool.hermpkg]`` are read by.

Run as ``python docs/reference/make_remote_settings.py``; a test compares the page with what this would write.
"""

from __future__ import annotations

from pathlib import Path

from hermpkg_build.remote.settings import SETTINGS, Setting

PAGE = Path(__file__).with_name("remote-settings.md")


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            "# Settings of remote servers",
            "",
            "This page is made from the table that options and settings are read by. What they are for, and",
            "how they go together, is told under [Remote servers](command-line.md#remote-servers).",
            "",
            "A cache speaks the Remote Execution API (`grpc`, `grpcs`) or Bazel's HTTP protocol (`http`,",
            "`https`), an executor the former. Credential helpers speak the protocol of Bazel's.",
            "",
            "In `pyproject.toml`, `on` and `off` are `true` and `false`, `NAME=VALUE` is a table such as",
            '`{ x-team = "vision" }`, credential helpers are a text or a list of texts, numbers are numbers,',
            "and everything else is a text.",
            "",
            "| option | in `[tool.hermpkg]` | default | meaning |",
            "|---|---|---|---|",
            *map(_row, SETTINGS.values()),
            "",
        ]
    )


def _row(setting: Setting) -> str:
    option = f"--{setting.option} {setting.form.placeholder}".replace("|", "\\|")
    default = f"`{setting.default}`" if setting.default else "none"
    return f"| `{option}` | `{setting.key}` | {default} | {setting.help} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
