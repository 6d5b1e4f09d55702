#!/usr/bin/env bash
# Makes what compose.yaml reads from secrets/ beside it: the database's password, and certificates for the server and its
# clients. Files that exist stay, but certificates are renewed; run it every month.
set -euo pipefail
cd "$(dirname "$0")"

mkdir -p secrets
# Only this user opens the folder. In it, files are readable to the users of the containers.
chmod 700 secrets
if [ ! -f secrets/database-password ]; then
    openssl rand -hex 32 | tr -d '\n' >secrets/database-password
    url="postgresql://paperfeed:$(cat secrets/database-password)@postgres/paperfeed"
    printf 'PAPERFEED_DB=%s\nPAPERFEED_MAIL_DB=%s\n' "$url" "$url" >secrets/database.env
    chmod 600 secrets/database.env
fi
../certificates.sh secrets/tls server,localhost client
