#!/bin/sh
# Makes a Consul token for each service that is named, readable by its sidecar alone, and lets the second call the first.
# CONSUL_HTTP_ADDR and CONSUL_HTTP_TOKEN say where and by what right, TOKENS is the folder, OWNER the user that reads.
set -eu

# The service identity is the right to be this service and to find others; the rest is policy and flags.
consul acl policy read -name outrigger >/dev/null 2>&1 ||
  echo 'key_prefix "outrigger/" { policy = "read" }' |
  consul acl policy create -name outrigger -description 'What every sidecar reads' -rules - >/dev/null

umask 077
for service in "$@"; do
  [ -s "$TOKENS/$service" ] && continue
  consul acl token create -format=json -description "sidecar of $service" \
    -service-identity "$service" -policy-name outrigger |
    sed -n 's/.*"SecretID": "\(.*\)".*/\1/p' >"$TOKENS/$service.new"
  [ -s "$TOKENS/$service.new" ]
  chown "$OWNER" "$TOKENS/$service.new"
  mv "$TOKENS/$service.new" "$TOKENS/$service"
done
# The folder is named on a volume that begins as root's.
chmod 0755 "$TOKENS"

if [ $# -gt 1 ]; then
  consul intention create -allow "$2" "$1" >/dev/null 2>&1 || consul intention check "$2" "$1" >/dev/null
fi
