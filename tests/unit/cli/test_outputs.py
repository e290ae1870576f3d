"""No command writes over what it was not asked to replace, whatever option names the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermpkg_build.cli.arguments import Option, operand_forms, own_options
from hermpkg_build.cli.commands import all_commands
from hermpkg_build.cli.main import main
from hermpkg_build.errors import ExitCode

READ = {
    "script",
    *("conditions", "query-file", "weights", "allow", "trust", "trust-config"),
    *("attach", "registry-ca"),
    *("private-key", "public-key", "signing-certificate", "certificate-chain", "signature"),
}
"""The options whose values are files that commands read, but for the signature that `sign` writes."""

OUTPUTS = [
    (command.name, option)
    for command in all_commands()
    for option in own_options(command.arguments)
    if option.writes is not None
]


def words(name: str, *more: str) -> list[str]:
    command = next(each for each in all_commands() if each.name == name)
    forms = [form for form in operand_forms(command.arguments) if not form.startswith("[")]
    return [name, *("nothing" for _ in forms), *more]


def named(value: object) -> str:
    return value.name if isinstance(value, Option) else str(value)


def test_every_option_for_a_file_says_whether_it_is_written() -> None:
    for command in all_commands():
        for option in own_options(command.arguments):
            if option.value.endswith("FILE"):
                reads = option.name in READ and (command.name, option.name) != ("sign", "signature")
                assert (option.writes is None) == reads, (command.name, option.name)


def test_what_is_written_is_known_of_all_commands() -> None:
    assert {"build", "look", "pack", "scan", "tensors", "test", "verify"} <= {name for name, _ in OUTPUTS}


@pytest.mark.parametrize(("name", "option"), OUTPUTS, ids=named)
def test_a_source_is_not_overwritten(
    name: str,
    option: Option,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "train ü.py"
    source.write_text("print('mine')\n")
    for spelled in (*option.names,):
        given = [spelled, source.name] if not spelled.startswith("--") else [f"{spelled}={source.name}"]
        assert main(words(name, *given)) == ExitCode.COMMAND_LINE
        error = capsys.readouterr().err
        assert f"{option.names[-1]} would overwrite another file" in error
        assert "train ü.py" in error
    assert source.read_text() == "print('mine')\n"
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


def test_a_file_is_not_input_and_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    net = tmp_path / "net.safetensors"
    data = b'\x40\0\0\0\0\0\0\0{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'
    net.write_bytes(data)
    (tmp_path / "link").symlink_to(net)
    assert main(["tensors", "net.safetensors", "--to", "link"]) == ExitCode.COMMAND_LINE
    assert "it is net.safetensors" in capsys.readouterr().err
    assert net.read_bytes() == data
    assert main(["build", "//:a", "--events", "both", "--profile", "./both"]) == ExitCode.COMMAND_LINE
    assert "--events and --profile name the same file" in " ".join(capsys.readouterr().err.split("\n"))
    assert not (tmp_path / "both").exists()
