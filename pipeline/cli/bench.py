"""`hedx bench`: how fast it is, how that compares with the bare work, and where the time goes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from pipeline.cli import cluster, options
from pipeline.cli.crew import Crew
from pipeline.cli.output import emit, progress, remark, table
from pipeline.settings import data_dir
from pipeline.stages.names import STAGES

if TYPE_CHECKING:
    from pipeline.bench.workload import Workload

PATIENCE = 300.0
"""Seconds a benchmark may take before it says that it failed."""
SETTLING = 60.0
PAUSE = 0.4
"""Seconds between two applications of the latency benchmark: long enough for the receipts of the last to be through."""
HOUSEHOLD = 3
SPELL = 12.0
"""Seconds a flood lasts before anything is measured: quotas are averages over ten."""


@click.group()
def command() -> None:
    """Benchmarks, each with its ratio to the limit measured in the same run. Everything runs on this machine."""


@dataclass(frozen=True, slots=True)
class Stand:
    """A running exchange: where its Kafka is, and its processes by name."""

    bootstrap: str
    pids: Mapping[str, int]


@command.command()
@click.option("--applications", type=click.IntRange(10, 100_000), default=2000, show_default=True, help="Applications.")
@options.as_json
def logs(applications: int, as_json: bool) -> None:
    """What lines of the log cost the center an application (µs of CPU), and which share of its signatures that is."""
    from pipeline.bench.log_cost import measure

    emit(measure(applications, int(time.time() * 1000)), as_json)


@command.command()
@click.option("--sections", type=click.IntRange(1, 200), default=12, show_default=True, help="Applications filed.")
@click.option("--persons", type=click.IntRange(12, 500), default=500, show_default=True, help="Persons in each.")
@click.option("--providers", type=click.IntRange(1, 32), default=6, show_default=True, help="Parties that answer.")
@options.as_json
def e2e(sections: int, persons: int, providers: int, as_json: bool) -> None:
    """Throughput from filing to delivery: SECTIONS applications at once, four nation-wide rows each."""
    from pipeline.bench import bare_loop, figures
    from pipeline.bench.filing import await_settled, clerk
    from pipeline.bench.usage import usage_of
    from pipeline.bench.workload import prepare

    remark("keys, databases and applications …")
    workload = prepare(data_dir() / "bench", applications=sections, persons=persons, providers=providers)
    warm_up, *samples = workload.applications
    with exchange(workload) as stand, clerk(workload) as office:
        office.file(warm_up)
        office.await_complete([warm_up], PATIENCE, lambda _: None)
        await_settled(workload, SETTLING)
        before, started = usage_of(stand.pids), time.monotonic()
        with progress(sections, "sections complete") as show:
            for sample in samples:
                office.file(sample)
            office.await_complete(samples, PATIENCE, show)
            seconds = time.monotonic() - started
            show(sections)
        await_settled(workload, SETTLING)
        sub_queries = sum(map(workload.sub_queries, samples))
        run = figures.Run(sections, sub_queries, seconds, before, usage_of(stand.pids))
        answered = sum(s["count"] for sample in samples for s in office.statuses(sample) if s["status"] == "done")
    remark("the bare loop …")
    bare = bare_loop.run(workload)
    rows, steps, ratios = figures.processes(run), figures.steps(bare), figures.ratios(run, bare, STAGES)
    if ratios["center_cpu"] < figures.PROMISE:
        remark(
            f"less than {figures.PROMISE:.0%} of the center's CPU is the bare work: docs/decisions/0002 says what to look at"
        )
    if not as_json:
        table(list(rows[0]), [list(row.values()) for row in rows], "Processes")
        table(list(steps[0]), [list(row.values()) for row in steps], "Bare loop, CPU")
    summary: dict[str, object] = {
        "sections": sections,
        "persons": persons,
        "providers": providers,
        "sub_queries": sub_queries,
        "done": answered,
        "seconds": round(seconds, 2),
        "sub_queries_per_second": round(run.rate),
        "bare_loop_per_second": {
            "center": round(bare.sub_queries / bare.center),
            "ends": round(bare.sub_queries / bare.ends),
            "all": round(bare.sub_queries / (bare.center + bare.ends)),
        },
        "ratios": ratios,
    }
    emit({**summary, "processes": rows, "bare_loop": steps} if as_json else summary, as_json)


@command.command()
@options.as_json
def metrics(as_json: bool) -> None:
    """What figures cost where they are taken, against the check of one signature. Needs no Kafka."""
    from pipeline.bench import metering

    costs = metering.measure()
    rows = [{"what": c.what, "cpu_us": round(c.microseconds, 2), "to_check": round(c.share, 4)} for c in costs]
    emit(rows, as_json)


@command.command()
@click.option("--count", type=click.IntRange(1, 1000), default=50, show_default=True, help="Households, one by one.")
@click.option("--providers", type=click.IntRange(1, 32), default=6, show_default=True, help="Parties that answer.")
@options.as_json
def latency(count: int, providers: int, as_json: bool) -> None:
    """One household on an idle system: from filing to its certificate with all it names in the store."""
    from pipeline.bench import timeline
    from pipeline.bench.figures import percentile
    from pipeline.bench.filing import clerk
    from pipeline.bench.workload import prepare
    from pipeline.kafka.clock import wall_clock

    remark("keys, databases and applications …")
    workload = prepare(data_dir() / "bench", applications=count, persons=HOUSEHOLD, providers=providers)
    windows: list[timeline.Window] = []
    with exchange(workload) as stand, clerk(workload) as office:
        with progress(count, "households complete") as show:
            for done, sample in enumerate(workload.applications):
                filed = wall_clock()
                office.file(sample)
                office.await_complete([sample], PATIENCE, lambda _: None)
                windows.append(timeline.Window(sample.application["application_id"], filed, wall_clock()))
                show(done)
                time.sleep(PAUSE)
        seen = timeline.read(stand.bootstrap, workload.parties, cluster.security("admin"))
    counted = windows[1:]
    traces = [timeline.stretches(window, seen, workload.requester, workload.parties) for window in counted]
    rows = [
        {"stretch": name, "p50_ms": percentile(times, 0.5), "p99_ms": percentile(times, 0.99), "what": what}
        for (name, what), times in zip(timeline.STRETCHES, zip(*traces, strict=True), strict=True)
    ]
    whole = [window.complete - window.filed for window in counted]
    if not as_json:
        table(list(rows[0]), [list(row.values()) for row in rows], "Where the time goes")
    summary: dict[str, object] = {
        "count": count,
        "persons": HOUSEHOLD,
        "providers": providers,
        "p50_ms": percentile(whole, 0.5),
        "p99_ms": percentile(whole, 0.99),
    }
    emit({**summary, "stretches": rows} if as_json else summary, as_json)


@command.command()
@click.option("--count", type=click.IntRange(2, 1000), default=20, show_default=True, help="Households each time.")
@click.option("--providers", type=click.IntRange(3, 32), default=3, show_default=True, help="Parties that answer.")
@click.option("--rate", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True, help="Offered a second.")
@options.as_json
def flood(count: int, providers: int, rate: int, as_json: bool) -> None:
    """Another party's latency while one floods the center with bad signatures, under its quota and without one."""
    from dataclasses import asdict

    from pipeline.bench.figures import percentile
    from pipeline.bench.filing import clerk
    from pipeline.bench.flood import Flood, Spell, unaided
    from pipeline.bench.workload import prepare

    remark("keys, databases and applications …")
    workload = prepare(data_dir() / "bench", applications=3 * count, persons=HOUSEHOLD, providers=providers)
    attacker = next(party for party in workload.parties if party not in ("00", workload.requester))
    warm_up, *samples = workload.applications
    bare = unaided(workload, attacker, 2 * rate)
    spells: list[Spell] = []
    with exchange(workload) as stand, clerk(workload) as office:

        def households(what: str, first: int, attack: Flood | None) -> None:
            times = []
            for sample in samples[first : first + count]:
                filed = time.monotonic()
                office.file(sample)
                office.await_complete([sample], PATIENCE, lambda _: None)
                times.append(1000 * (time.monotonic() - filed))
                time.sleep(PAUSE)
            arrived, worked = attack.rates() if attack else (0.0, 0.0)
            p50, p99 = round(percentile(times, 0.5)), round(percentile(times, 0.99))
            left = attack.lag() if attack else 0
            spells.append(Spell(what, p50, p99, round(arrived), round(worked), left))
            remark(str(spells[-1]))

        office.file(warm_up)
        office.await_complete([warm_up], PATIENCE, lambda _: None)
        households("none", 0, None)
        for number, quota in enumerate((True, False), start=1):
            if not quota:
                lift_quota(stand.bootstrap, attacker)
            with Flood(stand.bootstrap, workload, attacker, rate) as attack:
                time.sleep(SPELL)
                attack.begin()
                households("under quota" if quota else "without quota", number * count, attack)
            deadline = time.monotonic() + SETTLING
            while quota and attack.lag() > rate // 10 and time.monotonic() < deadline:
                time.sleep(0.5)
    idle, *floods = spells
    summary: dict[str, object] = {
        "offered_per_second": rate,
        "refused_per_cpu_second_in_memory": {name: round(value) for name, value in asdict(bare).items()},
        "refused_to_verified": round(bare.fresh / bare.verifies, 3),
        "p50_ratio": {spell.flood: round(spell.p50_ms / idle.p50_ms, 2) for spell in floods},
        "p99_ratio": {spell.flood: round(spell.p99_ms / idle.p99_ms, 2) for spell in floods},
    }
    rows = [asdict(spell) for spell in spells]
    if not as_json:
        table(list(rows[0]), [list(row.values()) for row in rows], "Another party's households")
    emit({**summary, "floods": rows} if as_json else summary, as_json)


def lift_quota(bootstrap: str, party: str) -> None:
    """Let the party write as fast as it can."""
    from pipeline.kafka import quotas

    folder = cluster.transport("admin")
    name = f"P{party}"
    limits = quotas.observe(bootstrap, folder).get(name, {})
    quotas.apply(bootstrap, [quotas.QuotaChange(name, key, limit, None) for key, limit in limits.items()], folder)


@contextmanager
def exchange(workload: Workload) -> Iterator[Stand]:
    """Kafka, the center's stages and every party's adapter while the block runs; nothing is left afterwards."""
    import os

    from pipeline.cli.demo import start_all
    from pipeline.demo.preparation import equip
    from pipeline.kafka.brokers import broker_from_environment
    from pipeline.kafka.embedded import EmbeddedBroker

    folder = workload.installation.folder
    os.environ["HEDX_HOME"] = str(folder)
    broker = broker_from_environment(folder / "broker", workload.installation.transport(""))
    broker.start()
    try:
        equip(broker.bootstrap, workload.installation, workload.parties, workload.entries)
        with Crew(folder / "logs") as crew:
            start_all(crew, broker.bootstrap, workload.parties)
            pids = {name: member.process.pid for name, member in crew.members.items()}
            if isinstance(broker, EmbeddedBroker) and broker.pid is not None:
                pids["broker"] = broker.pid
            yield Stand(broker.bootstrap, pids)
    finally:
        broker.stop()
