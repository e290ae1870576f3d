"""A worker: waits for calls, makes them, and answers, until its pool or its opener is gone."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from hermpkg_build.disk.processes import end_with
from hermpkg_build.runtime.importer import PackageImporter
from hermpkg_build.serving.channel import Channel, EndOfChannel, Part
from hermpkg_build.serving.inside.descriptors import Descriptors
from hermpkg_build.serving.inside.running import Runner
from hermpkg_build.serving.progress import Progress
from hermpkg_build.serving.raised import pack_raised
from hermpkg_build.serving.requests import Load, Opening, Ran, Run
from hermpkg_build.serving.tickets import TicketsInside


def work(
    channel: Channel,
    progress: Progress,
    tickets: TicketsInside,
    importer: PackageImporter,
    opening: Opening,
    opener: int,
    device: str | None,
) -> None:
    """Serve `channel` until the other side closes it; `opener` is the parent of this process."""
    end_with(opener)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    _settle(opening)
    process = os.getpid()
    runner = Runner(importer, grad=opening.grad, version=opening.version, device=device)
    descriptors: Descriptors | None = None
    with suppress(EndOfChannel):
        while True:
            parts, _ = channel.receive()
            request: Load | Run = pickle.loads(parts[0])
            if isinstance(request, Load):
                answer = _load(runner, request)
            elif request.back and not tickets.get(request.message):
                continue
            else:
                answer = _run(runner, progress, request, parts[1:])
            if os.getpid() != process:
                # Served code has forked, and its child has come back from the call.
                return
            channel.done()
            try:
                channel.send(answer)
            except OSError as error:
                channel.send(_not_sent(request, answer, error))
            if descriptors is None:
                # After the first one, so that what loading has opened counts as needed.
                descriptors = Descriptors()
            elif descriptors.run_out():
                # Another one takes its place, and what it had ahead.
                print("a worker ends, for what it calls leaves files open", file=sys.stderr, flush=True)
                return


def _settle(opening: Opening) -> None:
    """Let this process be one of several that share processors, and draw random numbers of its own."""
    torch, numpy_random = sys.modules.get("torch"), sys.modules.get("numpy.random")
    if torch is not None:
        torch.set_num_threads(opening.threads)
    if numpy_random is not None:
        numpy_random.seed()


def _not_sent(request: Load | Run, answer: Sequence[Part], error: OSError) -> list[Part]:
    """Return what is answered in place of an answer for which there is no memory."""
    raised = pack_raised(error, frames_of_ours=2)
    if isinstance(request, Load):
        return [pickle.dumps(request.targets), *raised]
    ran: Ran = pickle.loads(answer[0])
    count = len(ran.outcomes)
    return [pickle.dumps(ran._replace(outcomes=[("raised", len(raised))] * count)), *raised * count]


def _load(runner: Runner, request: Load) -> list[Part]:
    try:
        for target in request.targets:
            runner.load(target)
    except BaseException as error:  # noqa: BLE001 -- it is told
        return [pickle.dumps(target), *pack_raised(error, frames_of_ours=2)]
    return [pickle.dumps(None)]


def _run(runner: Runner, progress: Progress, request: Run, parts: Sequence[Part]) -> list[Part]:
    calls: list[Sequence[Part]] = []
    at = 0
    for _, count in request.callees:
        calls.append(parts[at : at + count])
        at += count
    apart = ""
    start = time.perf_counter()
    if request.together and len(calls) > 1:
        outcomes, apart = runner.run_together(
            request.callees[0][0], calls, lambda index: progress.begin(request.message, index)
        )
    else:
        outcomes = []
        for index, ((callee, _), call) in enumerate(zip(request.callees, calls, strict=True)):
            progress.begin(request.message, index)
            outcomes.append(runner.run(callee, call))
    ran = Ran(
        request.message,
        [(kind, len(made)) for kind, made in outcomes],
        apart,
        time.perf_counter() - start,
    )
    return [pickle.dumps(ran), *(part for _, made in outcomes for part in made)]
