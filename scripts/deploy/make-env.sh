#!/bin/sh
# Prints the secrets that compose.yaml asks for, new ones each time.
#   sh scripts/deploy/make-env.sh > .env && chmod 600 .env
# Keep the file: without SKELDIR_MASTER_KEY nothing that is encrypted in the database can be read again.
set -eu

# Hexadecimal, so that a password can stand in a URL as it is.
password() {
  openssl rand -hex 24
}

echo "SKELDIR_MASTER_KEY=$(openssl rand -base64 32)"
for name in POSTGRES MIGRATOR APP_RW APP_USER APP_WORKER APP_INGEST APP_RETENTION GRAFANA; do
  echo "${name}_PASSWORD=$(password)"
done
echo "METRICS_TOKEN=$(password)"
