"""Article 8: 每次提出查询申请前…明确本次查询需求，并…提交《查询申请》: each query is an application of its own, filed anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import yaml

from pipeline.domain.review import check_application
from pipeline.province.copying import copied
from pipeline.province.forms import LoadedForm, load_form
from pipeline.stages.clock import local_date
from tests.disputes import Original, certified, with_id
from tests.network import Network
from tests.scenario import REQUESTER

NEW = "e0000000-0000-4000-8000-000000000008"


def loaded(network: Network, folder: Path, form: bytes, roster: bytes, days: int) -> LoadedForm:
    """The two files, as `hedx apply submit` reads and reviews them `days` from now."""
    (folder / "f.yaml").write_bytes(form)
    (folder / "r.csv").write_bytes(roster)
    release = network.reference.current
    assert release is not None
    today = local_date(network.clock()) + timedelta(days=days)
    return load_form(
        folder / "f.yaml", folder / "r.csv", release=release, today=today, requester=REQUESTER, application_id=NEW
    )


def copy_of(original: Original, days: int) -> tuple[bytes, bytes]:
    """The files of a copy made `days` from now."""
    case = original.network.case(original.application)
    return copied(case.form(), case.roster(), local_date(original.network.clock()) + timedelta(days=days), "zh")


def confirmed(form: bytes) -> bytes:
    """As an official confirms it: consent held, for the whole country."""
    content = yaml.safe_load(form)
    content["授权"] = {"已取得": "是", "范围": "全国各核对机构"}
    return yaml.safe_dump(content, allow_unicode=True).encode()


def test_a_copy_is_not_filed_by_anybody_but_an_official(tmp_path: Path) -> None:
    """It writes two files and nothing else: there are no standing queries."""
    original = certified(tmp_path)
    network = original.network
    before = network._ends()
    copy_of(original, 30)
    network.pass_time(3 * 24 * 3600)
    rows = network.case(original.application).connection.execute("SELECT application_id FROM application")
    assert rows.fetchall() == [(original.id,)]
    assert network._ends() == before


def test_consent_must_be_confirmed_again_each_time(tmp_path: Path) -> None:
    """The form refuses itself until somebody states it; each person's day of consent stays, and is reviewed again."""
    original = certified(tmp_path)
    form, roster = copy_of(original, 30)
    faults = loaded(original.network, tmp_path, form, roster, 30).faults
    assert {fault["field"] for fault in faults} == {"consent.held", "consent.scope"}
    sound = loaded(original.network, tmp_path, confirmed(form), roster, 30)
    assert sound.faults == []
    assert [person["consent_date"] for person in sound.roster] == [
        person["consent_date"] for person in sorted(original.sample.persons, key=lambda p: p["number"])
    ]
    # a consent that is dated after the day of the copy is found, as in any roster
    assert loaded(original.network, tmp_path, confirmed(form), roster, -400).faults != []


def test_a_copy_asks_the_same_today(tmp_path: Path) -> None:
    """Rows, persons and purpose are the old ones; the dates of form and roster are today's."""
    original = certified(tmp_path)
    form, roster = copy_of(original, 30)
    new = loaded(original.network, tmp_path, confirmed(form), roster, 30).application
    assert new is not None
    old = original.application
    changed = {key for key in old if new[key] != old[key]}  # type: ignore[literal-required]
    assert changed == {"application_id", "form_date", "roster_date"}
    today = (local_date(original.network.clock()) + timedelta(days=30)).isoformat()
    assert (new["form_date"], new["roster_date"]) == (today, today)


def test_the_copy_of_a_re_check_is_an_ordinary_application(tmp_path: Path) -> None:
    """Its rows are numbered from 1 again, and it names no original."""
    original = certified(tmp_path)
    recheck = original.recheck([with_id(original.sample.persons)[2]["number"]], [3])
    original.network.run()
    other = Original(replace(original.sample, application=recheck), original.network)
    form, roster = copy_of(other, 1)
    new = loaded(original.network, tmp_path, confirmed(form), roster, 1).application
    assert new is not None
    assert new["recheck"] is None
    assert [row["row"] for row in new["schedule"]] == [1]
    assert check_application(new, local_date(original.network.clock()) + timedelta(days=1)) == []


def test_the_copy_runs_as_a_new_application(tmp_path: Path) -> None:
    """Filed, it gets its own certificate; the old one is as it was."""
    original = certified(tmp_path)
    network = original.network
    form, roster = copy_of(original, 0)
    new = loaded(network, tmp_path, confirmed(form), roster, 0)
    assert new.application is not None
    network.file(new.application, new.roster)
    network.run()
    assert network.case(new.application).is_complete()
    assert network.case(original.application).mandate()["recheck"] is None
    assert network.case(new.application).mandate()["recheck"] is None
