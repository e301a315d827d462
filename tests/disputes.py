"""Re-checks (复核) on the in-memory network: an original, what is disputed of it, and what the registers say meanwhile."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.demo.application import Sample
from pipeline.domain.records import Application, Fault, Person
from pipeline.province.rechecking import Dispute, Prepared, prepare
from pipeline.stages.clock import local_date
from tests.network import Network
from tests.scenario import network_for, small_sample

ROWS = (("全国", "vehicles", ""), ("山东", "housing_fund", ""), ("全国", "business", ""))
"""Row 1 asks 江苏 and 山东, row 2 山东 alone, row 3 江苏 (refused), 部中心 and 山东."""
PROVIDER = "37"


@dataclass
class Original:
    """An application that ran to its certificate."""

    sample: Sample
    network: Network

    @property
    def application(self) -> Application:
        """Its form."""
        return self.sample.application

    @property
    def id(self) -> str:
        """Its id."""
        return self.application["application_id"]

    def person(self, number: int) -> Person:
        """A line of the roster."""
        return next(person for person in self.sample.persons if person["number"] == number)

    def prepare(self, numbers: Iterable[int], rows: Iterable[int], provider: str | None = None) -> Prepared:
        """A re-check of these persons and rows."""
        dispute = Dispute(frozenset(numbers), frozenset(rows), provider, "登记与事实不符")
        today = local_date(self.network.clock())
        case = self.network.case(self.application)
        return prepare(case, dispute, application_id=str(uuid.uuid4()), today=today)

    def file(self, prepared: Prepared, section_size: int = 500) -> Application:
        """File a prepared re-check."""
        self.network.file(
            prepared.application,
            prepared.persons,
            section_size=section_size,
            evidence=prepared.evidence,
            origin=prepared.origin,
        )
        return prepared.application

    def recheck(self, numbers: Iterable[int], rows: Iterable[int], provider: str | None = None) -> Application:
        """Prepare and file a re-check."""
        return self.file(self.prepare(numbers, rows, provider))

    def state(self) -> str:
        """Where the requester sees it."""
        return self.network.case(self.application).state

    def faults(self, application: Application) -> list[Fault]:
        """Why a re-check was rejected."""
        rejection = self.network.case(application).rejection()
        assert rejection is not None, "not rejected"
        return rejection["faults"]

    def codes(self, application: Application) -> list[str]:
        """The codes of that."""
        return [fault["code"] for fault in self.faults(application)]


def certified(folder: Path, *rows: tuple[str, str, str], persons: int = 12, section_size: int = 500) -> Original:
    """An original with its certificate."""
    sample = small_sample(folder, *(rows or ROWS), persons=persons)
    network = network_for(sample, folder)
    network.file(sample.application, sample.persons, section_size=section_size)
    network.run()
    assert network.case(sample.application).is_complete()
    return Original(sample, network)


def register_vehicle(sample: Sample, person: Person, plate: str, model: str = "大众 捷达") -> None:
    """A vehicle of `person` in the register of 山东, whatever was there under that plate."""
    with sqlite3.connect(sample.databases / f"{PROVIDER}.db") as db:
        db.execute("DELETE FROM cl_dj WHERE hphm = ?", (plate,))
        columns = "sfzh, hphm, zl, ppxh, cdrq, pl"
        values = (person["document_number"], plate, "小型轿车", model, "20150601", 1598)
        db.execute(f"INSERT INTO cl_dj ({columns}) VALUES (?, ?, ?, ?, ?, ?)", values)  # noqa: S608
    db.close()


def register_property(sample: Sample, person: Person, certificate: str, *, mortgaged: bool = False) -> None:
    """A flat of `person` in the register of 山东, whatever was there under that certificate number."""
    with sqlite3.connect(sample.databases / f"{PROVIDER}.db") as db:
        db.execute("DELETE FROM bdc_dj WHERE bdcqzh = ?", (certificate,))
        columns = "sfzh, bdcqzh, zl, mj, gyfs, yt, sfdy, sfcf, djsj"
        flags = "Y" if mortgaged else "N", "N"
        values = (
            person["document_number"],
            certificate,
            "济南市历下区某路1号",
            "88.50",
            "单独所有",
            "住宅",
            *flags,
            "20190301",
        )
        db.execute(f"INSERT INTO bdc_dj ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608
    db.close()


def plates(network: Network, application: Application, number: int) -> list[object]:
    """Plates that 山东 told of a person."""
    return [
        entry["plate"]
        for dossier in network.case(application).dossiers()
        for person in dossier["persons"]
        if person["number"] == number
        for result in person["results"]
        if result["provider"] == PROVIDER and result["category"] == "vehicles"
        for entry in result["entries"]
    ]


def with_id(persons: Sequence[Person]) -> list[Person]:
    """Those of a roster who have an identity card."""
    return [person for person in persons if person["document_type"] == "resident_id"]
