"""Runs tests in processes that are forked from one that has collected all: with ``--forks 4`` in four.

So what tests import is imported once, collected once, and lies in memory once. Each process has a part of the
tests, in their order; one that has done its own takes half of what the slowest has left.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.forks.processes import start_servers

_FAILED = 3
_THREADS = "OMP_NUM_THREADS"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Have ``--forks``."""
    told = "run tests in so many processes, forked from the one that collects them"
    parser.addoption("--forks", type=int, default=0, metavar="COUNT", help=told)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Have libraries that compute in threads start none while tests are collected: no fork has them."""
    with pytest.MonkeyPatch.context() as patch:
        if session.config.option.forks:
            patch.setenv(_THREADS, "1")
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run tests in forked processes, if that is asked for."""
    count = session.config.option.forks
    if not count or session.config.option.collectonly or not session.items or session.testsfailed:
        return None
    threads = [thread.name for thread in threading.enumerate()]
    if len(threads) > 1:
        raise pytest.UsageError(f"--forks: the modules of tests have started threads: {threads}")
    start_servers()
    _Run(session, count).run()
    return True


@dataclass(kw_only=True)
class _Worker:
    """A process that runs tests, as the one sees it that it was forked from."""

    number: int
    process: int
    connection: Any
    given: deque[int] = field(default_factory=deque)
    """Tests that it was told to run, and has not told of. The first is being run."""


class _Run:
    def __init__(self, session: pytest.Session, count: int) -> None:
        self._session, self._hook = session, session.config.hook
        ends = [len(session.items) * number // count for number in range(count + 1)]
        self._parts: list[Sequence[int]] = [range(*part) for part in pairwise(ends)]
        self._workers: dict[Any, _Worker] = {}
        factory: pytest.TempPathFactory = session.config._tmp_path_factory  # type: ignore[attr-defined]
        self._folder = factory.getbasetemp()
        self._reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if self._reporter:
            # Files take turns: their names would be all that is to be seen.
            self._reporter.showfspath = False

    def run(self) -> None:
        """Run all tests and report them as one process would."""
        try:
            for number in range(len(self._parts)):
                self._start(number)
            while self._workers:
                for connection in wait([*self._workers]):
                    self._hear(self._workers[connection])
                    if self._session.shouldfail:
                        raise self._session.Failed(self._session.shouldfail)
                    if self._session.shouldstop:
                        raise self._session.Interrupted(self._session.shouldstop)
        finally:
            # Each ends after the test that it runs.
            for worker in self._workers.values():
                worker.connection.close()
            for worker in self._workers.values():
                os.waitpid(worker.process, 0)

    def _start(self, number: int) -> None:
        ours, theirs = Pipe()
        if self._reporter:
            self._reporter.flush()
        sys.stderr.flush()
        process = os.fork()
        if not process:
            for connection in (ours, *self._workers):
                connection.close()
            _work(self._session, theirs, name=f"gw{number}", folder=self._folder)
        theirs.close()
        worker = self._workers[ours] = _Worker(number=number, process=process, connection=ours)
        # It is told of the next test, too: what that one shares with the present one, it keeps.
        self._give(worker)
        self._give(worker)

    def _give(self, worker: _Worker) -> None:
        index = self._next(worker.number % len(self._parts))
        if index is not None:
            worker.given.append(index)
        with suppress(OSError):
            worker.connection.send(index)

    def _next(self, number: int) -> int | None:
        if not self._parts[number]:
            longest = max(range(len(self._parts)), key=lambda each: len(self._parts[each]))
            part = self._parts[longest]
            middle = len(part) // 2
            self._parts[longest], self._parts[number] = part[:middle], part[middle:]
        part = self._parts[number]
        self._parts[number] = part[1:]
        return part[0] if part else None

    def _hear(self, worker: _Worker) -> None:
        try:
            told = worker.connection.recv()
        except (EOFError, OSError):
            self._end(worker)
            return
        self._tell(worker.given.popleft(), told)
        self._give(worker)

    def _tell(self, index: int, told: _Told) -> None:
        item = self._session.items[index]
        self._hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for warning in told.warnings:
            self._hook.pytest_warning_recorded.call_historic(kwargs=warning)
        for data in told.reports:
            report = self._hook.pytest_report_from_serializable(config=self._session.config, data=data)
            self._hook.pytest_runtest_logreport(report=report)
        self._hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def _end(self, worker: _Worker) -> None:
        """Take note of a process that has ended; if it should not have, tell the test that ended it."""
        del self._workers[worker.connection]
        worker.connection.close()
        _, status = os.waitpid(worker.process, 0)
        if not status and not worker.given:
            return
        name = f"the end of gw{worker.number}"
        nodeid, location = name, (name, None, name)
        if worker.given:
            item = self._session.items[worker.given.popleft()]
            nodeid, location = item.nodeid, item.location
        code = os.waitstatus_to_exitcode(status)
        how = f"with code {code}" if code >= 0 else f"by signal {-code}"
        report = pytest.TestReport(
            nodeid=nodeid,
            location=location,
            keywords={},
            outcome="failed",
            longrepr=f"the process that ran this ended {how}",
            when="call",
        )
        self._hook.pytest_runtest_logreport(report=report)
        number = worker.number % len(self._parts)
        self._parts[number] = [*worker.given, *self._parts[number]]
        if any(self._parts):
            self._start(worker.number + len(self._parts))


@dataclass(kw_only=True)
class _Told:
    """What a process tells of a test."""

    reports: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)


class _Reporter:
    """Gathers what is to be told of a test, in the process that runs it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.told = _Told()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self.told.reports.append(data)

    def pytest_warning_recorded(
        self,
        warning_message: warnings.WarningMessage,
        when: str,
        nodeid: str,
        location: tuple[str, int, str] | None,
    ) -> None:
        # Texts are all that is printed of it, and its class and source can be anything.
        kind = warning_message.category
        is_known = kind.__module__ == "builtins"
        text = f"{'' if is_known else f'{kind.__name__}: '}{warning_message.message}"
        line, number = warning_message.filename, warning_message.lineno
        message = warnings.WarningMessage(text, kind if is_known else Warning, line, number)
        self.told.warnings.append(
            {"warning_message": message, "when": when, "nodeid": nodeid, "location": location}
        )


def _work(session: pytest.Session, connection: Connection, *, name: str, folder: Path) -> NoReturn:
    """Run the tests of which the connection tells, and end."""
    code = 0
    try:
        _settle(session.config, name, folder)
        reporter = _Reporter(session.config)
        session.config.pluginmanager.register(reporter)
        try:
            for index, following in _pairs(connection):
                reporter.told = _Told()
                session.config.hook.pytest_runtest_protocol(
                    item=session.items[index],
                    nextitem=None if following is None else session.items[following],
                )
                connection.send(reporter.told)
        finally:
            session.config.hook.pytest_sessionfinish(session=session, exitstatus=pytest.ExitCode.OK)
            session.config.hook.pytest_unconfigure(config=session.config)
    except BaseException as error:
        code = _FAILED
        if not isinstance(error, KeyboardInterrupt | BrokenPipeError):
            traceback.print_exc(file=sys.__stderr__)
    # All that an interpreter does at its end, but take modules apart.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    os._exit(code)


def _settle(config: pytest.Config, name: str, folder: Path) -> None:
    """Be a process of the run: with folders of its own, what it prints by itself, and nothing said of it."""
    # As processes of pytest-xdist call themselves, which plugins know.
    os.environ["PYTEST_XDIST_WORKER"] = name
    config.workerinput = {"workerid": name}  # type: ignore[attr-defined]
    torch: Any = sys.modules.get("torch")
    if torch:
        torch.set_num_threads(int(os.environ.get(_THREADS) or len(os.sched_getaffinity(0))))
    plugins = config.pluginmanager
    plugins.unregister(name="terminalreporter")
    config.option.basetemp = str(folder / name)
    temporary, capture = plugins.get_plugin("tmpdir"), plugins.get_plugin("capturemanager")
    assert temporary
    temporary.pytest_configure(config)
    if capture:
        # The files that it has are those of all processes.
        capture.stop_global_capturing()
        capture.start_global_capturing()
        capture.suspend_global_capture()


def _pairs(connection: Connection) -> Iterator[tuple[int, int | None]]:
    """Each test with the one that follows; to the end of all, or of the process that tells of them."""
    with suppress(EOFError, ConnectionResetError):
        index = connection.recv()
        while index is not None:
            following = connection.recv()
            yield index, following
            index = following
