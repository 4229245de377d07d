"""What /metrics tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from recsys.serving.state import Serving

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Meters:
    """Counts of requests, and the state of what is served, in a registry of their own."""

    def __init__(self, state: Serving) -> None:
        own = self.registry = CollectorRegistry()
        self.requests = Counter("recsys_requests", "Requests answered.", ["route", "status"], registry=own)
        self.seconds = Histogram(
            "recsys_request_seconds",
            "Time from the head of a request to its answer.",
            ["route"],
            buckets=BUCKETS,
            registry=own,
        )
        self.refused = Counter(
            "recsys_refused", "Requests refused before they were looked at.", ["reason"], registry=own
        )
        self.lists = Counter("recsys_lists", "Lists given, by what they were made from.", ["source"], registry=own)
        self.running = Gauge("recsys_requests_running", "Requests being answered.", registry=own)
        ProcessCollector(registry=self.registry)
        self.registry.register(_OfState(state))

    def text(self) -> bytes:
        """The exposition, as text/plain; version=0.0.4."""
        return generate_latest(self.registry)


class _OfState:
    """Read off the state whenever somebody asks."""

    def __init__(self, state: Serving) -> None:
        self.state = state

    def collect(self) -> Iterator[Metric]:
        state = self.state
        yield CounterMetricFamily("recsys_swaps", "Newer models taken over.", value=state.swaps)
        yield CounterMetricFamily(
            "recsys_swap_failures", "Newer models that could not be opened.", value=state.failures
        )
        trouble = GaugeMetricFamily("recsys_trouble", "1 where something newer is not served.", labels=["what"])
        for what in ("model", "registry", "items"):
            trouble.add_metric([what], float(what in state.troubles))
        yield trouble
        yield GaugeMetricFamily("recsys_ready", "1 where a model is served.", value=float(state.ready))
        if not state.ready:
            return
        live = state.live
        about = live.bundle.about
        info = GaugeMetricFamily(
            "recsys_model", "1 for what is served.", labels=["name", "version", "family", "digest"]
        )
        info.add_metric([about.facts.name, live.version, about.family, live.bundle.digest[:12]], 1.0)
        yield info
        yield GaugeMetricFamily("recsys_model_created_seconds", "When it was made.", about.facts.created.timestamp())
        yield GaugeMetricFamily("recsys_model_since_seconds", "When it was taken over.", live.since)
        yield GaugeMetricFamily("recsys_model_open_seconds", "How long it took to open.", state.seconds_to_open)
        allowed = about.items if live.allowed is None else len(live.allowed.positions)
        yield GaugeMetricFamily("recsys_items_allowed", "Items that may be recommended.", allowed)
        index = live.bundle.index
        if index is not None:
            recall = index.quality[0].recall if index.quality else float("nan")
            yield GaugeMetricFamily("recsys_index_recall", "Share of the exact lists, when it was built.", recall)
            yield CounterMetricFamily(
                "recsys_index_shortfalls", "Lists made without the index.", value=index.shortfalls
            )
