"""`hedx dlq … --party 37`: the dead letters in a party's own store. No Kafka: its adapter does what is asked for here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Final, Literal

from pipeline.center.deadletter_words import likely_cure, meaning
from pipeline.center.installation import Installation
from pipeline.cli.output import emit, remark, table
from pipeline.domain.errors import ConfigError
from pipeline.domain.wording import Language
from pipeline.province import access
from pipeline.province.database import connect, transaction
from pipeline.province.dead_letters import STATES, KeptLetter, act_on_kept, kept_letter, kept_letters
from pipeline.settings import data_dir
from pipeline.stages.clock import local_time
from pipeline.stages.local import Access

_STATES_ZH: Final = {"open": "未处理", "asked": "待重放", "replayed": "已重放", "discarded": "已作废"}
MOST_AT_ONCE: Final = 1000


@contextmanager
def opened(party: str) -> Iterator[Connection]:
    """The party's store. Raises ConfigError where it is not on this machine."""
    path = Installation(data_dir()).store(party)
    if not path.exists():
        raise ConfigError(f"{path} is not there: {party} keeps its dead letters on its own machine")
    with closing(connect(path)) as connection:
        yield connection


def list_kept(party: str, wanted: dict[str, Any], limit: int, lang: Language, as_json: bool) -> None:
    """Print the letters, the newest first, with their counts by code on top."""
    with opened(party) as connection:
        found = kept_letters(connection, **wanted, limit=limit + 1)
        withheld = connection.execute("SELECT code, sum(count) FROM dead_letter_withheld GROUP BY code").fetchall()
    more, found = len(found) > limit, found[:limit]
    counts = Counter((letter.code, letter.state) for letter in found)
    codes = sorted({letter.code for letter in found})
    if as_json:
        by_code = {code: {state: counts[code, state] for state in STATES} for code in codes}
        letters = [_data(letter) for letter in found]
        emit({"counts": by_code, "withheld": dict(withheld), "more": more, "letters": letters}, as_json)
        return
    if not found:
        remark("没有死信" if lang == "zh" else "no dead letters")
    else:
        states = [_STATES_ZH[state] for state in STATES] if lang == "zh" else STATES
        heads = ("代码", "含义") if lang == "zh" else ("code", "meaning")
        table(
            [*heads, *states],
            [(code, meaning(code, lang), *(counts[code, state] for state in STATES)) for code in codes],
        )
        columns = ("位置", "时间", "代码", "自称来自", "字节", "状态")
        english = ("place", "put aside", "code", "says it is from", "bytes", "state")
        table(english if lang == "en" else columns, [_row(letter, lang) for letter in found])
    for code, count in withheld:
        remark(f"{code}：另有 {count} 封只计数" if lang == "zh" else f"{code}: {count} more were only counted")
    if more:
        remark(
            f"仅列出最新的 {limit} 封（--limit）" if lang == "zh" else f"only the newest {limit} are listed (--limit)"
        )


def show_kept(party: str, place: str, raw: Path | None, by: str, now: int, lang: Language, as_json: bool) -> None:
    """Print what is known of a letter; `raw`: write its sealed value there, after the access log says so."""
    with opened(party) as connection:
        letter = kept_letter(connection, place)
        digest = sha256(letter.value or b"").hexdigest()
        if raw is not None:
            note = Access("dead_letter_export", "", "", "", "", {"letter": place, "sha256": digest})
            with transaction(connection) as db:
                access.record(db, note, actor=by, at=now)
    facts: dict[str, object] = {
        **_data(letter),
        "sha256": digest,
        "key_bytes": len(letter.key or b""),
        "meaning": meaning(letter.code, lang),
        "cure": likely_cure(letter.code, lang),
    }
    if not as_json:
        facts["at"] = local_time(letter.at)
        facts["acted_at"] = None if letter.acted_at is None else local_time(letter.acted_at)
    emit(facts, as_json)
    if raw is not None:
        write_raw(raw, letter.value or b"")


def decide_kept(
    party: str,
    act: Literal["replayed", "discarded"],
    places: Sequence[str],
    filters: dict[str, Any],
    *,
    by: str,
    reason: str,
    now: int,
    again: bool = False,
) -> tuple[list[dict[str, object]], Callable[[str], dict[str, object]]]:
    """The letters that are meant, a row each, and what does it to one of them and tells what it has become."""
    with opened(party) as connection:
        if places:
            found = [kept_letter(connection, place) for place in dict.fromkeys(places)]
        else:
            found = kept_letters(connection, **filters, state="open", limit=MOST_AT_ONCE + 1)[::-1]
    if len(found) > MOST_AT_ONCE:
        raise ConfigError(f"these are more than {MOST_AT_ONCE} letters: choose narrower")

    def carry_out(place: str) -> dict[str, object]:
        with opened(party) as connection:
            return {"done": act_on_kept(connection, place, act, by=by, reason=reason, now=now, again=again).state}

    return [{"place": letter.place, "code": letter.code} for letter in found], carry_out


def write_raw(path: Path, value: bytes) -> None:
    """Sealed bytes into a new file. Raises ConfigError when it is there already, or cannot be written."""
    try:
        with path.open("xb") as file:
            file.write(value)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    remark(f"{path}: {len(value)} bytes, sealed as they came")


def _data(letter: KeptLetter) -> dict[str, object]:
    left_out = ("key", "value", "topic", "partition", "offset")
    told = {name: value for name, value in asdict(letter).items() if name not in left_out}
    return {"place": letter.place, "issuer": letter.issuer, "size": len(letter.value or b""), **told}


def _row(letter: KeptLetter, lang: Language) -> tuple[object, ...]:
    state = _STATES_ZH[letter.state] if lang == "zh" else letter.state
    said = state if letter.by is None else f"{state} {letter.by}"
    return letter.place, local_time(letter.at), letter.code, letter.issuer or "?", len(letter.value or b""), said
