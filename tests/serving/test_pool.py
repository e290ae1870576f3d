"""Calls of a pool: what they give, how they fail, and what becomes of workers that die or hang."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path

import pytest

from hermpkg_build import HermpkgError, PackageExporter, PackageImporter
from hermpkg_build.serving import (
    CallError,
    CallTimeoutError,
    Pool,
    PoolClosedError,
    QueueFullError,
    WorkerDiedError,
    WorkersFailedError,
)
from tests.serving.conftest import write_artifact


@pytest.fixture
def tick(tmp_path: Path):
    """Wait until the clock of the file system has moved."""

    def wait() -> None:
        time.sleep(0.02)

    return wait


def test_functions_and_pickles_are_called(pool):
    assert pool.call("app:echo", 1, b=2) == ((1,), {"b": 2})
    assert pool.call(("data", "words.pkl"), "a", method="get") == 1
    assert pool.submit("app:echo", 3).result() == ((3,), {})


def test_names_of_options_go_through_bind(pool):
    bound = pool.bind("app:echo", timeout=30)
    assert bound(timeout=1, method="x", target=2) == ((), {"timeout": 1, "method": "x", "target": 2})
    assert bound.submit(retries=1).result() == ((), {"retries": 1})


def test_map_keeps_the_order_and_takes_what_it_needs(pool):
    taken = []

    def numbers():
        for number in range(1000):
            taken.append(number)
            yield number

    results = pool.map("app:echo", numbers(), "abc" * 1000)
    assert next(results) == ((0, "a"), {})
    assert len(taken) < 50
    assert [args for args, _ in results] == [(n, "abc"[n % 3]) for n in range(1, 1000)]
    assert list(pool.map("app:echo", [])) == []


def test_calls_run_at_the_same_time(artifact, tmp_path):
    with Pool(artifact, 3, preload=()) as pool:
        futures = [pool.submit("app:meet", str(tmp_path), 3) for _ in range(3)]
        assert [future.result() for future in futures] == [3] * 3


def test_tasks_await_calls(pool):
    async def main():
        return await asyncio.gather(*(pool.acall("app:echo", n) for n in range(20)))

    assert [args for args, _ in asyncio.run(main())] == [(n,) for n in range(20)]
    assert pool.call("app:later", 5) == 5


@pytest.mark.parametrize("size", [10, 100_000, 3_000_000])
def test_data_of_any_size(pool, size):
    data = os.urandom(size)
    assert pool.call("app:echo", data, {"x": [data]}) == ((data, {"x": [data]}), {})


def test_an_exception_of_python_travels_as_it_is(pool):
    with pytest.raises(KeyError, match="nothing") as caught:
        pool.call("app:missing", "nothing")
    text = "".join(traceback.format_exception(caught.value))
    assert "return {}[key]" in text
    assert "serving/inside" not in text


def test_an_exception_of_a_packaged_class_travels_as_what_is_known_of_it(pool):
    with pytest.raises(CallError, match="too long") as caught:
        pool.call("app:refuse", "too long")
    assert isinstance(caught.value, ValueError)
    assert caught.value.type_name == "app.Refused"
    assert "raise Refused(text)" in caught.value.traceback
    assert "raise Refused(text)" in "".join(traceback.format_exception(caught.value))


def test_with_an_importer_packaged_classes_go_both_ways(artifact):
    with PackageImporter(artifact) as importer, Pool(artifact, 1, preload=(), importer=importer) as pool:
        app = importer.import_module("app")
        word = pool.call("app:word", "hello")
        assert type(word) is app.Word
        assert pool.call("app:text_of", word) == "hello"
        with pytest.raises(app.Refused, match="no"):
            pool.call("app:refuse", "no")


def test_a_result_of_a_packaged_class_is_refused_where_there_is_no_importer(pool):
    with pytest.raises(CallError, match="importer"):
        pool.call("app:word", "hello")
    assert pool.call("app:pid")


def test_what_cannot_be_called_or_sent_is_said(pool):
    with pytest.raises(TypeError, match="name a method"):
        pool.call(("data", "words.pkl"))
    with pytest.raises(AttributeError, match="nowhere"):
        pool.call("app:nowhere")
    with pytest.raises(HermpkgError, match=r"nowhere\.pkl"):
        pool.call(("data", "nowhere.pkl"))
    with pytest.raises((TypeError, AttributeError)):
        pool.call("app:echo", lambda: None)
    with pytest.raises(ValueError, match="a target is"):
        pool.call("app")
    with pytest.raises(TypeError, match="by its path"):
        Pool(b"bytes")
    with pytest.raises(ValueError, match="workers"):
        Pool("x.pt", 0)


@pytest.mark.parametrize(
    ("function", "argument", "told"),
    [
        ("kill", signal.SIGKILL, "SIGKILL"),
        ("kill", signal.SIGSEGV, "SIGSEGV"),
        ("leave", 0, "exit status 0"),
        ("leave", 3, "exit status 3"),
    ],
)
def test_a_worker_that_dies_is_replaced_and_its_call_reported(pool, function, argument, told):
    with pytest.raises(WorkerDiedError, match=told):
        pool.call(f"app:{function}", argument)
    assert [pool.call("app:version") for _ in range(4)] == ["1"] * 4


def test_the_exit_of_a_call_is_the_caller_s_to_see_and_not_to_follow(pool):
    with pytest.raises(CallError, match="SystemExit"):
        pool.call("app:end", 3)


def test_a_call_is_retried_as_often_as_it_may(pool, tmp_path):
    assert pool.call("app:once", str(tmp_path / "a"), None, retries=1) == "alive"
    with pytest.raises(WorkerDiedError):
        pool.call("app:kill", signal.SIGKILL, retries=2)


def test_a_call_that_has_not_begun_is_made_by_another_worker(pool):
    for _ in range(10):
        for process in pool.state().workers:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        assert pool.call("app:version") == "1"


def test_a_call_that_hangs_is_ended_at_its_time(pool):
    start = time.monotonic()
    with pytest.raises(CallTimeoutError, match="made it"):
        pool.call("app:version", 600, timeout=1.5)
    assert time.monotonic() - start < 300
    with pytest.raises(TimeoutError):
        pool.submit("app:version", 600, timeout=0.2).result()
    assert pool.call("app:version") == "1"


def test_calls_whose_time_ends_while_they_wait_are_not_made(artifact, tmp_path):
    with Pool(artifact, 1, preload=()) as pool:
        blocking = pool.submit("app:version", 3)
        with pytest.raises(CallTimeoutError, match="waited"):
            pool.call("app:once", str(tmp_path / "made"), None, timeout=0.2)
        assert blocking.result() == "1"
        pool.call("app:version")
        assert not (tmp_path / "made").exists()


def test_calls_that_wait_can_be_cancelled(artifact, tmp_path):
    with Pool(artifact, 1, preload=()) as pool:
        blocking = pool.submit("app:version", 0.5)
        while not blocking.running():
            time.sleep(0.01)
        waiting = pool.submit("app:once", str(tmp_path / "made"), None)
        assert waiting.cancel()
        assert pool.state().waiting == 0
        assert blocking.result() == "1"
        assert not blocking.cancel()

        async def main():
            blocking = pool.submit("app:version", 0.5)
            task = asyncio.create_task(pool.acall("app:once", str(tmp_path / "made"), None))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await asyncio.wrap_future(blocking)

        assert asyncio.run(main()) == "1"
        pool.call("app:version")
        assert not (tmp_path / "made").exists()


def test_a_full_queue_is_told_or_waited_for(artifact):
    with Pool(artifact, 1, preload=(), queue=2) as pool:
        futures = [pool.submit("app:version", 0.3) for _ in range(3)]
        bound = pool.bind("app:version", wait=False)
        with pytest.raises(QueueFullError):
            [bound.submit() for _ in range(3)]
        futures.append(pool.submit("app:version"))
        assert [future.result() for future in futures] == ["1"] * 4

        async def main():
            return await asyncio.gather(*(pool.acall("app:version", 0.01) for _ in range(10)))

        assert asyncio.run(main()) == ["1"] * 10


def test_a_new_version_takes_over_without_a_lost_call(tmp_path):
    path = tmp_path / "app.pt"
    with Pool(write_artifact(path, "1"), 2, preload=()) as pool:
        seen: list[str] = []
        stop = threading.Event()

        def call():
            while not stop.is_set():
                seen.append(pool.call("app:version", 0.002))

        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        slow = pool.submit("app:version", 1)
        while not slow.running():
            time.sleep(0.01)
        for version in ("2", "3"):
            write_artifact(path, version)
            pool.swap()
            assert pool.call("app:version") == version
        stop.set()
        for thread in threads:
            thread.join()
        assert slow.result() == "1"
        assert set(seen) <= {"1", "2", "3"}


def test_a_version_that_does_not_work_changes_nothing(tmp_path):
    path = tmp_path / "app.pt"
    with Pool(write_artifact(path), 1, preload=()) as pool:
        assert pool.call(("data", "words.pkl"), "a", method="get") == 1
        other = tmp_path / "other.pt"
        other.write_bytes(b"nothing")
        with pytest.raises(HermpkgError):
            pool.swap(other)
        with PackageExporter(str(other)) as exporter:
            exporter.save_source_string("app", "x = 1")
        # What was called is not in it.
        with pytest.raises(HermpkgError, match=r"words\.pkl"):
            pool.swap(other)
        assert pool.call("app:version") == "1"


def test_conflicting_versions_side_by_side(tmp_path):
    first, second = write_artifact(tmp_path / "a.pt", "1"), write_artifact(tmp_path / "b.pt", "2")
    with Pool(first, 1, preload=()) as one, Pool(second, 1, preload=()) as other:
        assert (one.call("app:version"), other.call("app:version")) == ("1", "2")


def test_a_file_that_is_written_over_is_noticed(tmp_path, tick):
    path = tmp_path / "app.pt"
    with Pool(write_artifact(path), 1, preload=()) as pool:
        assert pool.call("app:version") == "1"
        tick()
        os.utime(path)
        assert pool.call("app:version") == "1"
        data = bytearray(path.read_bytes())
        data[data.index(b"VERSION = '1'") + 11] = ord("7")
        tick()
        path.write_bytes(data)
        with pytest.raises(HermpkgError, match="written over"):
            pool.call("app:version")
        pool.swap(write_artifact(path, "2"))
        assert pool.call("app:version") == "2"


def test_a_file_that_is_renamed_over_goes_on(tmp_path):
    path = tmp_path / "app.pt"
    with Pool(write_artifact(path, "1"), 1, preload=()) as pool:
        write_artifact(path, "2")
        with pytest.raises(WorkerDiedError):
            pool.call("app:kill", signal.SIGKILL)
        assert pool.call("app:version") == "1"


def test_a_worker_whose_descriptors_run_out_is_replaced_and_no_call_fails(artifact):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        # No other pool starts from the same process, which has had the limit from its start.
        with Pool(artifact, 1, preload=("json",)) as pool:
            processes = [pool.call("app:leak", 30) for _ in range(14)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(set(processes)) > 1


def test_what_no_memory_can_be_had_for_is_told_and_harms_no_other_call(artifact):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        # No other pool starts from the same process, which has had the limit from its start.
        with Pool(artifact, 1, preload=("fractions",)) as pool:
            worker = pool.call("app:pid")
            for function, args in (("echo", [bytes(2 << 20)]), ("zeros", [2 << 20])):
                with pytest.raises(OSError, match="no memory for a message of 2,097,"):
                    pool.call(f"app:{function}", *args)
            futures = [pool.submit("app:zeros", size) for size in (10, 2 << 20, 100_000)]
            assert [each.exception() is None for each in futures] == [True, False, True]
            assert pool.call("app:pid") == worker
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("kills", [2, 9])
def test_a_first_worker_that_is_killed_while_it_loads_is_started_again(tmp_path, kills):
    source = f"""
import os
path = {str(tmp_path / "starts")!r}
with open(path, "a") as file: file.write("x")
if os.stat(path).st_size <= {kills}: os.kill(os.getpid(), 9)
def starts(): return os.stat(path).st_size
"""
    with PackageExporter(str(tmp_path / "killed.pt")) as exporter:
        exporter.extern("os")
        exporter.save_source_string("killed", source)

    def call() -> int:
        with Pool(tmp_path / "killed.pt", 1, load=["killed:starts"], preload=()) as pool:
            return pool.call("killed:starts")

    if kills == 2:
        assert call() == 3
        return
    with pytest.raises(WorkersFailedError, match="killed by SIGKILL"):
        call()
    assert (tmp_path / "starts").stat().st_size == 3


def test_what_a_worker_has_started_ends_with_it(artifact):
    with Pool(artifact, 1, preload=()) as pool:
        started = pool.call("app:sleeper")
        with pytest.raises(WorkerDiedError):
            pool.call("app:kill", signal.SIGKILL)
        assert gone(started)
        started = [pool.call("app:sleeper"), pool.call("app:daemon")]
        for each in started:
            os.kill(each, 0)
    assert all(map(gone, started))


def test_a_child_that_comes_back_from_a_call_ends(pool):
    child = pool.call("app:forked")
    assert child > 0
    assert gone(child)
    assert pool.call("app:version") == "1"


def test_closing_waits_for_calls_or_does_not(artifact):
    pool = Pool(artifact, 1, preload=())
    futures = [pool.submit("app:version", 0.1) for _ in range(3)]
    pool.close()
    assert [future.result() for future in futures] == ["1"] * 3
    pool = Pool(artifact, 1, preload=())
    futures = [pool.submit("app:version", 30) for _ in range(3)]
    start = time.monotonic()
    pool.close(drain=False)
    assert time.monotonic() - start < 20
    for future in futures:
        with pytest.raises(PoolClosedError):
            future.result()
    with pytest.raises(PoolClosedError):
        pool.call("app:version")
    pool.close()


def test_all_processes_may_be_killed(artifact):
    # No other pool has the same warm process.
    with Pool(artifact, 2, preload=("decimal",)) as pool:
        for above in (1, 2):
            worker = process = pool.call("app:pid", retries=5)
            warm = parent_of(parent_of(worker))
            for _ in range(above):
                process = parent_of(process)
            assert "serving.inside" in Path(f"/proc/{process}/cmdline").read_text()
            os.kill(process, signal.SIGKILL)
            assert gone(worker)
            again = pool.call("app:pid", retries=5)
            # What all have imported is imported again only where that is lost.
            assert (parent_of(parent_of(again)) == warm) == (above == 1)


def test_workers_end_when_their_pool_is_killed(artifact):
    import subprocess
    import sys

    script = (
        "import sys, os, signal\n"
        "from hermpkg_build.serving import Pool\n"
        "pool = Pool(sys.argv[1], 2, preload=())\n"
        "busy = pool.submit('app:version', 1000)\n"
        "print(*pool.state().workers, pool.call('app:sleeper'), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script, artifact], check=False, **OUTPUT)
    for process in map(int, ran.stdout.split()):
        assert gone(process)


def test_a_pool_that_nobody_closes_ends_with_its_process(artifact):
    import subprocess
    import sys

    script = (
        "import sys\nfrom hermpkg_build.serving import Pool\npool = Pool(sys.argv[1], 1, preload=())\n"
        "busy = pool.submit('app:version', 1000)\nprint(*pool.state().workers)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script, artifact], check=False, **OUTPUT)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert gone(int(ran.stdout))


def test_a_fork_of_the_caller_cannot_use_the_pool_and_does_not_harm_it(pool):
    child = os.fork()
    if not child:
        try:
            pool.call("app:version")
        except PoolClosedError:
            pool.close()
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert pool.call("app:version") == "1"


def test_workers_that_cannot_start_are_told_to_those_who_wait(artifact, tmp_path, monkeypatch):
    from hermpkg_build import PackageExporter

    flag = tmp_path / "broken"
    path = tmp_path / "app.pt"
    with PackageExporter(str(path)) as exporter:
        exporter.extern("os")
        exporter.save_source_string(
            "app",
            f"import os\nif os.path.exists({str(flag)!r}): raise RuntimeError('broken')\n"
            "def die(): os._exit(1)\ndef fine(): return 1",
        )
    with Pool(path, 1, preload=(), load=["app:fine"]) as pool:
        flag.touch()
        with pytest.raises(WorkerDiedError):
            pool.call("app:die")
        with pytest.raises(HermpkgError, match="broken"):
            pool.call("app:fine")
        flag.unlink()
        assert pool.bind("app:fine", timeout=60)() == 1
    flag.touch()
    with pytest.raises(RuntimeError, match="broken"):
        Pool(path, 1, preload=(), load=["app:fine"])


def test_an_artifact_that_cannot_be_opened_is_the_importer_s_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Pool(tmp_path / "none.pt", 1, preload=())
    (tmp_path / "bad.pt").write_bytes(b"PK")
    with pytest.raises(HermpkgError):
        Pool(tmp_path / "bad.pt", 1, preload=())


def test_a_pool_is_refused_what_the_policy_refuses(artifact, tmp_path):
    from hermpkg_build import TrustError

    policy = tmp_path / "trust.toml"
    policy.write_text('[[artifact]]\nartifacts = "other.pt"\nmodules = "app"\n')
    with pytest.raises(TrustError, match="not accepted"):
        Pool(artifact, 1, preload=(), trust=policy)


def test_one_worker_is_asked_again(artifact):
    with Pool(artifact, 2, preload=()) as pool:
        for index in range(2):
            bound = pool.bind("app:pid", worker=index)
            assert {bound() for _ in range(5)} == {pool.state().workers[index]}
        with pytest.raises(ValueError, match="worker"):
            pool.bind("app:pid", worker=2)


def test_nothing_is_left_in_shared_memory(artifact):
    before = set(os.listdir("/dev/shm")) if Path("/dev/shm").exists() else set()
    with Pool(artifact, 1, preload=()) as pool:
        pool.call("app:echo", bytes(1_000_000))
        with pytest.raises(WorkerDiedError):
            pool.call("app:kill", signal.SIGKILL)
        mine = [name for name in set(os.listdir("/dev/shm")) - before if "hermpkg" in name]
        assert not mine


OUTPUT = {"capture_output": True, "text": True, "timeout": 60}


def gone(process: int) -> bool:
    """Whether a process ends in time."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.01)
    return False


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
