"""`hedx trace ID`: one application, or one message, through all its hops."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Final

import click
from confluent_kafka import KafkaException

from pipeline.center.deadletter_facts import Letter
from pipeline.center.installation import Installation
from pipeline.cli import cluster, options, trace_words
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit, remark, table
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER, MINISTRY, PROVINCES
from pipeline.domain.wording import Language
from pipeline.kafka.clients import Extra
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.scanning import Looked, Scan
from pipeline.ops import trace_reading, trace_story
from pipeline.ops.trace_reading import Lying
from pipeline.ops.trace_story import Noted, Story
from pipeline.province.database import read_only, snapshot
from pipeline.province.trace_store import Mark, marks_of, marks_of_message
from pipeline.settings import data_dir

MESSAGE: Final = re.compile(r"[0-9a-f]{32}")
DAY: Final = 24 * 3600 * 1000


def _party(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    if text is not None and text not in (MINISTRY, *PROVINCES):
        raise click.BadParameter(f"{text} is no party: give a province's code, e.g. 37, or 00 for 部中心")
    return text


@click.command()
@click.argument("id_", metavar="ID")
@click.option("--party", callback=_party, help="What this party's own store knows, without Kafka.")
@click.option("--requester", callback=_party, help="Of an application's id that several parties chose: this one's.")
@click.option(
    "--since", callback=options.instant, metavar="DAY", help="Read events from this day or time on, in China."
)
@click.option("--places/--no-places", default=True, help="Look where its messages lie, as the center.")
@cluster.bootstrap_later
@options.lang
@options.as_json
def command(
    id_: str,
    party: str | None,
    requester: str | None,
    since: int | None,
    places: bool,
    bootstrap: str | None,
    lang: Language,
    as_json: bool,
) -> Exit:
    """Follow one application (申请编号), or one message (its id, 32 hex digits), through all hops.

    From the facts on hedx.events, as ops or center: what happened when and where, the waits between, who has not answered and
    until when, and dead letters about it. With the center's certificate also where its messages lie. Nothing is
    opened. An application's id is its requester's choice: of several that chose the same, each one's story is told by itself.
    An id that nobody knows ends with 1 and says what was looked at.
    """
    if requester is not None and (party is not None or MESSAGE.fullmatch(id_)):
        raise click.UsageError("--requester is of an application, looked for on Kafka")
    if party is not None:
        return _at_party(party, id_, lang, as_json)
    looker = _Looker(cluster.resolve(bootstrap), since, places=places)
    try:
        if MESSAGE.fullmatch(id_):
            return _message(looker, bytes.fromhex(id_), lang, as_json)
        found = _application(looker, id_, requester, lang, as_json)
        if found is Exit.FAILED and requester is None and (message_id := _as_message(id_)):
            return _message(looker, message_id, lang, as_json)
    except KafkaException as failure:
        raise ConfigError(f"no Kafka answers: {failure.args[0].str()}") from failure
    if found is Exit.FAILED:
        _unknown(id_, looker.looked(), lang, as_json)
    return found


class _Looker:
    """The scans of one command: facts as ops, places as the center where its certificate is here."""

    def __init__(self, bootstrap: str, since: int | None, *, places: bool) -> None:
        self.since = since
        self.facts = Scan(bootstrap, cluster.security("ops", CENTER), _progress)
        self.places = Scan(bootstrap, extra, _progress) if places and (extra := _center()) is not None else None

    def looked(self) -> list[Looked]:
        """What was read by any of them."""
        return [*self.facts.looked, *(self.places.looked if self.places else ())]


def _center() -> Extra | None:
    """The center's client settings, where they are to be had."""
    try:
        return cluster.security(CENTER)
    except ConfigError:
        return None


def _progress(topic: str, records: int) -> None:
    remark(f"{topic}: {records:,} records read")


def _as_message(id_: str) -> bytes | None:
    """A message's id as tools show it (`ce_id`), which is a UUID of version 7."""
    try:
        made = uuid.UUID(id_)
    except ValueError:
        return None
    return made.bytes if made.version == 7 else None


def _application(looker: _Looker, id_: str, requester: str | None, lang: Language, as_json: bool) -> Exit:
    everyones = trace_story.stories(trace_reading.events_of(looker.facts, id_, looker.since), wall_clock())
    stories = [story for story in everyones if requester in (None, story.requester)]
    if requester is not None and not stories:
        return Exit.FAILED
    began = min((story.began for story in stories), default=None)
    letters = trace_reading.letters_about(looker.facts, id_.encode(), None if began is None else began - DAY)
    if not stories and not letters:
        return Exit.FAILED
    told = [(story, trace_reading.messages_of(looker.places, story) if looker.places else []) for story in stories]
    looked = looker.looked()
    if as_json:
        emit(_application_data(id_, told, letters, looked), as_json)
        return Exit.FINE
    if len(told) > 1:
        remark(trace_words.several_words([story.requester for story, _ in told], lang))
    for story, places in told:
        emit(trace_words.summary(story, lang), as_json)
        table(*trace_words.step_rows(story, lang))
        _show(trace_words.missing_rows(story.missing, lang))
        _show(trace_words.place_rows(places, lang))
    _show(trace_words.letter_rows(letters, lang))
    _cut(looked, lang)
    return Exit.FINE


def _application_data(
    id_: str, told: Sequence[tuple[Story, Sequence[Lying]]], letters: Sequence[Letter], looked: Sequence[Looked]
) -> dict[str, object]:
    """One application's story stands in the object itself; those of several requesters in `applications`."""
    stories: list[dict[str, object]] = [
        {**asdict(story), "total": story.ended - story.began, "messages": [asdict(place) for place in places]}
        for story, places in told
    ]
    if len(stories) > 1:
        what: dict[str, object] = {"what": "applications", "applications": stories}
    else:
        what = {"what": "application", **(stories[0] if stories else {"total": None, "messages": []})}
    return {
        "id": id_,
        "found": True,
        **what,
        "dead_letters": [asdict(letter) for letter in letters],
        "looked_at": [asdict(one) for one in looked],
    }


def _message(looker: _Looker, message_id: bytes, lang: Language, as_json: bool) -> Exit:
    events = trace_reading.events_of_message(looker.facts, message_id)
    signed_at = trace_reading.signed_when(message_id)
    since = None if signed_at is None else signed_at - trace_reading.BEFORE
    letters = trace_reading.letters_about(looker.facts, message_id, since)
    parties = (MINISTRY, *PROVINCES)
    places = [] if looker.places is None else trace_reading.message_of(looker.places, message_id, parties)
    looked = [one for one in looker.looked() if one.partitions]  # a party that is not of this cluster has no topics
    if not (events or letters or places):
        _unknown(message_id.hex(), looked, lang, as_json)
        return Exit.FAILED
    if as_json:
        data = {
            "id": message_id.hex(),
            "found": True,
            "what": "message",
            "signed_at": signed_at,
            "events": [event for event, _ in events],
            "messages": [asdict(place) for place in places],
            "dead_letters": [asdict(letter) for letter in letters],
            "looked_at": [asdict(one) for one in looked],
        }
        emit(data, as_json)
        return Exit.FINE
    _show_events(events, lang)
    _show(trace_words.place_rows(places, lang))
    for application_id in sorted({one for place in places for one in place.applications}):
        remark(("其中的申请：" if lang == "zh" else "carries application ") + application_id)
    _show(trace_words.letter_rows(letters, lang))
    return Exit.FINE


def _show_events(events: Sequence[Noted], lang: Language) -> None:
    marks = [
        Mark(event["at"], event["stage"], event["kind"], provider=event["party"], count=event["count"])
        for event, _ in events
    ]
    _show(trace_words.mark_rows(marks, lang))


def _at_party(party: str, id_: str, lang: Language, as_json: bool) -> Exit:
    path = Installation(data_dir()).store(party)
    if not path.is_file():
        raise ConfigError(f"{party} has no store here: {path} is not there")
    message_id = bytes.fromhex(id_) if MESSAGE.fullmatch(id_) else _as_message(id_)
    with closing(read_only(path)) as connection, snapshot(connection) as db:
        marks = [] if MESSAGE.fullmatch(id_) else marks_of(db, id_)
        if not marks and message_id is not None:
            marks = marks_of_message(db, message_id)
    if as_json:
        found = bool(marks)
        looked = [str(path.name)]
        emit(
            {"id": id_, "found": found, "party": party, "marks": [asdict(m) for m in marks], "looked_at": looked},
            as_json,
        )
    elif marks:
        table(*trace_words.mark_rows(marks, lang))
    if not marks:
        said = f"{party} 的库中没有 {id_}" if lang == "zh" else f"the store of {party} knows nothing of {id_}"
        remark(said)
        return Exit.FAILED
    return Exit.FINE


def _unknown(id_: str, looked: Sequence[Looked], lang: Language, as_json: bool) -> None:
    if as_json:
        emit({"id": id_, "found": False, "looked_at": [asdict(one) for one in looked]}, as_json)
    remark(f"未找到 {id_}；已查看：" if lang == "zh" else f"nothing is known of {id_}; looked at:")
    for line in trace_words.looked_words(looked, lang):
        remark(f"  {line}")


def _cut(looked: Sequence[Looked], lang: Language) -> None:
    """What was not read, or not to its end, is told: silence would say that there is nothing."""
    for line in trace_words.looked_words([one for one in looked if one.cut], lang):
        remark(line)


def _show(rows: tuple[Sequence[str], Sequence[Sequence[object]]]) -> None:
    if rows[1]:
        table(*rows)
