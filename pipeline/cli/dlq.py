"""`hedx dlq list | show | replay | discard`: messages that nobody could process, and what becomes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from pipeline.center.deadletter_facts import INBOXES, Letter, numbers, origin
from pipeline.center.deadletter_words import UNPROVED, likely_cure, may_help
from pipeline.center.deadletters import LIMIT, DeadLetters
from pipeline.center.installation import Installation
from pipeline.center.opening import ACCESS_LOG
from pipeline.cli import cluster, options
from pipeline.cli.dlq_party import decide_kept, list_kept, show_kept, write_raw
from pipeline.cli.dlq_words import STATES, counts_table, letter_data, letter_facts, list_row
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit, remark, table
from pipeline.domain.errors import ConfigError, HedxError
from pipeline.domain.parties import CENTER, is_party, is_provider
from pipeline.domain.wording import Language
from pipeline.kafka.clock import wall_clock
from pipeline.province.access import user
from pipeline.settings import data_dir

MOST_AT_ONCE: Final = 1000


@click.group()
def command() -> None:
    """Dead letters: messages that no stage of the center, or with --party its adapter, could process (docs/deadletters.md)."""


def _issuer(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    if text is not None and not is_party(text):
        raise click.BadParameter(f"{text} is no party: give a province's code, e.g. 37, or 00 for 部中心")
    return text


def _own(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    if text is not None and not is_provider(text):
        raise click.BadParameter(f"{text} is no party: give a province's code, e.g. 37, or 00 for 部中心")
    return text


_party = click.option(
    "--party", callback=_own, help="The dead letters in this party's own store, on its machine; else the center's."
)


def _filters(run: Callable[..., Exit]) -> Callable[..., Exit]:
    """The options that choose among letters."""
    for option in reversed(
        (
            click.option(
                "--since", callback=options.instant, metavar="DAY", help="Put aside since this day or time, in China."
            ),
            click.option("--code", help="Only letters of this code, e.g. signature_invalid."),
            click.option("--stage", help="Only what this stage gave up, e.g. intake."),
            click.option("--issuer", callback=_issuer, help="Only what says it is from this party."),
        )
    ):
        run = option(run)
    return run


def _deciding(run: Callable[..., Exit]) -> Callable[..., Exit]:
    """The argument and options of every decision."""
    for option in reversed(
        (
            click.argument("places", nargs=-1, metavar="[PLACE]..."),
            click.option("--reason", required=True, callback=options.free_text, help="Why. It is kept: name nobody."),
            click.option("--by", help="Who decides; by default the account this runs as."),
            click.option("--yes", is_flag=True, help="Do it: without this, what would be done is only shown."),
        )
    ):
        run = option(run)
    return run


@command.command("list")
@_filters
@click.option("--state", type=click.Choice(("open", "asked", *STATES[1:])), help="Only those with which this was done.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=LIMIT, show_default=True, help="How many at most.")
@_party
@cluster.bootstrap_later
@options.lang
@options.as_json
def list_(
    since: int | None,
    code: str | None,
    stage: str | None,
    issuer: str | None,
    state: str | None,
    limit: int,
    party: str | None,
    bootstrap: str | None,
    lang: Language,
    as_json: bool,
) -> Exit:
    """List dead letters, the newest first, with their counts by code on top."""
    wanted = {"since": since, "code": code, "issuer": issuer, "state": state}
    if party is not None:
        _no_stage(stage)
        list_kept(party, wanted, limit, lang, as_json)
        return Exit.FINE
    wanted["stage"] = stage
    found = _looking(bootstrap).list(**wanted, limit=limit + 1)  # type: ignore[arg-type]
    more, found = len(found) > limit, found[:limit]
    counts = Counter((letter.code, letter.state) for letter in found)
    if as_json:
        by_code = {
            code: {state: counts[code, state] for state in STATES} for code in sorted({one.code for one in found})
        }
        emit({"counts": by_code, "more": more, "letters": [asdict(letter) for letter in found]}, as_json)
        return Exit.FINE
    if not found:
        remark("没有死信" if lang == "zh" else "no dead letters")
        return Exit.FINE
    counts_table(counts, lang)
    heads = ("位置", "时间", "环节", "代码", "自称来自", "字节", "状态", "原处")
    english = ("place", "put aside", "stage", "code", "says it is from", "bytes", "state", "stood at")
    table(english if lang == "en" else heads, [list_row(letter, lang) for letter in found])
    if more:
        remark(
            f"仅列出最新的 {limit} 封（--limit）" if lang == "zh" else f"only the newest {limit} are listed (--limit)"
        )
    return Exit.FINE


@command.command()
@click.argument("place")
@click.option(
    "--raw", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the sealed bytes there."
)
@click.option("--by", help="With --raw: who takes them; by default the account this runs as.")
@_party
@cluster.bootstrap_later
@options.lang
@options.as_json
def show(
    place: str,
    raw: Path | None,
    by: str | None,
    party: str | None,
    bootstrap: str | None,
    lang: Language,
    as_json: bool,
) -> Exit:
    """Show a letter: what is known of it, what its code means, and what most likely cures it. Never its content.

    --raw writes the value as it came, still sealed, for a report to who wrote the software; the access log says so.
    """
    if party is not None:
        show_kept(party, place, raw, by or user(), wall_clock(), lang, as_json)
        return Exit.FINE
    desk = _looking(bootstrap) if raw is None else _office(bootstrap)
    shown = desk.show(place)
    emit(letter_data(shown, lang) if as_json else letter_facts(shown, lang), as_json)
    if raw is not None:
        write_raw(raw, desk.export(place, by=by or user(), now=wall_clock()))
    return Exit.FINE


@command.command()
@_deciding
@_filters
@click.option("--again", is_flag=True, help="Also what was replayed before.")
@_party
@cluster.bootstrap_later
@options.lang
@options.as_json
def replay(
    places: tuple[str, ...],
    reason: str,
    by: str | None,
    yes: bool,
    again: bool,
    party: str | None,
    bootstrap: str | None,
    lang: Language,
    as_json: bool,
    **filters: Any,
) -> Exit:
    """Put messages back where they stood, byte for byte: those at PLACE, or the open ones that the options choose.

    Their stages work on them again, and know what they have worked on before. Mend the cause first. With --party the adapter works
    on them as soon as it runs.
    """
    _check_choice(places, filters)
    if party is not None:
        rows, keep = decide_kept(
            party, "replayed", places, _of_store(filters), by=by or user(), reason=reason, now=wall_clock(), again=again
        )
        return _carry_out(rows, keep, yes, lang, as_json)
    desk = _office(bootstrap)
    chosen = _chosen(desk, places, filters)
    for letter in chosen:
        _warn(letter)

    def act(place: str) -> dict[str, object]:
        went = desk.replay(place, by=by or user(), reason=reason, now=wall_clock(), again=again)
        return {"done": "replayed", "went_to": f"{went.topic}/{went.partition}/{went.offset}"}

    return _carry_out(list(map(_row, chosen)), act, yes, lang, as_json)


@command.command()
@_deciding
@_filters
@_party
@cluster.bootstrap_later
@options.lang
@options.as_json
def discard(
    places: tuple[str, ...],
    reason: str,
    by: str | None,
    yes: bool,
    party: str | None,
    bootstrap: str | None,
    lang: Language,
    as_json: bool,
    **filters: Any,
) -> Exit:
    """Decide that nothing more is done with letters: those at PLACE, or the open ones that the options choose. It is final."""
    _check_choice(places, filters)
    if party is not None:
        rows, keep = decide_kept(
            party, "discarded", places, _of_store(filters), by=by or user(), reason=reason, now=wall_clock()
        )
        return _carry_out(rows, keep, yes, lang, as_json)
    desk = _office(bootstrap)

    def act(place: str) -> dict[str, object]:
        return {"done": desk.discard(place, by=by or user(), reason=reason, now=wall_clock()).state}

    return _carry_out(list(map(_row, _chosen(desk, places, filters))), act, yes, lang, as_json)


def _looking(bootstrap: str | None) -> DeadLetters:
    """As whoever is here and may read the topic."""
    return DeadLetters(cluster.resolve(bootstrap), cluster.security("center", "ops"))


def _office(bootstrap: str | None) -> DeadLetters:
    """Where decisions are made: at the center, with its access log."""
    log = Installation(data_dir()).party(CENTER) / ACCESS_LOG
    return DeadLetters(cluster.resolve(bootstrap), cluster.security("center"), security=cluster.security, log=log)


def _check_choice(places: Sequence[str], filters: dict[str, Any]) -> None:
    if bool(places) == any(value is not None for value in filters.values()):
        raise click.UsageError("give the places of letters, or options that choose among the open ones: one of the two")


def _of_store(filters: dict[str, Any]) -> dict[str, Any]:
    """The filters that a party's store knows: each inbox there has one stage."""
    _no_stage(filters["stage"])
    return {name: value for name, value in filters.items() if name != "stage"}


def _no_stage(stage: str | None) -> None:
    if stage is not None:
        raise click.UsageError("--stage is for the center's letters")


def _chosen(desk: DeadLetters, places: Sequence[str], filters: dict[str, Any]) -> list[Letter]:
    if places:
        return [desk.show(place).letter for place in dict.fromkeys("{}/{}".format(*numbers(text)) for text in places)]
    found = desk.list(**filters, state="open", limit=MOST_AT_ONCE + 1)
    if len(found) > MOST_AT_ONCE:
        raise ConfigError(f"these are more than {MOST_AT_ONCE} letters: choose narrower")
    return found[::-1]  # as they came


def _row(letter: Letter) -> dict[str, object]:
    return {"place": letter.place, "code": letter.code, "stood_at": origin(letter), "hindrance": letter.hindrance}


def _carry_out(
    rows: Sequence[dict[str, object]], act: Callable[[str], dict[str, object]], yes: bool, lang: Language, as_json: bool
) -> Exit:
    """One letter after the other; what one is refused for stops no other. Without `yes` nothing is done."""
    refused = 0
    for row in rows if yes else ():
        try:
            row.update(act(str(row["place"])))
        except HedxError as error:
            refused += 1
            row.update({"done": "refused", "why": str(error)})
    if as_json:
        emit({"dry_run": not yes, "letters": rows}, as_json)
    else:
        names = [
            name for name in dict.fromkeys(name for row in rows for name in row) if any(row.get(name) for row in rows)
        ]
        emit([{name: row.get(name) for name in names} for row in rows], as_json)
    if not yes:
        told = f"{len(rows)} 封；未执行，加 --yes 执行", f"{len(rows)} letters; nothing is done without --yes"
        remark(told[lang == "en"])
    return Exit.FAILED if refused else Exit.FINE


def _warn(letter: Letter) -> None:
    """What a replay of this letter will hardly bring about, told before it is done."""
    if not may_help(letter.code):
        remark(f"{letter.place} {letter.code}: a replay hardly ends otherwise: {likely_cure(letter.code, 'en')}")
    if letter.code in UNPROVED and letter.topic in INBOXES:
        remark(f"{letter.place} {letter.code}: nobody can be shown to have sent it")
    if letter.topic == INBOXES[1]:
        remark(f"{letter.place}: an answer that is put back counts as come now; after its deadline it is a supplement")
