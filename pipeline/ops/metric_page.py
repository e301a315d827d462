"""docs/metrics.md, made from the table of names; `pipeline.ops.metric_names` prints it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pipeline.ops.metric_names import METRICS, Metric, Source

INTRODUCTION: Final = """\
# Figures: what every process measures

Every process of the exchange gives figures (监控指标) in Prometheus' text format. This page is made by
`python -m pipeline.ops.metric_names > docs/metrics.md`; a test holds it against the code, others hold real processes against it.

## Turn them on

```
HEDX_METRICS=127.0.0.1:9400 hedx center run intake     # this port; 127.0.0.1:0 takes any free one
HEDX_METRICS=127.0.0.1:9400 hedx center run            # the parent here, its processes at 9401, 9402, …
HEDX_METRICS=127.0.0.1:0 hedx province run --party 37
```

Without the variable nothing listens, no file is written and the library is not loaded. A port that is taken or a missing certificate
ends the process with one sentence: it does not go on unwatched.

`GET /metrics` gives the figures, `GET /healthz` says that the process answers. Both over TLS 1.3 with client certificates, served
with the certificate of the principal `monitor` ([transport](transport.md)); who may read is `monitor`, `ops`, `admin` and `center`, and
any other principal gets 403, a party's too, since figures tell of the others; and so does a certificate that the newest revocation
list names. With `HEDX_SECURITY=plaintext`, for a throw-away
cluster, it is plain HTTP and on a loopback address only. Nothing can be written, and a client that says nothing is hung up on.

Each process tells where it is in `HEDX_HOME/metrics/<process>.json` (`center.intake.0`, `party.37`, `center` for the parent), which
it takes away when it ends; those of killed processes are taken away by the next that starts. A second process of a name is
`<process>-2`. That is what Prometheus' `file_sd_configs` read:

```
hedx metrics list                                                    # this page's names, in a terminal or as JSON
hedx metrics prometheus --out prometheus --rules deploy/prometheus/rules
prometheus --config.file prometheus/prometheus.yml
```

The second command writes `prometheus.yml` and `monitor`'s certificate with its key *in clear*, mode 0600, for Prometheus reads no
encrypted one. Whoever reads that key can fetch these figures and pass for a server of them; on Kafka it can do nothing. Run it
again when the certificate was renewed. Prometheus runs as the user who owns HEDX_HOME, which is closed to others. Rules and
what to do about them: [alerts](alerts.md). Pictures: [dashboards](dashboards.md).

`hedx doctor --metrics FILE` writes what it found for the textfile collector of node_exporter.

## What they hold, and what not

Labels hold codes, stages, topics, categories and parties, from closed lists, from topics.yaml or from the catalog: never an
application, a person, a number of one, or text that somebody else chose. A reject code that is not one of ours counts as `other`.
A scrape counts nothing anew: what changes with every message is counted when its transaction is committed, and what stands in
a store (outbox, debts) is read on a connection that cannot write. So a scrape is cheap, and never in a message's way.

`stage`: `intake`, `applications`, `collect`, `join`; at a party `answer` and `deliver`. Latency is measured from a message's append, by
the broker's clock, to the commit of the transaction in which it was worked on, by this machine's. Times of cryptography include the
way to the signer process. A store's size is exact where it is in memory (join, intake, collect) and RocksDB's own estimate in
applications. Beside these there are `process_*` (CPU, memory, descriptors, start) and `python_info` of the library.

What they cost is measured in [performance](performance.md#figures).
"""

SOURCES: Final[dict[Source, tuple[str, str]]] = {
    "process": ("Every worker and adapter", "All but the refusals also the parent of `hedx center run`."),
    "crew": ("The parent of `hedx center run`, and of `hedx demo`", ""),
    "worker": ("A stage of the center (`hedx center run`)", ""),
    "adapter": ("A party's adapter (`hedx province run`)", ""),
    "lag": ("Lag (`hedx lag`)", "Names and labels of kafka-lag-exporter, and what it does not know."),
    "watch": ("The watch (`hedx watch`)", ""),
    "console": ("The console (`hedx console`)", ""),
    "doctor": (
        "`hedx doctor --metrics FILE`",
        "With `hedx_certificate_expiry_seconds` and `hedx_crl_next_update_seconds` as above.",
    ),
}
"""Source → heading, and a remark."""


def page() -> str:
    """The whole page."""
    return INTRODUCTION + "".join(_section(source) for source in SOURCES)


def _section(source: Source) -> str:
    heading, remark = SOURCES[source]
    rows = "".join(map(_row, (metric for metric in METRICS if metric.source == source)))
    return f"\n## {heading}\n\n{remark}{remark and chr(10) + chr(10)}| name | kind | labels | what |\n|---|---|---|---|\n{rows}"


def _row(metric: Metric) -> str:
    labels = " ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {' '.join(_words(metric))} |\n"


def _words(metric: Metric) -> Iterator[str]:
    yield metric.help
    if metric.buckets:
        yield f"Buckets: {', '.join(f'{bound:,g}' for bound in metric.buckets)}."
