"""Runs the supervisor of ``paperfeed serve --workers``, but with short pauses, and gives up after three failures."""

import sys

from service import logs
from service.config import Settings
from service.process.failures import run
from service.process.supervision import RestartPolicy
from service.process.supervisor import Supervisor

POLICY = RestartPolicy(pause_seconds=0.05, max_database_pause_seconds=0.1, max_failures=3)


def main() -> None:
    """Serve as the environment says."""
    settings = Settings.read()
    logs.configure(settings.log_level)

    def announce(port: int) -> None:
        sys.stdout.write(f"listening on {settings.host}:{port}\n")
        sys.stdout.flush()

    sys.exit(Supervisor(settings, POLICY).run(announce))


if __name__ == "__main__":
    sys.exit(run(main))
