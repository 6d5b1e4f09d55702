"""``paperfeed serve --workers`` with a supervisor that waits only briefly before it starts a worker again."""

import sys

from service import logs
from service.config import Settings
from service.process.failures import run
from service.process.supervisor import RestartPolicy, Supervisor

POLICY = RestartPolicy(pause_seconds=0.05, max_database_pause_seconds=0.1)


def main() -> None:
    """Serve as the environment says."""
    settings = Settings.read()
    logs.configure(settings.log_level)
    sys.exit(Supervisor(settings, POLICY).run(lambda port: print(f"listening on {settings.host}:{port}", flush=True)))


if __name__ == "__main__":
    sys.exit(run(main))
