"""`hedx apply withdraw | extension`: taking an application back, and what to do about a delay (Art. 10)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import click

from pipeline.center.installation import Installation
from pipeline.cli import options
from pipeline.cli.facts import in_words
from pipeline.cli.filing import offline_trust
from pipeline.cli.output import emit, emit_list
from pipeline.crypto.keys import Identity
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER, provider_from
from pipeline.domain.wording import Language, provider_words
from pipeline.kafka.clock import wall_clock
from pipeline.province import correspondence
from pipeline.province.casefile import CaseFile
from pipeline.province.correspondence import Correspondence, Decision, ToldDelay
from pipeline.province.database import connect
from pipeline.province.store import Store
from pipeline.settings import data_dir
from pipeline.signer.client import open_identity
from pipeline.stages.clock import local_time

_DECISIONS: Final = ("agree", "shorten", "close")
_WORDS: Final = {
    "waiting": ("待答复", "waits for a reply"),
    "agree": ("已答复：同意", "replied: agreed"),
    "shorten": ("已答复：缩短", "replied: shorter"),
    "close": ("已答复：不再等待", "replied: closed"),
    "extended": ("已延期", "extended"),
    "closed": ("已关闭", "closed"),
}
_REASON = click.option(
    "--reason", required=True, callback=options.free_text, help="Why. Name nobody: give roster numbers instead."
)


@dataclass(frozen=True, slots=True)
class _Desk:
    case: CaseFile
    store: Store
    identity: Identity
    said: Correspondence


@contextmanager
def _opened(party: str, application_id: str) -> Iterator[_Desk]:
    installation = Installation(data_dir())
    trust = offline_trust(installation, party)
    with (
        open_identity(installation.identity_folder(party)) as identity,
        closing(connect(installation.store(party))) as connection,
    ):
        case = CaseFile(connection, application_id, trust, identity)
        yield _Desk(case, Store(connection, identity), identity, Correspondence(case, trust))


@click.command()
@click.argument("application_id")
@_REASON
@options.party
@options.lang
@options.as_json
def withdraw(application_id: str, reason: str, party: str, lang: Language, as_json: bool) -> None:
    """Take an application back (撤销): signed, and sent by the party's adapter.

    What is answered by the time it reaches the center stays answered; nothing is delivered after that. `hedx apply status`
    shows when the center has confirmed it, and which providers have acknowledged it.
    """
    with _opened(party, application_id) as desk:
        known = desk.said.withdrawal()
        if known is None:
            correspondence.withdraw(desk.case, desk.store, desk.identity, reason, wall_clock())
        found = {"application_id": application_id, "state": desk.case.state, "withdrawal_sent": True}
    emit(found if as_json else in_words(found, lang), as_json)


@click.command()
@click.argument("application_id")
@click.argument("words", nargs=-1, metavar="[PROVIDER] [agree|shorten|close]")
@click.option(
    "--until", callback=options.instant, metavar="YYYY-MM-DD[ HH:MM]",
    help="With shorten: until when you wait; a day means its end.",
)  # fmt: skip
@click.option("--reason", callback=options.free_text, help="Why; close needs it. Name nobody: give roster numbers.")
@options.party
@options.lang
@options.as_json
def extension(
    application_id: str,
    words: Sequence[str],
    until: int | None,
    reason: str,
    party: str,
    lang: Language,
    as_json: bool,
) -> None:
    """Show the delays (延期通知) of an application, or reply to one: agree, shorten --until, or close.

    PROVIDER may be left out when one delay waits; `center` is the center itself, that cannot start in time. Without a reply
    the deadline stands, and what comes after it is a supplement. What is closed takes no answer any more.
    """
    provider, decision = _split(words)
    if decision is not None:
        _check(decision, until, reason)
    with _opened(party, application_id) as desk:
        if decision is not None:
            told = _meant(desk.said.delays(), provider)
            correspondence.reply(
                desk.case, desk.store, desk.identity, told, decision, reason or decision, wall_clock(), until
            )
        shown = [told for told in desk.said.delays() if provider in (None, told.delay["provider"])]
    emit_list([as_data(told) if as_json else as_words(told, lang) for told in shown], as_json, lang)


def as_data(told: ToldDelay) -> dict[str, Any]:
    """A delay for a program; times in ms."""
    return {
        "provider": told.delay["provider"],
        "rows": told.delay["rows"],
        "until": told.delay["until"],
        "reason": told.delay["reason"],
        "standing": _standing(told),
        "agreed_until": None if told.extension is None else told.extension["until"],
        "delay": told.digest.hex(),
    }


def as_words(told: ToldDelay, lang: Language) -> dict[str, object]:
    """A delay for a reader."""
    heads = ("提供方", "附表行", "预计恢复", "原因", "答复", "商定期限")
    english = ("provider", "schedule rows", "away until", "because", "reply", "agreed until")
    agreed = "" if told.extension is None else local_time(told.extension["until"])
    values = (
        provider_words(told.delay["provider"], lang),
        ", ".join(map(str, told.delay["rows"])),
        local_time(told.delay["until"]),
        told.delay["reason"],
        _WORDS[_standing(told)][lang == "en"],
        agreed,
    )
    return dict(zip(english if lang == "en" else heads, values, strict=True))


def _standing(told: ToldDelay) -> str:
    if told.extension is not None:
        return "closed" if told.extension["closed"] else "extended"
    return "waiting" if told.reply is None else told.reply["decision"]


def _split(words: Sequence[str]) -> tuple[str | None, Decision | None]:
    """(provider, decision) of what was typed, either may be left out."""
    provider: str | None = None
    decision: Decision | None = None
    for word in words:
        if word in _DECISIONS and decision is None:
            decision = cast("Decision", word)
        elif provider is None and decision is None:
            provider = _provider(word)
        else:
            raise click.UsageError(f"not understood: {word}; give [PROVIDER] and one of {', '.join(_DECISIONS)}")
    return provider, decision


def _provider(word: str) -> str:
    if word == CENTER:
        return CENTER
    try:
        return provider_from(word)
    except ValueError:
        raise click.UsageError(f"{word} is no provider, and none of {', '.join(_DECISIONS)}") from None


def _check(decision: Decision, until: int | None, reason: str) -> None:
    if (decision == "shorten") != (until is not None):
        raise click.UsageError("--until goes with shorten, and shorten needs it")
    if decision == "close" and not reason:
        raise click.UsageError("close needs a --reason")


def _meant(delays: Sequence[ToldDelay], provider: str | None) -> ToldDelay:
    """The newest delay of `provider` that is not settled. Raises ConfigError when there is none, or more providers have one."""
    waiting = {
        t.delay["provider"]: t for t in delays if t.extension is None and provider in (None, t.delay["provider"])
    }
    if not waiting:
        raise ConfigError("no delay waits for a reply")
    if len(waiting) > 1:
        raise ConfigError(f"delays of {', '.join(sorted(waiting))} wait for a reply: name the provider")
    return next(iter(waiting.values()))
