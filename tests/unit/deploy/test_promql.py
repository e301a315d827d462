"""The reading of PromQL that the checks of rules and dashboards stand on."""

from __future__ import annotations

import pytest

from tests.promql import faults, read


def test_metrics_and_labels_of_an_expression_are_found() -> None:
    """Selectors, ranges, groupings, functions and operators are told apart."""
    expression = 'sum by (stage, le) (rate(a_bucket{stage="x", le!="1"}[5m] offset 10m)) / on (stage) group_left (code) b:c > 5 * 60'
    found = read(expression)
    assert found.metrics == {"a_bucket": {"stage", "le"}, "b:c": set()}
    assert found.grouped == {"stage", "le", "code"}


def test_what_stands_in_strings_is_no_metric() -> None:
    """Braces, brackets and names in a label's value mean nothing."""
    assert read(r'up{job=~"a{2}|(b)\\..+"} == 0').metrics == {"up": {"job"}}


def test_a_label_made_by_counting_values_is_there_to_group_by() -> None:
    """And no other is."""
    assert faults('sum by (broker) (count_values("broker", kafka_topic_partition_leader))') == []
    assert faults('sum by (brker) (count_values("broker", kafka_topic_partition_leader))') == [
        "nothing has a label brker"
    ]


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("hedx_message_total", "nobody exports hedx_message_total"),
        ("hedx_step_seconds", "nobody exports hedx_step_seconds"),
        ('hedx_messages_total{topic="x"}', "hedx_messages_total has no label topic"),
        ("sum by (province) (hedx_messages_total)", "nothing has a label province"),
        ("kafka_server_replicamanager_underreplicatedpartitions", "nobody exports kafka_server_"),
    ],
)
def test_a_wrong_query_is_seen(expression: str, fault: str) -> None:
    """The check itself can fail: each of these reads what is not there."""
    assert any(found.startswith(fault) for found in faults(expression))


def test_a_right_query_has_no_fault() -> None:
    """Metrics of ours, of node_exporter, of Prometheus, and what rules record."""
    assert faults("sum by (stage) (stage:hedx_messages:rate5m) and up == 1") == []
    assert faults("node_filesystem_avail_bytes / on (instance) group_left node_timex_offset_seconds") == []
