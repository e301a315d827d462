"""Every metric there is: name, kind, labels and meaning in one place. `docs/metrics.md` is made of it.

    python -m pipeline.ops.metric_names > docs/metrics.md

Names and units follow Prometheus' conventions: base units (seconds, bytes), `_total` for counters. The lag exporter's are those
of kafka-lag-exporter, and of kafka_exporter for replicas, so that their dashboards and rules work here. Labels hold codes and names from closed lists or from
topics.yaml, never an application's id, a person, or text that a party chose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
Source = Literal["process", "crew", "worker", "adapter", "lag", "watch", "doctor", "console"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `source`: which process exports it; `labels`: the names of its labels, in order; `buckets`: a histogram's."""

    name: str
    kind: Kind
    source: Source
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


SIZES = (256, 1024, 4096, 16_384, 65_536, 262_144, 524_288, 921_600)
"""Bytes, up to the hard limit of an envelope."""
COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Messages, up to the most that a step is given."""
QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds, up to those of a transaction's end."""
SLOW = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 43_200.0)
"""Seconds, from a quiet exchange to half a day's outage."""
RESTORES = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds, up to those after which a restore is given up."""

PLACE = ("cluster_name", "group", "topic", "partition")
COPIES = ("cluster_name", "topic", "partition")

METRICS: tuple[Metric, ...] = (
    # -- every process ------------------------------------------------------------------------------------------------
    Metric("hedx_build_info", "gauge", "process", "Always 1; the version is in its label.", ("version",)),
    Metric(
        "hedx_crypto_seconds_total", "counter", "process", "Time spent in cryptography, by operation.", ("operation",)
    ),
    Metric("hedx_crypto_operations_total", "counter", "process", "Cryptographic operations done.", ("operation",)),
    Metric(
        "hedx_certificate_expiry_seconds",
        "gauge",
        "process",
        "When a certificate in use expires, Unix time: subtract time().",
        ("party", "usage", "serial"),
    ),
    Metric(
        "hedx_crl_next_update_seconds", "gauge", "process", "When the newest revocation list goes stale, Unix time."
    ),
    Metric(
        "hedx_refusals_total",
        "counter",
        "process",
        "Messages refused with an answer; at a party also those put aside. By reject code.",
        ("stage", "code"),
    ),
    # -- the parent of `hedx center run` ----------------------------------------------------------------------------------
    Metric("hedx_process_restarts_total", "counter", "crew", "Restarts of a process by its parent.", ("process",)),
    Metric("hedx_process_up", "gauge", "crew", "1 while a process of this parent runs, else 0.", ("process",)),
    # -- a center's stage -----------------------------------------------------------------------------------------------
    Metric("hedx_messages_total", "counter", "worker", "Messages worked on and committed.", ("stage",)),
    Metric(
        "hedx_message_bytes", "histogram", "worker", "Size of messages worked on (key and value).", ("stage",), SIZES
    ),
    Metric("hedx_batch_messages", "histogram", "worker", "Messages of one transaction.", ("stage",), COUNTS),
    Metric("hedx_outputs_total", "counter", "worker", "Records written and committed.", ("stage", "topic")),
    Metric("hedx_output_bytes_total", "counter", "worker", "Bytes of records written.", ("stage", "topic")),
    Metric("hedx_step_seconds", "histogram", "worker", "Time of the pure step of one transaction.", ("stage",), QUICK),
    Metric(
        "hedx_transaction_seconds",
        "histogram",
        "worker",
        "Time from begin to commit of a transaction.",
        ("stage",),
        QUICK,
    ),
    Metric("hedx_transactions_total", "counter", "worker", "Transactions, committed or aborted.", ("stage", "outcome")),
    Metric(
        "hedx_stage_latency_seconds",
        "histogram",
        "worker",
        "From a message's append to the commit of its transaction.",
        ("stage",),
        SLOW,
    ),
    Metric("hedx_restores_total", "counter", "worker", "Restores of state from the changelog.", ("stage",)),
    Metric("hedx_restored_records_total", "counter", "worker", "Changelog records read by restores.", ("stage",)),
    Metric("hedx_restore_seconds", "histogram", "worker", "Time of one restore.", ("stage",), RESTORES),
    Metric("hedx_state_entries", "gauge", "worker", "Entries of the owned partitions' state.", ("stage",)),
    Metric("hedx_state_bytes", "gauge", "worker", "Bytes of the owned partitions' state, keys and values.", ("stage",)),
    Metric("hedx_partitions_owned", "gauge", "worker", "Input partitions this worker owns.", ("stage",)),
    Metric("hedx_held_messages", "gauge", "worker", "Messages held back behind others (floods).", ("stage",)),
    Metric(
        "hedx_dead_letters_total", "counter", "worker", "Messages put aside whole, by reject code.", ("stage", "code")
    ),
    Metric(
        "hedx_dead_letters_withheld_total",
        "counter",
        "worker",
        "Messages beyond the allowance of dead letters (floods): counted, not put aside. By reject code.",
        ("stage", "code"),
    ),
    Metric(
        "hedx_worker_turn_seconds", "gauge", "worker", "When the worker last finished a turn, Unix time.", ("stage",)
    ),
    # -- a party's adapter ----------------------------------------------------------------------------------------------
    Metric("hedx_outbox_envelopes", "gauge", "adapter", "Envelopes sent or to be sent, not receipted yet.", ("party",)),
    Metric("hedx_outbox_oldest_seconds", "gauge", "adapter", "Age of the oldest of them; 0 without any.", ("party",)),
    Metric("hedx_outbox_bundles", "gauge", "adapter", "Bundles that wait to be put into an envelope.", ("party",)),
    Metric(
        "hedx_lookup_seconds", "histogram", "adapter", "One bulk look-up in a register.", ("party", "category"), QUICK
    ),
    Metric(
        "hedx_answers_total",
        "counter",
        "adapter",
        "Persons answered about, by category of the schedule row.",
        ("party", "category", "status"),
    ),
    Metric(
        "hedx_owed_subqueries",
        "gauge",
        "adapter",
        "Sub-queries whose register is away, and reminders of what is not in the store.",
        ("party",),
    ),
    Metric("hedx_owed_overdue", "gauge", "adapter", "Of these, those past their deadline.", ("party",)),
    Metric(
        "hedx_adapter_turn_seconds",
        "gauge",
        "adapter",
        "When a desk last finished a turn, Unix time.",
        ("party", "desk"),
    ),
    # -- lag (names of kafka-lag-exporter) --------------------------------------------------------------------------------
    Metric(
        "kafka_partition_latest_offset",
        "gauge",
        "lag",
        "End offset of a partition.",
        ("cluster_name", "topic", "partition"),
    ),
    Metric(
        "kafka_partition_earliest_offset", "gauge", "lag", "First offset kept.", ("cluster_name", "topic", "partition")
    ),
    Metric("kafka_consumergroup_group_offset", "gauge", "lag", "Committed offset.", PLACE),
    Metric(
        "kafka_consumergroup_group_lag",
        "gauge",
        "lag",
        "Offsets between committed and end; 0 when only markers are.",
        PLACE,
    ),
    Metric(
        "kafka_consumergroup_group_lag_seconds",
        "gauge",
        "lag",
        "Now minus the timestamp of the record at the committed offset; 0 when nothing is left to read.",
        PLACE,
    ),
    Metric("kafka_consumergroup_group_max_lag", "gauge", "lag", "Largest lag of the group.", ("cluster_name", "group")),
    Metric(
        "kafka_consumergroup_group_max_lag_seconds",
        "gauge",
        "lag",
        "Longest lag (s) of the group.",
        ("cluster_name", "group"),
    ),
    Metric(
        "kafka_consumergroup_group_sum_lag",
        "gauge",
        "lag",
        "Lag of the group, all partitions.",
        ("cluster_name", "group"),
    ),
    Metric(
        "kafka_consumergroup_group_topic_sum_lag",
        "gauge",
        "lag",
        "Lag of the group on a topic.",
        ("cluster_name", "group", "topic"),
    ),
    Metric("kafka_brokers", "gauge", "lag", "Brokers that are alive.", ("cluster_name",)),
    Metric("kafka_topic_partition_replicas", "gauge", "lag", "Replicas that the partition should have.", COPIES),
    Metric("kafka_topic_partition_in_sync_replica", "gauge", "lag", "Of these, those that keep up.", COPIES),
    Metric("kafka_topic_partition_leader", "gauge", "lag", "The broker that leads it; -1: none does.", COPIES),
    Metric(
        "hedx_topic_min_in_sync_replicas",
        "gauge",
        "lag",
        "How many in-sync replicas a write takes (min.insync.replicas).",
        ("cluster_name", "topic"),
    ),
    Metric("kafka_consumergroup_poll_time_ms", "gauge", "lag", "How long the last poll took.", ("cluster_name",)),
    Metric(
        "hedx_lag_retention_ratio",
        "gauge",
        "lag",
        "Age of the oldest unread record by the topic's retention: at 1 it is deleted unread.",
        PLACE,
    ),
    Metric(
        "hedx_lag_status",
        "gauge",
        "lag",
        "1 for the group's status: ok, warn, stalled, stopped.",
        ("cluster_name", "group", "status"),
    ),
    Metric(
        "hedx_lag_rule",
        "gauge",
        "lag",
        "Number of the rule that decided the group's status.",
        ("cluster_name", "group"),
    ),
    Metric("hedx_lag_members", "gauge", "lag", "Members of the group.", ("cluster_name", "group")),
    Metric(
        "hedx_lag_absent",
        "gauge",
        "lag",
        "1: an expected group has neither members nor committed offsets.",
        ("cluster_name", "group"),
    ),
    Metric(
        "hedx_lag_compacted",
        "gauge",
        "lag",
        "1: the topic is compacted, so offsets overstate its lag.",
        ("cluster_name", "topic"),
    ),
    Metric(
        "hedx_lag_polled_seconds",
        "gauge",
        "lag",
        "When the last poll that succeeded ended, Unix time.",
        ("cluster_name",),
    ),
    Metric("hedx_lag_failures_total", "counter", "lag", "Polls that failed.", ("cluster_name",)),
    # -- the watch --------------------------------------------------------------------------------------------------------
    Metric("hedx_watch_events_total", "counter", "watch", "Events counted, once each by id.", ("stage", "kind")),
    Metric("hedx_watch_duplicates_total", "counter", "watch", "Events met again."),
    Metric("hedx_watch_unreadable_total", "counter", "watch", "Records that are no event, by fault.", ("code",)),
    Metric("hedx_watch_behind_seconds", "gauge", "watch", "How far behind the end of hedx.events the watch is."),
    Metric("hedx_watch_applications_total", "counter", "watch", "Applications received, by requester.", ("party",)),
    Metric("hedx_watch_subqueries_total", "counter", "watch", "Sub-queries dispatched.", ("provider", "category")),
    Metric(
        "hedx_watch_answers_total",
        "counter",
        "watch",
        "Sub-queries that got their status.",
        ("provider", "category", "status"),
    ),
    Metric(
        "hedx_watch_latency_seconds", "gauge", "watch", "Time between two stages, the last hour.", ("leg", "quantile")
    ),
    Metric(
        "hedx_watch_open_applications", "gauge", "watch", "Applications in each state that is not an end.", ("state",)
    ),
    Metric("hedx_watch_stuck_applications", "gauge", "watch", "Applications that should have gone on.", ("why",)),
    Metric(
        "hedx_watch_deadlines_at_risk",
        "gauge",
        "watch",
        "Sections with answers missing near their deadline.",
        ("provider",),
    ),
    Metric(
        "hedx_watch_punctuality_ratio",
        "gauge",
        "watch",
        "Sub-queries answered in time by those due, 30 days.",
        ("provider",),
    ),
    Metric(
        "hedx_watch_answer_seconds",
        "gauge",
        "watch",
        "Time from dispatch to answer, the last day.",
        ("provider", "quantile"),
    ),
    Metric("hedx_watch_late_total", "counter", "watch", "Sub-queries not answered by their deadline.", ("provider",)),
    # -- hedx doctor --------------------------------------------------------------------------------------------------------
    Metric("hedx_crl_number", "gauge", "doctor", "Number of the newest revocation list."),
    Metric(
        "hedx_seal_key_expiry_seconds",
        "gauge",
        "doctor",
        "When a party's newest seal key expires, Unix time.",
        ("party", "number"),
    ),
    Metric("hedx_doctor_findings", "gauge", "doctor", "Findings of the last run, by severity.", ("severity",)),
    Metric("hedx_doctor_run_seconds", "gauge", "doctor", "When hedx doctor ran last, Unix time."),
    # -- the console ----------------------------------------------------------------------------------------------------------
    Metric("hedx_console_sessions", "gauge", "console", "Signed-in sessions, by role.", ("role",)),
    Metric("hedx_console_acts_total", "counter", "console", "Acts done or refused.", ("act", "outcome")),
)
"""In the order of docs/metrics.md."""

BY_NAME = {metric.name: metric for metric in METRICS}

if __name__ == "__main__":
    import sys

    from pipeline.ops.metric_page import page

    sys.stdout.write(page())
