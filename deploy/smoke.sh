#!/usr/bin/env bash
# Builds the image and tests it with the Compose file: a server that refuses callers without a key, a feed for one with a
# key, the mailer's pages, and metrics. Needs Docker or Podman with their compose command, and some minutes. It uses a
# project of its own and removes it at the end, so it does not touch an installation on this machine.
# Usage: deploy/smoke.sh    (TORCH_INDEX=<index> takes PyTorch's small CPU build; PAPERFEED_ENGINE=podman chooses Podman)
# shellcheck disable=SC2329 # functions are called by their names in arguments
set -euo pipefail
cd "$(dirname "$0")"

engine=${PAPERFEED_ENGINE:-docker}
if ! "$engine" info >/dev/null 2>&1 || ! "$engine" compose version >/dev/null 2>&1; then
    echo "smoke: no running container engine with a compose command: '$engine info' or '$engine compose version' fails" >&2
    exit 2
fi

# A copy, so that neither the secrets nor the ports of an installation are used.
work=$(mktemp -d)
cp -r . "$work/deploy"
rm -rf "$work/deploy/compose/secrets"
file=$work/deploy/compose/compose.yaml
sed -i -e "s|context: ../..|context: $(cd .. && pwd)|" -e 's|"127.0.0.1:[0-9]*:|"127.0.0.1::|' "$file"
compose() { "$engine" compose --project-name paperfeed-smoke --file "$file" "$@"; }
cleanup() {
    compose down --volumes --timeout 5 >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT

failed=0
check() { # NAME COMMAND...
    local name=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        echo "ok      $name"
    else
        echo "FAILED  $name"
        sed 's/^/        /' "$work/output"
        failed=1
    fi
}
refused() { # WORDS COMMAND...: the command fails and says these words
    local words=$1
    shift
    if "$@" >"$work/refusal" 2>&1; then return 1; fi
    cat "$work/refusal"
    grep -q "$words" "$work/refusal"
}
retried() { # COMMAND...: the command succeeds within a minute
    local left=30
    until "$@"; do
        left=$((left - 1))
        if [ "$left" -eq 0 ]; then return 1; fi
        sleep 2
    done
}
in_server() { compose exec -T server "$@"; }
get() { in_server python -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=10).read().decode())' "$1"; }
call() { compose exec -T -e PAPERFEED_TLS_CA=/tmp/ca.crt -e PAPERFEED_API_KEY_FILE=/tmp/key server paperfeed "$@"; }
call_without_key() { compose exec -T -e PAPERFEED_TLS_CA=/tmp/ca.crt server paperfeed "$@"; }
counts_calls() { get http://localhost:9464/metrics | grep -q rpc_server; }
scrapes_both() { get 'http://prometheus:9090/api/v1/query?query=sum(up)' | grep -q '"2"'; }

"$work/deploy/compose/secrets.sh"
compose build
compose up --detach --wait postgres server mailer prometheus
in_server sh -c 'cat >/tmp/ca.crt' <"$work/deploy/compose/secrets/tls/client/ca.crt"
compose run --rm -T upgrade paperfeed keys create smoke --scope feeds:read --scope events:write >"$work/key"
in_server sh -c 'umask 077; cat >/tmp/key' <"$work/key"
sample=$(in_server python -c 'import cli.sample; print(cli.sample.__path__[0])')

check "the server is ready" retried get http://localhost:9464/readyz
check "a server without identity does not start" \
    refused "everybody could read" timeout 120 "$engine" compose --project-name paperfeed-smoke --file "$file" \
    run --rm -T -e PAPERFEED_AUTH=none server
check "a caller without a key is refused" refused UNAUTHENTICATED call_without_key feed ada
check "papers are stored and embedded" in_server paperfeed digest import "$sample/digest.jsonl" --date "$(date -u +%F)"
check "a caller with a key gets a feed" call feed ada --json
check "a key without the scope deletes nobody" refused PERMISSION_DENIED call users forget ada
check "the mailer's pages answer" get http://mailer:8025/healthz
check "the server counts its calls" counts_calls
check "Prometheus scrapes server and mailer" retried scrapes_both
exit "$failed"
