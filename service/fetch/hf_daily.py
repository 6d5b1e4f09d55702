"""The daily papers of Hugging Face as a source."""

import datetime as dt
from dataclasses import dataclass

from service.fetch.http import Http, check_json
from service.fetch.kept_pages import KeptPages
from service.fetch.source import Fetched
from service.ingest.digests.hf_daily import parse_hf_daily
from service.ingest.source import decode_utf8


@dataclass(frozen=True)
class HfDaily:
    """The daily papers as a ``Source``. ``base_url`` is that of the site. Many weekends have no papers."""

    base_url: str
    name: str = "Hugging Face daily papers"

    def address(self, day: dt.date) -> str:
        """See ``Source.address``."""
        return f"{self.base_url.rstrip('/')}/api/daily_papers?date={day}&limit=1"

    def fetch(self, http: Http, day: dt.date, _kept: KeptPages | None = None) -> Fetched:
        """See ``Source.fetch``."""
        url = f"{self.base_url.rstrip('/')}/api/daily_papers"
        body = http.get(url, {"date": day.isoformat(), "limit": "100"}, check=check_json)
        name = f"{url}?date={day}"
        papers, _, skipped = parse_hf_daily(decode_utf8(body, name), name)
        return Fetched("hf-daily", f"Daily papers, {day}", papers, skipped=skipped)
