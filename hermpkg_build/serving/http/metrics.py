"""What a server tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from hermpkg_build.serving.http.model import Model


class Metrics:
    """Counts requests, and tells what the pool of a model is at."""

    content_type: ClassVar[str] = CONTENT_TYPE_LATEST

    def __init__(self, model: Model) -> None:
        self._registry = CollectorRegistry()
        self._model = model
        self._requests = Counter(
            "hermpkg_requests",
            "Requests for inference, by status",
            ["model", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "hermpkg_request_seconds",
            "Seconds from a request to its answer",
            ["model"],
            registry=self._registry,
        )
        self._reloads = Counter(
            "hermpkg_reloads",
            "New versions, by whether they are served",
            ["model", "result"],
            registry=self._registry,
        )
        self._answers: dict[int, tuple[Any, Any]] = {}
        """The counter and the histogram of each status: to find them takes as long as to use them."""
        self._registry.register(_PoolCollector(model))

    def answered(self, status: int, seconds: float) -> None:
        """Note the answer to a request for inference."""
        found = self._answers.get(status)
        if found is None:
            name = self._model.name
            found = self._requests.labels(name, str(status)), self._seconds.labels(name)
            self._answers[status] = found
        requests, duration = found
        requests.inc()
        duration.observe(seconds)

    def reloaded(self, *, served: bool) -> None:
        """Note that a new version was there."""
        self._reloads.labels(self._model.name, "served" if served else "refused").inc()

    def page(self) -> bytes:
        """All of it as Prometheus reads it."""
        page: bytes = generate_latest(self._registry)
        return page


class _PoolCollector:
    def __init__(self, model: Model) -> None:
        self._model = model

    def collect(self) -> Iterator[Any]:
        state = self._model.pool.state()
        for name, text, value in (
            ("hermpkg_waiting_requests", "Requests that wait for a worker", state.waiting),
            ("hermpkg_busy_workers", "Workers that make calls", state.busy),
            ("hermpkg_workers", "Workers", len(state.workers)),
        ):
            gauge = GaugeMetricFamily(name, text, labels=["model"])
            gauge.add_metric([self._model.name], value)
            yield gauge
        counter = CounterMetricFamily("hermpkg_replaced_workers", "Workers that died", labels=["model"])
        counter.add_metric([self._model.name], state.replaced)
        yield counter
