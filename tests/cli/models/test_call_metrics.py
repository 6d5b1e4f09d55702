"""Reading the calls of both bundles from the metrics of servers."""

import http.server
import threading
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily

from cli.models.call_metrics import RANKINGS, SECONDS, MetricsUnavailable, calls_of, read_calls
from service.app.ranking.ranking_times import BOUNDS, RankingTimes, ranking_buckets, ranking_counts

PAGE = """# HELP paperfeed_ranking_seconds_bucket_total Single rankings.
# TYPE paperfeed_ranking_seconds_bucket_total counter
paperfeed_ranking_seconds_bucket_total{le="0.01",model_version="new"} 5.0
paperfeed_ranking_seconds_bucket_total{le="+Inf",model_version="new"} 6.0
paperfeed_ranking_seconds_bucket_total{le="0.01",model_version="old"} 50.0
paperfeed_ranking_seconds_bucket_total{le="+Inf",model_version="old"} 50.0
# HELP paperfeed_rankings_total Rankings.
# TYPE paperfeed_rankings_total counter
paperfeed_rankings_total{model_version="new",outcome="answered"} 7.0
paperfeed_rankings_total{model_version="new",outcome="failed"} 2.0
paperfeed_rankings_total{model_version="old",outcome="answered"} 60.0
"""


@pytest.fixture
def url() -> Iterator[str]:
    """A server that answers with the page."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/metrics" else 404)
            self.end_headers()
            self.wfile.write(PAGE.encode())

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_calls_are_summed_over_servers(url: str) -> None:
    """The counts of all servers are added, for each bundle."""
    found = read_calls([f"{url}/metrics", f"{url}/metrics"], "new", "old")

    assert found is not None
    new, old = found
    assert (new.answered, new.failed, new.total) == (14, 4, 18)
    assert (old.answered, old.failed) == (120, 0)
    assert new.seconds.bounds == (0.01, float("inf"))
    assert new.seconds.counts == (10, 12)


def test_a_bundle_without_calls() -> None:
    """If the calls of one bundle are not counted, nothing is known."""
    assert calls_of([PAGE], "new", "other") is None
    assert calls_of([""], "new", "old") is None


def test_no_metrics(url: str) -> None:
    """A page that is missing is named."""
    with pytest.raises(MetricsUnavailable, match="/nothing"):
        read_calls([f"{url}/nothing"], "new", "old")
    with pytest.raises(MetricsUnavailable, match="not-a-url"):
        read_calls(["not-a-url"], "new", "old")


def test_other_pages() -> None:
    """A page in another format is an error."""
    with pytest.raises(MetricsUnavailable, match="not in the format"):
        calls_of(["{not metrics"], "new", "old")


def test_what_servers_count_is_read() -> None:
    """The counts of a server's process, exported under the names that docs/models.md gives, are read unchanged."""
    times = {"new": RankingTimes(), "old": RankingTimes()}
    for version, count in (("new", 3), ("old", 30)):
        for _ in range(count):
            with times[version].measured(1):
                pass
    with pytest.raises(KeyError), times["new"].measured(2):
        raise KeyError

    class Exported:
        def collect(self) -> Iterator[CounterMetricFamily]:
            readings = {RANKINGS: ranking_counts(times), SECONDS: ranking_buckets(times)}
            for name, counts in readings.items():
                rows = list(counts)
                family = CounterMetricFamily(name, name, labels=list(rows[0][1]))
                for count, labels in rows:
                    family.add_metric(list(labels.values()), count)
                yield family

    registry = CollectorRegistry()
    registry.register(Exported())
    found = calls_of([generate_latest(registry).decode()], "new", "old")

    assert found is not None
    assert [(each.answered, each.failed, each.seconds.total) for each in found] == [(3, 2, 3), (30, 0, 30)]
    assert found[0].seconds.bounds == BOUNDS
