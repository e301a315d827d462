#!/usr/bin/env bash
# Waits until every replica of every partition is in step and the brokers' quorum is whole: then the next broker may go down.
#
#     deploy/kafka/in-step.sh BOOTSTRAP CLIENT_PROPERTIES [SECONDS]
#
# CLIENT_PROPERTIES is the operator's (`hedx broker keystore admin`). Kafka's scripts are those of KAFKA_BIN, /opt/kafka/bin by
# default. Exits 1 after SECONDS (300 by default), with what is still missing.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,7p' "$0" >&2; exit 64; }
bootstrap=$1 properties=$2 seconds=${3:-300}
bin=${KAFKA_BIN:-/opt/kafka/bin}
deadline=$((SECONDS + seconds))

behind() { # what is not in step, one line each; a tool that fails says so
    "$bin/kafka-topics.sh" --bootstrap-server "$bootstrap" --command-config "$properties" \
        --describe --under-replicated-partitions 2>&1 || echo "topics: no answer"
    "$bin/kafka-metadata-quorum.sh" --bootstrap-server "$bootstrap" --command-config "$properties" \
        describe --replication 2>&1 | awk '
            $NF == "Leader" || $NF == "Follower" { voters++; if ($4 > 100) print "quorum: node " $1 " is " $4 " records behind" }
            END { if (voters < 3) print "quorum: " voters + 0 " of 3 voters answer" }'
}

while missing=$(behind) && [ -n "$missing" ]; do
    if ((SECONDS >= deadline)); then
        echo "not in step after $seconds s:" >&2
        echo "$missing" >&2
        exit 1
    fi
    sleep 2
done
echo "in step" >&2
