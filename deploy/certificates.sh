#!/usr/bin/env bash
# Makes certificates of an authority of your own, for one machine or a trial; on Kubernetes, cert-manager does it better.
# Usage: deploy/certificates.sh FOLDER NAME[,NAME...] ...
# Each argument makes one certificate for these DNS names, in FOLDER/FIRST_NAME: tls.crt, tls.key and ca.crt. The
# authority's own files are in FOLDER/authority: keep ca.key secret. Existing certificates are renewed, and the authority
# stays. Servers and Envoy notice new files without a restart.
set -euo pipefail

days=${DAYS:-90}
if [ $# -lt 2 ]; then
    sed -n '3,6s/^# //p' "$0" >&2
    exit 2
fi
folder=$1
shift

# Keys in it are readable to the users of containers, so the folder itself is closed to others.
mkdir -p "$folder"
chmod 700 "$folder"
authority=$folder/authority
if [ ! -f "$authority/ca.crt" ]; then
    mkdir -p "$authority"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=paperfeed authority" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout "$authority/ca.key" -out "$authority/ca.crt" 2>/dev/null
fi

for names in "$@"; do
    name=${names%%,*}
    mkdir -p "$folder/$name"
    work=$(mktemp -d "$folder/$name/.new.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
        -keyout "$work/tls.key" -out "$work/request" 2>/dev/null
    cat >"$work/extensions" <<END
subjectAltName = DNS:${names//,/,DNS:}
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
END
    openssl x509 -req -in "$work/request" -days "$days" -CA "$authority/ca.crt" -CAkey "$authority/ca.key" \
        -extfile "$work/extensions" -out "$work/tls.crt" 2>/dev/null
    chmod 644 "$work/tls.key"
    cp "$authority/ca.crt" "$work/ca.crt"
    mv "$work/tls.key" "$work/tls.crt" "$work/ca.crt" "$folder/$name/"
    rm -rf "$work"
    trap - EXIT
    echo "$folder/$name: $names, $days days"
done
