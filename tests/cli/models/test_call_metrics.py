"""Reading the calls of both bundles from the metrics of servers."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from cli.models.call_metrics import MetricsUnavailable, calls_of, read_calls

PAGE = """# HELP paperfeed_ranking_duration_seconds Ranking time.
# TYPE paperfeed_ranking_duration_seconds histogram
paperfeed_ranking_duration_seconds_bucket{le="0.01",model_version="new"} 5.0
paperfeed_ranking_duration_seconds_bucket{le="+Inf",model_version="new"} 6.0
paperfeed_ranking_duration_seconds_count{model_version="new"} 6.0
paperfeed_ranking_duration_seconds_sum{model_version="new"} 0.2
paperfeed_ranking_duration_seconds_bucket{le="0.01",model_version="old"} 50.0
paperfeed_ranking_duration_seconds_bucket{le="+Inf",model_version="old"} 50.0
paperfeed_ranking_duration_seconds_count{model_version="old"} 50.0
paperfeed_ranking_duration_seconds_sum{model_version="old"} 0.1
# HELP paperfeed_ranking_failures_total Failures.
# TYPE paperfeed_ranking_failures_total counter
paperfeed_ranking_failures_total{model_version="new"} 2.0
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
    assert (new.answered, new.failed, new.total) == (12, 4, 16)
    assert (old.answered, old.failed) == (100, 0)
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
