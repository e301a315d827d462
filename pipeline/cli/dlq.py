"""`hedx dlq list | show | replay | discard`: messages that nobody could process, and what becomes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import click

from pipeline.center.deadletter_facts import INBOXES, Letter, State, numbers, origin
from pipeline.center.deadletter_words import UNPROVED, likely_cure, may_help
from pipeline.center.deadletters import LIMIT, DeadLetters
from pipeline.center.installation import Installation
from pipeline.center.opening import ACCESS_LOG
from pipeline.cli import cluster, options
from pipeline.cli.dlq_words import STATES, counts_table, letter_data, letter_facts, list_row
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit, remark, table
from pipeline.domain.errors import ConfigError, HedxError
from pipeline.domain.parties import CENTER, is_party
from pipeline.domain.wording import Language
from pipeline.kafka.clock import wall_clock
from pipeline.province.access import user
from pipeline.settings import data_dir

MOST_AT_ONCE: Final = 1000


@click.group()
def command() -> None:
    """Dead letters: messages that no stage of the center could process (docs/deadletters.md)."""


def _issuer(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    if text is not None and not is_party(text):
        raise click.BadParameter(f"{text} is no party: give a province's code, e.g. 37, or 00 for 部中心")
    return text


def _places(_: click.Context, __: click.Parameter, texts: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple("{}/{}".format(*numbers(text)) for text in texts)
    except ConfigError as error:
        raise click.BadParameter(str(error)) from None


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
            click.argument("places", nargs=-1, metavar="[PLACE]...", callback=_places),
            click.option("--reason", required=True, callback=options.free_text, help="Why. It is kept: name nobody."),
            click.option("--by", help="Who decides; by default the account this runs as."),
            click.option("--yes", is_flag=True, help="Do it: without this, what would be done is only shown."),
        )
    ):
        run = option(run)
    return run


@command.command("list")
@_filters
@click.option("--state", type=click.Choice(STATES), help="Only those with which this was done.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=LIMIT, show_default=True, help="How many at most.")
@cluster.bootstrap
@options.lang
@options.as_json
def list_(
    since: int | None,
    code: str | None,
    stage: str | None,
    issuer: str | None,
    state: State | None,
    limit: int,
    bootstrap: str,
    lang: Language,
    as_json: bool,
) -> Exit:
    """List dead letters, the newest first, with their counts by code on top."""
    wanted = {"since": since, "code": code, "stage": stage, "issuer": issuer, "state": state}
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
@cluster.bootstrap
@options.lang
@options.as_json
def show(place: str, raw: Path | None, by: str | None, bootstrap: str, lang: Language, as_json: bool) -> Exit:
    """Show a letter: what is known of it, what its code means, and what most likely cures it. Never its content.

    --raw writes the value as it came, still sealed, for a report to who wrote the software; the access log says so.
    """
    desk = _looking(bootstrap) if raw is None else _office(bootstrap)
    shown = desk.show(place)
    emit(letter_data(shown, lang) if as_json else letter_facts(shown, lang), as_json)
    if raw is not None:
        value = desk.export(place, by=by or user(), now=wall_clock())
        try:
            with raw.open("xb") as file:
                file.write(value)
        except OSError as error:
            raise ConfigError(f"{raw}: {error.strerror}") from error
        remark(f"{raw}: {len(value)} bytes, sealed as they came")
    return Exit.FINE


@command.command()
@_deciding
@_filters
@click.option("--again", is_flag=True, help="Also what was replayed before.")
@cluster.bootstrap
@options.lang
@options.as_json
def replay(
    places: tuple[str, ...],
    reason: str,
    by: str | None,
    yes: bool,
    again: bool,
    bootstrap: str,
    lang: Language,
    as_json: bool,
    **filters: Any,
) -> Exit:
    """Put messages back where they stood, byte for byte: those at PLACE, or the open ones that the options choose.

    Their stages work on them again, and know what they have worked on before. Mend the cause first.
    """
    desk = _office(bootstrap)
    chosen = _chosen(desk, places, filters)
    for letter in chosen:
        _warn(letter)

    def act(letter: Letter) -> Letter:
        went = desk.replay(letter.place, by=by or user(), reason=reason, now=wall_clock(), again=again)
        return replace(letter, state="replayed", went_to=f"{went.topic}/{went.partition}/{went.offset}")

    return _carry_out("replay", chosen, act, yes, lang, as_json)


@command.command()
@_deciding
@_filters
@cluster.bootstrap
@options.lang
@options.as_json
def discard(
    places: tuple[str, ...],
    reason: str,
    by: str | None,
    yes: bool,
    bootstrap: str,
    lang: Language,
    as_json: bool,
    **filters: Any,
) -> Exit:
    """Decide that nothing more is done with letters: those at PLACE, or the open ones that the options choose. It is final."""
    desk = _office(bootstrap)

    def act(letter: Letter) -> Letter:
        return desk.discard(letter.place, by=by or user(), reason=reason, now=wall_clock())

    return _carry_out("discard", _chosen(desk, places, filters), act, yes, lang, as_json)


def _looking(bootstrap: str) -> DeadLetters:
    """As whoever is here and may read the topic."""
    return DeadLetters(bootstrap, cluster.security("center", "ops"))


def _office(bootstrap: str) -> DeadLetters:
    """Where decisions are made: at the center, with its access log."""
    log = Installation(data_dir()).party(CENTER) / ACCESS_LOG
    return DeadLetters(bootstrap, cluster.security("center"), security=cluster.security, log=log)


def _chosen(desk: DeadLetters, places: Sequence[str], filters: dict[str, Any]) -> list[Letter]:
    asked = any(value is not None for value in filters.values())
    if bool(places) == asked:
        raise click.UsageError("give the places of letters, or options that choose among the open ones: one of the two")
    if places:
        return [desk.show(place).letter for place in dict.fromkeys(places)]
    found = desk.list(**filters, state="open", limit=MOST_AT_ONCE + 1)
    if len(found) > MOST_AT_ONCE:
        raise ConfigError(f"these are more than {MOST_AT_ONCE} letters: choose narrower")
    return found[::-1]  # as they came


def _carry_out(
    word: str, chosen: Sequence[Letter], act: Callable[[Letter], Letter], yes: bool, lang: Language, as_json: bool
) -> Exit:
    """One letter after the other; what one is refused for stops no other. Without `yes` nothing is done."""
    rows: list[dict[str, object]] = []
    refused = 0
    for letter in chosen:
        row: dict[str, object] = {"place": letter.place, "code": letter.code, "stood_at": origin(letter)}
        if yes:
            try:
                after = act(letter)
                row |= {"done": word, "went_to": after.went_to or ""}
            except HedxError as error:
                refused += 1
                row |= {"done": "refused", "why": str(error)}
        else:
            row |= {"done": "", "hindrance": letter.hindrance or ""}
        rows.append(row)
    if as_json:
        emit({"dry_run": not yes, "letters": rows}, as_json)
    else:
        names = list(dict.fromkeys(name for row in rows for name in row))
        emit([{name: row.get(name, "") for name in names} for row in rows], as_json)
    if not yes:
        remark(
            f"{len(rows)} 封；未执行，加 --yes 执行"
            if lang == "zh"
            else f"{len(rows)} letters; nothing is done without --yes"
        )
    return Exit.FAILED if refused else Exit.FINE


def _warn(letter: Letter) -> None:
    """What a replay of this letter will hardly bring about, told before it is done."""
    if not may_help(letter.code):
        remark(f"{letter.place} {letter.code}: a replay hardly ends otherwise: {likely_cure(letter.code, 'en')}")
    if letter.code in UNPROVED and letter.topic in INBOXES:
        remark(f"{letter.place} {letter.code}: nobody can be shown to have sent it")
    if letter.topic == INBOXES[1]:
        remark(f"{letter.place}: an answer that is put back counts as come now; after its deadline it is a supplement")
