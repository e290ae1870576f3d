"""Artifacts on a real Ray cluster of several nodes, each with a cache of its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ray = pytest.importorskip("ray", reason="Ray is not installed here: `make integrations` has it")
serve = pytest.importorskip("ray.serve")
torch = pytest.importorskip("torch")

from ray.cluster_utils import Cluster  # noqa: E402

from hermpkg_build import TrustError, TrustPolicy, TrustRule  # noqa: E402
from hermpkg_build.errors import ArchiveError, CommandLineError  # noqa: E402
from hermpkg_build.integrations import ray as hermpkg_ray  # noqa: E402
from hermpkg_build.integrations.packed_model import ModelNotFoundError  # noqa: E402
from tests.integrations.servers import free_port  # noqa: E402
from tests.registry.conftest import make_registry  # noqa: E402, F401

ONES = torch.ones(2, 3)
SPREAD = {"ray_actor_options": {"num_cpus": 1}, "max_replicas_per_node": 2}


class Nodes:
    """A cluster, and the caches of its nodes."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._cluster = Cluster()
        self._count = 0
        # The head node has no processors: replicas are on the others.
        self.head = self.add(num_cpus=0, include_dashboard=False)
        self.others = [self.add(), self.add()]
        self.address = self._cluster.address

    def add(self, num_cpus: int = 4, **options: Any) -> Any:
        cache = f"{self._folder}/cache {self._count}"
        self._count += 1
        variables = {"HERMPKG_CACHE_DIR": cache}
        return self._cluster.add_node(
            num_cpus=num_cpus, env_vars=variables, object_store_memory=100 << 20, **options
        )

    def remove(self, node: Any) -> None:
        self._cluster.remove_node(node, allow_graceful=False)

    def close(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    # Paths of sockets are short.
    folder = tempfile.mkdtemp(prefix="hr", dir="/tmp")
    os.mkdir(f"{folder}/ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        started = Nodes(folder)
        # Another place than any node's: this process is a user on a machine of his own.
        patch.setenv("HERMPKG_CACHE_DIR", f"{folder}/mine")
        ray.init(address=started.address, log_to_driver=False)
        serve.start(http_options={"port": (port := free_port())})
        started.url = f"http://127.0.0.1:{port}"
        try:
            yield started
        finally:
            serve.shutdown()
            ray.shutdown()
            started.close()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def only_one_application() -> Iterator[None]:
    yield
    for name in serve.status().applications if ray.is_initialized() else ():
        serve.delete(name)


def nodes_that_fetched(sha256: str) -> list[str]:
    return [
        node
        for kept in hermpkg_ray.shared_artifacts()
        if kept.identity.sha256 == sha256
        for node in kept.nodes
    ]


def sha256(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_each_node_fetches_once_and_the_file_is_needed_no_more(nodes, artifact, tmp_path):
    file = str(tmp_path / "net ü.pt")
    shutil.copy(artifact(2.0), file)
    handle = hermpkg_ray.deploy(file, num_replicas=4, options=SPREAD)
    os.unlink(file)
    answers = [handle.remote(ONES) for _ in range(40)]
    assert all(answer.result().equal(torch.full((2, 2), 6.0)) for answer in answers)
    fetched = nodes_that_fetched(sha256(artifact(2.0)))
    assert len(fetched) == 2
    assert len({*fetched}) == 2


def test_over_http_it_takes_and_gives_json(nodes, artifact):
    hermpkg_ray.deploy(artifact(2.0), route_prefix="/net", model="app.words:scaled")
    answer = _post(f"{nodes.url}/net", {"inputs": {"x": [[1.0, 2.0]]}, "params": {"scale": 3.0}})
    assert answer == {"outputs": {"y": [[6.0, 12.0]], "rows": 1}}
    for wrong, words in [
        ({"inputs": {"z": 1}}, "it takes: x, scale"),
        ({"x": 1}, "needs"),
        ({"inputs": [[1, 2], [3]]}, "different lengths"),
        ([], "needs"),
    ]:
        with pytest.raises(urllib.error.HTTPError) as raised:
            _post(f"{nodes.url}/net", wrong)
        assert raised.value.code == 400
        assert words in json.loads(raised.value.read())["error"]


def test_an_exception_of_packed_code_comes_back_with_its_words(nodes, artifact):
    handle = hermpkg_ray.deploy(artifact(2.0), model="app.words:fail")
    with pytest.raises(hermpkg_ray.CallError, match=r"app.words.OwnError: no: 5") as raised:
        handle.remote(5).result()
    assert raised.value.cause.type_name == "app.words.OwnError"
    assert 'raise OwnError(f"no: {x}")' in raised.value.cause.traceback
    with pytest.raises(TypeError):
        handle.remote(5, 6, 7).result()


def test_calls_are_made_together_where_that_changes_no_result(nodes, artifact):
    options = {"max_ongoing_requests": 40}
    batches = hermpkg_ray.Batches(size=8, wait_s=0.2)
    handle = hermpkg_ray.deploy(artifact(2.0), "net", batches=batches, options=options)
    answers = [handle.remote(ONES * number) for number in range(40)]
    wrong = handle.remote(torch.ones(2, 4))
    assert [float(answer.result()[0, 0]) for answer in answers] == [6.0 * number for number in range(40)]
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        wrong.result()
    rows = hermpkg_ray.deploy(artifact(2.0), "rows", model="app.words:rows", batches=batches, options=options)
    assert [answer.result()[1] for answer in [rows.remote(ONES) for _ in range(16)]] == [2] * 16


def test_versions_that_conflict_are_side_by_side(nodes, artifact):
    two = hermpkg_ray.deploy(artifact(2.0), "two", model="app.words:scaled")
    five = hermpkg_ray.deploy(artifact(5.0, name="five.pt"), "five", model="app.words:scaled")
    for _ in range(5):
        assert two.remote(ONES).result()["y"][0, 0] == 2
        assert five.remote(ONES).result()["y"][0, 0] == 5


class Caller:
    """Calls a handle again and again, as several users do, each call until it has an answer."""

    def __init__(self, handle: Any, read: Callable[[Any], Any], threads: int = 4) -> None:
        self.answers: list[Any] = []
        self._read = read
        self.failures: list[Exception] = []
        self._handle = handle
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(threads)]

    def _call(self) -> None:
        while not self._end.is_set():
            try:
                self.answers.append(self._read(self._handle.remote(ONES).result(timeout_s=60)))
            except Exception as error:  # noqa: PERF203
                self.failures.append(error)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, count: int) -> None:
        wanted = len(self.answers) + count
        until = time.monotonic() + 120
        while len(self.answers) < wanted:
            assert time.monotonic() < until, self.failures
            time.sleep(0.01)


@contextmanager
def calls_of(handle: Any, read: Callable[[Any], Any] = lambda x: float(x[0, 0])) -> Iterator[Caller]:
    """Call a handle all the while, and read what it answers."""
    caller = Caller(handle, read)
    caller.start()
    try:
        yield caller
    finally:
        caller.end()


def test_a_new_version_takes_the_place_of_the_old_one_without_a_lost_call(nodes, artifact):
    handle = hermpkg_ray.deploy(artifact(2.0), "net", num_replicas=2)
    with calls_of(handle) as caller:
        caller.wait_for(20)
        hermpkg_ray.deploy(artifact(5.0, name="five.pt"), "net", num_replicas=2)
        caller.wait_for(20)
    assert caller.failures == []
    assert {*caller.answers} == {6.0, 15.0}
    assert caller.answers[-1] == 15.0
    assert handle.remote(ONES).result()[0, 0] == 15


def test_replicas_that_are_killed_are_replaced_and_fetch_nothing(nodes, artifact):
    file = artifact(3.0, name="killed.pt")
    handle = hermpkg_ray.deploy(file, "net", model="app.words:identified", num_replicas=2, options=SPREAD)
    with calls_of(handle, read=tuple) as caller:
        caller.wait_for(20)
        first = {process for process, _ in caller.answers}
        os.kill(min(first), signal.SIGKILL)
        until = time.monotonic() + 120
        while {process for process, _ in caller.answers} == first and time.monotonic() < until:
            time.sleep(0.1)
        caller.wait_for(20)
    # A call that a replica was busy with is reported; every other one is answered, and right.
    assert {value for _, value in caller.answers} == {3.0}
    assert len({process for process, _ in caller.answers} - first) == 1
    assert len(caller.failures) <= 4
    fetched = nodes_that_fetched(sha256(file))
    assert len(fetched) == len({*fetched})


def test_a_node_that_dies_is_done_without_and_a_new_one_fetches_once(nodes, artifact):
    file = artifact(4.0, name="moved.pt")
    handle = hermpkg_ray.deploy(file, "net", num_replicas=4, options=SPREAD)
    lost = nodes.others.pop()
    with calls_of(handle) as caller:
        caller.wait_for(20)
        nodes.remove(lost)
        nodes.others.append(nodes.add())
        caller.wait_for(100)
    assert {*caller.answers} == {12.0}
    assert len(caller.failures) <= 8
    until = time.monotonic() + 90
    while len(nodes_that_fetched(sha256(file))) < 3 and time.monotonic() < until:
        time.sleep(0.5)
    fetched = nodes_that_fetched(sha256(file))
    assert len(fetched) == len({*fetched}) == 3


def test_a_policy_decides_here_and_on_each_node(nodes, artifact):
    file = artifact(2.0)
    nothing = TrustPolicy(rules=[TrustRule(artifacts="net.pt")])
    with pytest.raises(TrustError):
        hermpkg_ray.deploy(file, trust=nothing)
    all_of_it = TrustPolicy(rules=[TrustRule(sha256=[sha256(file)], allow_all=True)])
    handle = hermpkg_ray.deploy(file, trust=all_of_it)
    assert handle.remote(ONES).result()[0, 0] == 6
    shared = hermpkg_ray.share(file)
    refused = hermpkg_ray.SharedArtifact(identity=shared.identity, trust=nothing)

    @ray.remote
    def load(shared):
        return shared.load()(ONES)

    with pytest.raises(TrustError, match=r"net\.pt"):
        ray.get(load.remote(refused))


def test_tasks_and_actors_of_ones_own(nodes, artifact):
    shared = hermpkg_ray.share(artifact(2.0))

    class Model:
        def __init__(self, shared):
            self.model = shared.load()

        def call(self, x):
            return self.model(x)

    actors = [ray.remote(Model).options(num_cpus=0.1).remote(shared) for _ in range(3)]
    pool = ray.util.ActorPool(actors)
    answers = [*pool.map(lambda actor, x: actor.call.remote(x), [ONES * number for number in range(6)])]
    assert [float(answer[0, 0]) for answer in answers] == [0, 6, 12, 18, 24, 30]


def test_what_cannot_be_deployed_is_told_before_anything_is(nodes, artifact, tmp_path):
    with pytest.raises(ArchiveError):
        hermpkg_ray.deploy(tmp_path / "missing.pt")
    (tmp_path / "text.pt").write_text("text")
    with pytest.raises(ArchiveError):
        hermpkg_ray.deploy(tmp_path / "text.pt")
    with pytest.raises(ModelNotFoundError):
        hermpkg_ray.deploy(artifact(2.0), model=("no", "such.pkl"))
    with pytest.raises(ValueError, match="ASCII"):
        hermpkg_ray.deploy(artifact(2.0), "größe")
    with pytest.raises(ValueError, match="share"):
        hermpkg_ray.deploy(hermpkg_ray.share(artifact(2.0)), trust="trust.toml")
    assert not serve.status().applications


def test_of_a_registry_each_node_pulls_once_itself(nodes, artifact, make_registry):  # noqa: F811
    from hermpkg_build.registry.push import push
    from hermpkg_build.registry.reference import Reference
    from hermpkg_build.registry.server import Connection

    file = artifact(8.0, name="pulled.pt")
    tagged = Reference.parse(f"oci://{make_registry().host}/team/net:1")
    pinned = push(file, tagged, Connection()).reference
    handle = hermpkg_ray.deploy(str(pinned), num_replicas=4, options=SPREAD)
    answers = [handle.remote(ONES) for _ in range(20)]
    assert {float(answer.result()[0, 0]) for answer in answers} == {24.0}
    fetched = nodes_that_fetched(sha256(file))
    assert len(fetched) == len({*fetched}) == 2
    with pytest.raises(CommandLineError, match="no digest"):
        hermpkg_ray.deploy(str(tagged))


def test_what_is_forgotten_can_be_fetched_no_more(nodes, artifact):
    shared = hermpkg_ray.share(artifact(7.0, name="seven.pt"))
    hermpkg_ray.forget(shared)
    assert shared.identity not in {kept.identity for kept in hermpkg_ray.shared_artifacts()}


def _post(address: str, data: object) -> Any:
    request = urllib.request.Request(address, json.dumps(data).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())
