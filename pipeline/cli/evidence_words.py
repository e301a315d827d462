"""Documents and requests for them in words, and what the commands of `hedx evidence` share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Final

import click

from pipeline.center.installation import Installation
from pipeline.domain.evidence import WORDS, kind_of
from pipeline.domain.free_text import free_text_fault
from pipeline.domain.records import EvidenceKind
from pipeline.domain.wording import Language
from pipeline.province.access import user
from pipeline.province.database import connect
from pipeline.province.evidence_documents import Document
from pipeline.province.evidence_store import EvidenceStore
from pipeline.settings import data_dir
from pipeline.signer.client import open_identity
from pipeline.stages.acts import REASON_LIMIT
from pipeline.stages.clock import local_time

_LABELS: Final[Mapping[str, tuple[str, str]]] = {
    "sha256": ("摘要", "digest"),
    "kind": ("种类", "kind"),
    "numbers": ("序号", "numbers"),
    "bytes": ("字节", "bytes"),
    "media_type": ("格式", "type"),
    "added_at": ("归档时间", "added"),
    "added_by": ("归档人", "added by"),
    "in_mandate": ("委托已列明", "in the mandate"),
    "kept_until": ("保管至", "kept until"),
    "protocol": ("销毁记录", "destroyed by protocol"),
    "request": ("调阅编号", "request"),
    "application": ("申请", "application"),
    "province": ("省份", "province"),
    "asked_at": ("调阅时间", "asked"),
    "due": ("期限", "due"),
    "days_left": ("剩余工作日", "working days left"),
    "state": ("状态", "state"),
    "reason": ("事由", "reason"),
    "draw": ("抽查", "draw"),
    "open": ("尚未答复", "not replied to yet"),
    "persons": ("人数", "persons"),
    "missing": ("缺少", "missing"),
    "reminder": ("催办次数", "reminders"),
}
_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "open": ("待提交", "open"),
    "warn": ("即将到期", "due soon"),
    "overdue": ("已逾期", "overdue"),
    "replied": ("已答复，待审", "replied, to be judged"),
    "accepted": ("已认可", "accepted"),
    "questioned": ("有疑问", "questioned"),
}
_TIMES: Final = frozenset({"added_at", "kept_until", "asked_at", "due"})
_REASONS: Final = {
    "missing": "a reason is missing",
    "too_long": f"a reason has {REASON_LIMIT} characters at most",
    "control_characters": "the reason holds characters that nobody can see",
    "long_number": "the reason holds a number as long as a person's: give a roster number instead",
}
_LONGEST_NAME: Final = 64


class _Kind(click.ParamType):
    """A kind of document, in Chinese or English."""

    name = "kind"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> EvidenceKind:
        """The kind of a word, or click's error that lists the words."""
        found = kind_of(str(value))
        if found is None:
            self.fail(
                f"{value} is none of {', '.join(f'{kind} ({words[0]})' for kind, words in WORDS.items())}", param, ctx
            )
        return found


kinds_option = _Kind()


def reason_of(_: click.Context, __: click.Parameter, text: str) -> str:
    """A callback for `--reason`: what travels must name nobody, as far as that can be told."""
    if fault := free_text_fault(text, REASON_LIMIT):
        raise click.BadParameter(_REASONS[fault])
    return text


reason_option = click.option(
    "--reason", required=True, callback=reason_of, help="Why. Name nobody: give roster numbers instead."
)
officer_option = click.option("--officer", help="Who acts; by default the account this runs as.")


def officer_name(given: str | None) -> str:
    """Who acts: as given, else the account this runs as. Raises click.BadParameter."""
    name = (given or user().removeprefix("user:")).strip()
    if not 1 <= len(name) <= _LONGEST_NAME:
        raise click.BadParameter(f"a name has 1 to {_LONGEST_NAME} characters", param_hint="--officer")
    return name


@contextmanager
def party_archive(party: str) -> Iterator[EvidenceStore]:
    """A party's archive with the identity that opens it, for as long as the block."""
    installation = Installation(data_dir())
    with (
        open_identity(installation.identity_folder(party)) as identity,
        closing(connect(installation.store(party))) as connection,
    ):
        yield EvidenceStore(connection, identity)


def document_data(document: Document, in_mandate: bool, kept_until: int | None) -> dict[str, object]:
    """A document for a program. Times in ms."""
    return {
        "sha256": document.digest.hex(),
        "kind": document.kind,
        "numbers": list(document.numbers),
        "bytes": document.size,
        "media_type": document.media_type,
        "added_at": document.added_at,
        "added_by": document.added_by,
        "in_mandate": in_mandate,
        "kept_until": kept_until,
        "protocol": document.protocol,
    }


def in_words(data: Mapping[str, object], lang: Language) -> dict[str, object]:
    """The same facts with labels for keys, times and kinds as people read them."""
    return {_LABELS[key][lang == "en"] if key in _LABELS else key: _value(key, v, lang) for key, v in data.items()}


def want_words(number: int | None, kind: EvidenceKind, lang: Language) -> str:
    """A document that is asked for: `3 授权书`."""
    word = WORDS[kind][lang == "en"]
    return word if number is None else f"{number} {word}"


def _value(key: str, value: object, lang: Language) -> object:
    if key in _TIMES and isinstance(value, int):
        return local_time(value)
    if key == "sha256":
        return str(value)[:12]
    if key == "kind":
        return WORDS[value][lang == "en"]  # type: ignore[index]
    if key == "state" and value in _STATES:
        return _STATES[str(value)][lang == "en"]
    if key == "numbers" and isinstance(value, list):
        return ", ".join(map(str, value)) if value else ("全部" if lang == "zh" else "all")
    if key == "request":
        return str(value)[:8]
    if isinstance(value, bool):
        return ("是" if value else "否") if lang == "zh" else ("yes" if value else "no")
    return value
