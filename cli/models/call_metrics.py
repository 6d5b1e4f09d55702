"""Reads from the metrics of servers how often each bundle ranked, how long that took, and how often it failed."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.judgement.calls import Calls

SECONDS = "paperfeed_ranking_seconds_bucket_total"
"""Single rankings by the labels ``model_version`` and ``le``, the seconds that they did not exceed."""
RANKINGS = "paperfeed_rankings_total"
"""Rankings by the labels ``model_version`` and ``outcome``, ``answered`` or ``failed``."""
VERSION = "model_version"
_TIMEOUT_SECONDS = 10.0


class MetricsUnavailable(Exception):
    """A page of metrics cannot be read; the message names its URL."""


def read_calls(urls: Sequence[str], canary: str, serving: str) -> "tuple[Calls, Calls] | None":
    """Return the calls of both bundles, summed over all servers, since the servers started.

    Returns:
        None if the metrics do not count the calls of one of the bundles.

    Raises:
        MetricsUnavailable: A page does not answer or is not in Prometheus's text format.
    """
    return calls_of([_page(url) for url in urls], canary, serving)


def calls_of(pages: Iterable[str], canary: str, serving: str) -> "tuple[Calls, Calls] | None":
    """Return the calls of both bundles, summed over pages in Prometheus's text format; see ``read_calls``."""
    from prometheus_client.parser import text_string_to_metric_families

    from training.judgement.calls import Buckets, Calls

    seconds: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    outcomes: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for page in pages:
        try:
            families = list(text_string_to_metric_families(page))
        except ValueError as error:
            raise MetricsUnavailable(f"the metrics are not in the format of Prometheus ({error})") from error
        for sample in (sample for family in families for sample in family.samples):
            version = sample.labels.get(VERSION, "")
            if sample.name == SECONDS:
                seconds[version][float(sample.labels["le"])] += sample.value
            elif sample.name == RANKINGS:
                outcomes[version][sample.labels["outcome"]] += sample.value
    if not {canary, serving} <= outcomes.keys():
        return None

    def calls(version: str) -> Calls:
        bounds = sorted(seconds[version])
        buckets = Buckets(tuple(bounds), tuple(seconds[version][bound] for bound in bounds))
        return Calls(outcomes[version]["answered"], outcomes[version]["failed"], buckets)

    return calls(canary), calls(serving)


def _page(url: str) -> str:
    import httpx

    try:
        answer = httpx.get(url, timeout=_TIMEOUT_SECONDS, follow_redirects=False)
        answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise MetricsUnavailable(f"{url}: the metrics cannot be read ({error})") from error
    return answer.text
