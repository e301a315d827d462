"""`hedx dlq … --party`: a party's own dead letters, on its machine, without Kafka."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.center.installation import Installation
from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.crypto.authority import create_authority, issue
from pipeline.domain.errors import InvalidMessage
from pipeline.province import access
from pipeline.province.database import connect
from pipeline.province.dead_letters import asked_for
from pipeline.province.store import Store
from pipeline.stages.effects import Message
from pipeline.stages.local import LocalEffects

NOW = 1_795_150_800_000
TOPIC = "hedx.37.requests"
SECRET = b"sealed 110101199001011234"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """山东's store, with a request that could not be opened and two that are no envelopes."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path))
    monkeypatch.delenv("HEDX_BOOTSTRAP", raising=False)
    made = Store(connect(Installation(tmp_path).store("37")), issue(create_authority(NOW), "37", NOW))
    dead = [(0, "unseal_failed", SECRET), (1, "cbor_invalid", b"junk"), (2, "cbor_invalid", b"more junk")]
    letters = [(Message(TOPIC, 0, n, NOW, b"key", value), InvalidMessage(code)) for n, code, value in dead]
    made.apply(LocalEffects(dead=letters), {}, NOW)
    return made


def hedx(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """`hedx dlq … --party 37`: exit code and stdout."""
    code = run(["dlq", *words, "--party", "37"])
    return code, capsys.readouterr().out


def states(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Place → state of all letters."""
    code, out = hedx(capsys, "list", "--json")
    assert code == Exit.FINE
    return {letter["place"]: letter["state"] for letter in json.loads(out)["letters"]}


def test_a_party_lists_and_shows_its_own(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Newest first, with counts and meanings; of the content nothing."""
    code, out = hedx(capsys, "list", "--json", "--code", "cbor_invalid")
    said = json.loads(out)
    assert code == Exit.FINE
    assert [letter["place"] for letter in said["letters"]] == [f"{TOPIC}/0/2", f"{TOPIC}/0/1"]
    assert said["counts"] == {"cbor_invalid": {"open": 2, "asked": 0, "replayed": 0, "discarded": 0}}
    for words in (
        ["list", "--lang", "zh"],
        ["show", f"{TOPIC}/0/0", "--lang", "zh"],
        ["show", f"{TOPIC}/0/0", "--json"],
    ):
        code, out = hedx(capsys, *words)
        assert code == Exit.FINE
        assert "无法解封" in out or "unseal_failed" in out
        assert "110101199001011234" not in out


def test_the_sealed_bytes_go_into_a_new_file_only_and_into_the_log(
    store: Store, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A file that is there is not overwritten."""
    raw = tmp_path / "raw"
    assert hedx(capsys, "show", f"{TOPIC}/0/0", "--raw", str(raw), "--by", "user:li")[0] == Exit.FINE
    assert raw.read_bytes() == SECRET
    assert hedx(capsys, "show", f"{TOPIC}/0/0", "--raw", str(raw))[0] == Exit.FAILED
    first = access.entries(store.connection)[0]
    assert (first.actor, first.act) == ("user:li", "dead_letter_export")


def test_a_replay_is_asked_for_and_left_to_the_adapter(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --yes nothing is asked for; with it the adapter finds the very bytes."""
    words = ("replay", f"{TOPIC}/0/0", "--reason", "the seal key was restored")
    assert hedx(capsys, *words)[0] == Exit.FINE
    assert set(states(capsys).values()) == {"open"}
    assert hedx(capsys, *words, "--yes")[0] == Exit.FINE
    assert states(capsys)[f"{TOPIC}/0/0"] == "asked"
    assert [(message.key, message.value) for message in asked_for(store.connection, TOPIC).values()] == [
        (b"key", SECRET)
    ]
    code, out = hedx(capsys, *words, "--yes", "--json")
    assert (code, json.loads(out)["letters"][0]["done"]) == (Exit.FAILED, "refused")


def test_junk_is_discarded_by_its_code(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """All open letters of the code, and no other; what was decided is in the access log."""
    code, out = hedx(
        capsys, "discard", "--code", "cbor_invalid", "--reason", "junk", "--yes", "--by", "user:li", "--json"
    )
    assert code == Exit.FINE
    assert [row["done"] for row in json.loads(out)["letters"]] == ["discarded", "discarded"]
    assert states(capsys) == {f"{TOPIC}/0/0": "open", f"{TOPIC}/0/1": "discarded", f"{TOPIC}/0/2": "discarded"}
    assert [entry.act for entry in access.entries(store.connection)] == ["dead_letter_discard"] * 2


def test_wrong_usage_and_a_store_that_is_elsewhere(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """No choice at all, the center's stages, no such party, a party of another machine, a letter that is not there."""
    assert hedx(capsys, "discard", "--reason", "junk")[0] == Exit.USAGE
    assert hedx(capsys, "list", "--stage", "intake")[0] == Exit.USAGE
    assert hedx(capsys, "discard", "--stage", "intake", "--reason", "junk")[0] == Exit.USAGE
    assert run(["dlq", "list", "--party", "99"]) == Exit.USAGE
    assert run(["dlq", "list", "--party", "53"]) == Exit.FAILED
    assert hedx(capsys, "show", f"{TOPIC}/0/9")[0] == Exit.FAILED
    assert set(states(capsys).values()) == {"open"}


def test_more_than_the_limit_is_told(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """So that nobody takes a part for the whole."""
    code, out = hedx(capsys, "list", "--limit", "2", "--json")
    assert (code, json.loads(out)["more"], len(json.loads(out)["letters"])) == (Exit.FINE, True, 2)
