"""A cache that checkouts share over HTTP, by the command line: what it saves, and what may go wrong."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("urllib3")
pytest.importorskip("google.protobuf")


@pytest.fixture
def checkout(tmp_path: Path, make_workspace: Any, server: Any) -> Callable[..., Any]:
    """Makes one more checkout of the package `app`, with an empty cache, configured to share `server`."""
    count = 0

    def make(settings: str = "") -> Any:
        nonlocal count
        count += 1
        made = make_workspace(tmp_path / f"checkout-{count}", tmp_path / f"cache-{count}").write_app()
        made.write("pyproject.toml", f'[tool.hermpkg]\nremote-cache = "{server.url}"\n{settings}')
        made.run("allow")
        return made

    return make


def artifact(workspace: Any) -> bytes:
    return (workspace.root / "hermpkg-out/app/app.pt").read_bytes()


def runs(value: Any) -> int:
    return sum(counts["run"] for counts in value["actions"].values())


def test_builds_explain_what_came_from_the_cache(checkout):
    first = checkout().run("//app", "--explain").stdout
    second = checkout().run("//app", "--explain").stdout
    assert re.search(r"shared cache: 0 of \d+ results found; 0 B fetched, [1-9].* uploaded", first)
    assert re.search(r"shared cache: (\d+) of \1 results found; [1-9].* fetched, 0 B uploaded", second)
    assert "built earlier, from the same inputs" in second


def test_a_second_clean_checkout_runs_nothing(checkout, server):
    one, two = checkout(), checkout()
    first = one.build("//...")
    assert runs(first.json) == 4
    assert first.json["remote"]["uploaded_bytes"] > 0
    server.asked.clear()
    second = two.build("//...")
    assert runs(second.json) == 0
    assert second.json["actions"]["assemble"] == {"run": 0, "cached": 1}
    assert second.json["remote"]["hits"] == 1
    assert second.json["remote"]["uploaded_bytes"] == 0
    assert second.json["remote"]["downloaded_bytes"] > 0
    assert artifact(one) == artifact(two)
    assert all(request.startswith("GET") for request in server.asked)


def test_a_new_version_of_a_model_moves_the_tensors_that_changed(checkout):
    """Artifacts are put together of their tensors everywhere, so that no file needs to be cut into chunks."""
    pytest.importorskip("torch")
    build = """
        python_modules(name = "code", srcs = ["make.py"])
        model(name = "net", factory = "net.make:make", deps = [":code"])
        model_package(name = "net_package", models = {"model/model.pkl": ":net"}, policy = [extern("**")])
    """
    factory = """
        import torch
        def make():
            layers = [torch.full((1 << 17,), float(layer)) for layer in range(16)]
            layers[{changed}] += 100
            return layers
    """
    one, two = checkout(), checkout()
    moved = []
    for changed in (0, 5):
        for each in (one, two):
            each.build_file(build, "net/BUILD")
            each.write("net/make.py", factory.replace("{changed}", str(changed)))
        sent = one.build("//net:net_package").json["remote"]["uploaded_bytes"]
        moved.append((sent, two.build("//net:net_package").json["remote"]["downloaded_bytes"]))
    assert (one.root / "hermpkg-out/net/net_package.pt").read_bytes() == (
        two.root / "hermpkg-out/net/net_package.pt"
    ).read_bytes()
    layer = 4 << 17
    assert all(count > 16 * layer for count in moved[0])
    # Two layers: the one that changed, and the one that changed before and is as it was without that.
    assert all(2 * layer < count < 4 * layer for count in moved[1])


def test_an_unchanged_build_asks_nobody(checkout, server):
    one = checkout()
    one.build("//app")
    one.build("//app")
    server.asked.clear()
    again = one.build("//app")
    assert again.target["status"] == "up-to-date"
    assert "remote" not in again.json
    assert server.asked == []


def test_the_command_line_wins(checkout, server):
    one = checkout()
    assert "remote" not in one.build("//app", "--remote-cache=").json
    assert server.asked == []
    two = checkout("remote-upload = false\n")
    two.build("//app")
    assert server.held == {}
    three = checkout("remote-upload = false\n")
    three.build("//app", "--remote-upload", "on")
    assert server.of_kind("ac")


def test_details_tell_of_traffic(checkout):
    checkout().build("//app")
    told = checkout().run("-v", "//app").stderr
    assert "fetched: //app:app" in told
    assert "cached: assemble //app:app" in told
    assert "uploaded" not in told


@pytest.mark.parametrize("command", [["why", "//app", "app.helpers"], ["lock", "//app"], ["verify", "//app"]])
def test_commands_that_build_share_too(checkout, server, command):
    assert checkout().run(*command).code == 0
    assert server.of_kind("ac")
    server.asked.clear()
    assert checkout().run(*command).code == 0
    assert all(request.startswith("GET") for request in server.asked)


def test_rebuilding_to_verify_asks_nobody(checkout, server):
    one = checkout()
    one.build("//app")
    one.build("//app")
    for path in server.of_kind("ac"):
        server.held[path] = b"poison"
    server.asked.clear()
    assert one.run("verify", "--rebuild", "--vary", "hash-seed", "//app", "--remote-cache=").code == 0
    assert server.asked == []


WARNING = "the build goes on without the shared cache"


def test_which_server_a_workspace_names_is_told_once(checkout, server):
    one = checkout()
    told = f"work is shared with {server.url}, as the settings of this workspace say"
    assert one.run("//app").stderr.count(told) == 1
    one.write("app/words.txt", "three\n")
    assert told not in one.run("//app").stderr
    # Another workspace, and a server that is named by who builds.
    assert told in checkout().run("//app").stderr
    assert "work is shared" not in checkout().run("//app", "--remote-cache", f"{server.url}/mine").stderr
    assert "work is shared" not in checkout().run("//app", "--remote-cache", "").stderr


def test_a_server_that_is_gone(checkout, server):
    one = checkout("remote-retries = 0\nremote-timeout = 5\n")
    outcome = one.run("//app", "--remote-cache", "http://127.0.0.1:9")
    assert outcome.code == 0
    assert outcome.stderr.count("warning:") == 1
    assert WARNING in outcome.stderr
    assert "http://127.0.0.1:9" in outcome.stderr
    one.run("//app", "--remote-cache", "http://127.0.0.1:9")
    assert one.run("//app", "--remote-cache", "http://127.0.0.1:9").stderr == ""


def test_a_server_that_dies_while_it_is_asked(checkout, server):
    checkout().build("//app")
    reads = 0

    def die_at_the_second_request() -> None:
        nonlocal reads
        reads += 1
        if reads > 1:
            raise ConnectionAbortedError

    server.serving = die_at_the_second_request
    two = checkout("remote-retries = 1\n")
    outcome = two.run("--json", "//app")
    assert outcome.code == 0
    assert outcome.stderr.count(WARNING) == 1
    server.serving = lambda: None
    assert artifact(two) == artifact_of(checkout)


def artifact_of(checkout: Callable[..., Any]) -> bytes:
    """The bytes of a build that shares nothing."""
    alone = checkout()
    alone.build("//app", "--remote-cache=")
    return artifact(alone)


def test_a_server_that_is_too_slow(checkout, server):
    server.serving = lambda: server.over.wait(60)
    outcome = checkout("remote-retries = 0\nremote-timeout = 0.2\n").run("//app")
    assert outcome.code == 0
    assert outcome.stderr.count("warning:") == 1
    assert WARNING in outcome.stderr


def test_tokens(checkout, server, tmp_path):
    server.token = "right"
    for name in ("right", "wrong"):
        (tmp_path / name).write_text(f"{name}\n")
    right = checkout().run("//app", "--remote-token-file", "../right")
    assert "warning" not in right.stderr
    assert server.of_kind("ac")
    outcome = checkout().run("//app", "--remote-token-file", "../wrong")
    assert outcome.code == 0
    assert outcome.stderr.count("warning:") == 1
    assert "wrong" not in outcome.stderr.replace(str(tmp_path / "wrong"), "")
    missing = checkout('remote-token-file = "none"\n').run("//app")
    assert missing.code == 2
    assert "pyproject.toml:3: remote-token-file names a missing file: none" in missing.stderr


@pytest.mark.parametrize("status", [403, 405, 413, 507])
def test_a_server_that_takes_nothing_is_still_read(checkout, server, status):
    checkout().build("//app")
    server.refuses = status
    two = checkout()
    two.write("app/helpers.py", 'def greeting():\n    return "hi"\n')
    outcome = two.run("--json", "//app")
    assert outcome.code == 0
    assert outcome.json["actions"]["analyse"] == {"run": 1, "cached": 2}
    assert outcome.stderr.count("nothing more is uploaded in this build") == 1


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[1:], lambda data: b""])
def test_damaged_entries_are_built_around_and_mended(checkout, server, damage):
    one = checkout()
    one.build("//app")
    for path, data in server.of_kind("ac").items():
        server.held[path] = damage(data)
    two = checkout()
    outcome = two.run("--json", "//app")
    assert outcome.code == 0
    assert "warning" not in outcome.stderr
    assert runs(outcome.json) > 0
    assert artifact(two) == artifact(one)
    assert runs(checkout().build("//app").json) == 0


def test_small_contents_are_had_from_entries_where_one_of_both_is_damaged(checkout, server):
    one = checkout()
    one.build("//app")
    for path, data in server.of_kind("cas").items():
        server.held[path] = data[:-1] + b"?"
    two = checkout()
    assert runs(two.build("//app").json) == 0
    assert artifact(two) == artifact(one)
    for path, data in server.of_kind("ac").items():
        server.held[path] = data[1:]
    three = checkout()
    assert runs(three.build("//app").json) > 0
    assert artifact(three) == artifact(one)


def test_an_interrupt_drops_what_is_not_uploaded(checkout, server):
    def hang() -> None:
        if server.asked[-1].startswith("PUT"):
            server.over.wait(600)

    server.serving = hang
    # Who waited for the upload would wait longer than this test.
    one = checkout("remote-timeout = 600\n")
    process = one.start("//app")
    while "waiting for" not in (line := process.stderr.readline()):
        assert line, "the build waits for nothing"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0
    assert stderr.count("warning: interrupted while uploading") == 1
    server.serving = lambda: None
    assert [target["status"] for target in one.run("--json", "//app").json["targets"]] == ["up-to-date"]


def test_settings_that_are_wrong_name_their_line(checkout):
    for line, text in (
        ("remote-cach = 'x'", "did you mean 'remote-cache'?"),
        ("remote-timeout = 'long'", "remote-timeout must be a number of seconds above 0, not 'long'"),
        ("remote-upload = 1", "remote-upload must be true or false, not 1"),
        ("remote-headers = ['a']", "remote-headers must be a table of names and texts"),
        ("remote-executor = 'http://x'", "remote-executor cannot be 'http://x'"),
        (
            "credential-helper = 'no-such-program'",
            "credential-helper names a missing program: no-such-program",
        ),
    ):
        outcome = checkout(f"{line}\n").run("//app")
        assert outcome.code == 2
        assert "pyproject.toml:3:" in outcome.stderr
        assert text in outcome.stderr


def test_credentials_never_travel_in_the_open(checkout, tmp_path):
    (tmp_path / "token").write_text("secret")
    one = checkout()
    for words in (
        ["--remote-token-file", str(tmp_path / "token")],
        ["--remote-header", "Authorization=Bearer secret"],
        ["--credential-helper", "true"],
    ):
        outcome = one.run("//app", "--remote-cache", "http://cache.example.com", *words)
        assert outcome.code == 2
        assert "credentials are not sent over a connection that others can read" in outcome.stderr
        assert "Bearer secret" not in outcome.stderr


@pytest.mark.parametrize(
    ("module", "distribution"), [("urllib3", "urllib3"), ("google/protobuf", "protobuf"), ("grpc", "grpcio")]
)
def test_without_the_libraries_it_says_what_to_install(checkout, tmp_path, module, distribution):
    blocked = tmp_path / "blocked"
    (blocked / module).mkdir(parents=True)
    name = module.replace("/", ".")
    (blocked / module / "__init__.py").write_text(f"raise ModuleNotFoundError(name={name!r})\n")
    (blocked / module.partition("/")[0] / "__init__.py").touch()
    words = ["--remote-cache", "grpc://127.0.0.1:1"] if module == "grpc" else []
    outcome = checkout().run("//app", *words, env={"PYTHONPATH": str(blocked)})
    assert outcome.code == 36
    assert f"missing: {distribution}\n" in outcome.stderr
    assert "pip install 'hermpkg-build[remote]'" in outcome.stderr


MODEL_BUILD = """
python_modules(name = "modules", srcs = ["__init__.py", "net.py"])
model(name = "net", factory = "nets.net:make", deps = [":modules"])
model_package(
    name = "nets",
    models = {"model/model.pkl": ":net"},
    policy = [intern("nets.**"), deny("**")],
    deps = [":modules"],
)
package_test(name = "test", package = ":nets", main = "check.py")
"""
NET = """
from pathlib import Path

class Net:
    def __init__(self):
        self.names = Path(__file__).with_name("names.txt").read_text().split()

def make():
    return Net()
"""
CHECK = "import os\nassert os.path.getsize(os.environ['HERMPKG_ARTIFACT']) > 1000\n"


def test_models_and_tests_are_shared_with_what_they_were_seen_to_read(checkout, server):
    def model_checkout() -> Any:
        made = checkout()
        made.build_file(MODEL_BUILD, "nets/BUILD")
        made.write("nets/__init__.py", "")
        made.write("nets/net.py", NET)
        made.write("nets/names.txt", "one two")
        made.write("nets/check.py", CHECK)
        return made

    one, two = model_checkout(), model_checkout()
    first = one.run("--json", "test", "//nets/...")
    assert first.code == 0, first.stderr
    assert first.json["actions"]["make-model"] == {"run": 1, "cached": 0}
    second = two.run("--json", "test", "//nets/...")
    assert second.code == 0, second.stderr
    assert runs(second.json) == 0
    assert second.json["actions"]["make-model"] == {"run": 0, "cached": 1}
    assert second.json["actions"]["test"] == {"run": 0, "cached": 1}
    nets = "hermpkg-out/nets/nets.pt"
    assert (one.root / nets).read_bytes() == (two.root / nets).read_bytes()
    # What only the factory knew of was changed: the shared result is not for this checkout.
    two.write("nets/names.txt", "one two three")
    third = two.run("--json", "build", "//nets/...")
    assert third.json["actions"]["make-model"] == {"run": 1, "cached": 0}
    assert json.dumps(third.json["executed"]).count("names.txt") == 1
