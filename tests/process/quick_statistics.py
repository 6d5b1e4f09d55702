"""Runs ``paperfeed serve``, but looks for new statistics of the catalog every second, not every ten."""

import sys

from cli.main import main
from service.app.statistics import StatisticsKeeper

if __name__ == "__main__":
    defaults = StatisticsKeeper.__init__.__kwdefaults__
    assert defaults is not None
    defaults["poll_seconds"] = 1.0
    sys.argv = ["paperfeed", "serve"]
    main()
