"""The console in a real browser, over a running exchange, its lag exporter and its watch."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from playwright.sync_api import Browser

from pipeline.center.opening import ACCESS_LOG
from pipeline.demo.application import random_application
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Application, Person
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.readiness import accepts, free_ports
from pipeline.ops.console.pages import STATIC
from pipeline.province import access
from pipeline.province.database import access_log
from pipeline.stages.clock import local_date
from tests.browser import Visit, chromium, until, visiting
from tests.byte_search import pattern_of
from tests.exchange import LONG, Exchange, own_broker
from tests.officer import DOUBTFUL
from tests.processes import Processes, wait_until
from tests.raw_https import Caller

pytestmark = pytest.mark.timeout(400)

ROLES = "roles: {ops: operator, center: officer, admin: viewer, P37: viewer}\n"
ENDED = ("completed", "incomplete", "supplemented")
JOIN = 'tr[data-key="hedx.center.join hedx.center.join"]'


@dataclass
class Standing:
    """The exchange, a console over it, and a browser."""

    exchange: Exchange
    processes: Processes
    origin: str
    browser: Browser
    scratch: Path

    @contextmanager
    def visit(self, principal: str, **settings: Any) -> Iterator[Visit]:
        """A page with that principal's certificate. In the end nothing was asked of others, and nothing went wrong on it."""
        folder = self.exchange.installation.transport(principal)
        with visiting(self.browser, self.origin, folder, self.scratch, **settings) as visit:
            yield visit
            assert visit.foreign == []
            assert visit.errors == []

    def caller(self, principal: str) -> Caller:
        """The same without a browser."""
        return Caller(self.origin, self.exchange.installation.transport(principal))

    def log(self) -> list[access.AccessEntry]:
        """The center's access log."""
        with closing(access_log(self.exchange.installation.party(CENTER) / ACCESS_LOG)) as log:
            return access.entries(log)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """An exchange of its own: what is put aside here, and the watch's group, would disturb the other tests'."""
    folder = tmp_path_factory.mktemp("exchange")
    sample = random_application(folder / "sample", seed=2026, today=local_date(wall_clock()))
    with Exchange(folder, sample, own_broker(folder)) as exchange:
        yield exchange


@pytest.fixture(scope="module")
def standing(running: Exchange, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """Lag exporter, watch and console as processes, and Chromium."""
    home, scratch = running.installation.folder, tmp_path_factory.mktemp("console")
    (home / "console.yaml").write_text(ROLES)
    processes = Processes(scratch / "logs", {"HEDX_HOME": str(home), "HEDX_PARTIES": ",".join(running.sample.parties)})
    [port] = free_ports(1)
    try:
        for name, *arguments in (
            ("lag", "--serve", "127.0.0.1:0", "--every", "0.5"),
            ("watch", "--serve", "127.0.0.1:0"),
            ("console", "--listen", f"127.0.0.1:{port}"),
        ):
            processes.start(name, "pipeline.cli.main", name, *arguments, "--bootstrap", running.bootstrap)
        with chromium() as browser:
            wait_until("the console listens", lambda: accepts(f"127.0.0.1:{port}"), LONG)
            yield Standing(running, processes, f"https://127.0.0.1:{port}", browser, scratch)
        processes.stop("console", "watch", "lag")
    finally:
        processes.close()
        (home / "console.yaml").unlink()


def some(exchange: Exchange, first: int, number: int = 10, **form: str) -> tuple[Application, list[Person]]:
    """A filed application about some persons of the roster."""
    persons = [{**person, "number": n} for n, person in enumerate(exchange.sample.persons[first : first + number], 1)]
    application: Application = {**exchange.application(persons), **form}  # type: ignore[arg-type,typeddict-item]
    exchange.file(application, persons)  # type: ignore[arg-type]
    return application, persons  # type: ignore[return-value]


def test_lag_rises_and_falls_and_an_application_reaches_its_certificate(standing: Standing, exchange: Exchange) -> None:
    """A stage is stopped: its lag grows, it is said to be stopped, the application waits; started again, all of it ends well."""
    with standing.visit("ops") as visit:
        page = visit.page
        visit.sign_in("李运维")
        visit.go("lag")
        visit.wait_text(f"{JOIN} .badge", "正常")
        exchange.processes.stop("join")
        application, _ = some(exchange, 0)
        identifier = application["application_id"]
        visit.wait_text(f"{JOIN} .badge", "停止")
        assert "有记录等待，无人读取" in visit.text(JOIN)
        until(page, "row => parseFloat(document.querySelector(row).cells[3].textContent) >= 1", JOIN)  # seconds first
        assert int(page.locator(f"{JOIN} > *").nth(4).inner_text()) > 0
        page.screenshot(path=standing.scratch / "zh-lag-stopped.png")
        visit.go("overview")
        visit.wait_text(".health strong", "有需要处理的告警")
        visit.wait_text(".alerts li", "hedx.center.join")
        page.locator('.node.bad[data-stage="join"]').wait_for()
        page.screenshot(path=standing.scratch / "zh-overview-stopped.png", full_page=True)
        visit.go("applications")
        page.fill("#find", identifier)
        page.keyboard.press("Enter")
        visit.wait_text(".application .badge", "查询中")
        visit.wait_text(".missing li", "部中心")
        exchange.processes.restart("join")
        visit.wait_text(".timeline .last", "签发首份证明")
        until(page, "!document.querySelector('.missing')")
        kinds = page.locator(".timeline .what").all_inner_texts()
        assert kinds[0] == "收到分段"
        assert {"各分段到齐", "启动查询", "反馈已转交", "分段证明已签发", "签发首份证明"} <= set(kinds)
        page.screenshot(path=standing.scratch / "zh-application.png", full_page=True)
        visit.go("lag")
        visit.wait_text(f"{JOIN} .badge", "正常")
        until(page, "row => document.querySelector(row).cells[4].textContent === '0'", JOIN)
        visit.go("provinces")
        visit.wait_text('.tile[data-arg="37"]', "%")
        page.screenshot(path=standing.scratch / "zh-provinces.png", full_page=True)


def hostile(exchange: Exchange) -> None:
    """37 sends what is no envelope."""
    producer = Producer({"bootstrap.servers": exchange.bootstrap, **exchange.security("P37")})
    producer.produce("hedx.center.requests", b"\xa1not an envelope", b"k" * 16, partition=0)
    assert producer.flush(30) == 0


def test_a_dead_letter_is_replayed_by_an_operator_and_not_by_a_viewer(standing: Standing, exchange: Exchange) -> None:
    """A hostile message shows up with what it means; a viewer has no button and is refused; the operator's replay is in the log."""
    known = len(exchange.messages("hedx.deadletters"))
    hostile(exchange)
    with standing.visit("ops") as visit:
        page = visit.page
        visit.sign_in("李运维")
        visit.go("letters")
        until(page, "known => document.querySelectorAll('.letters tbody tr').length > known", known)
        place = page.locator(".letters tbody tr a").first.inner_text()
        assert "未处理" in page.locator(".letters tbody tr").first.inner_text()
        visit.go(f"letters/{place.replace('/', '-')}")
        visit.wait_text(".letter dd", "hedx.center.requests/0/")
        page.screenshot(path=standing.scratch / "zh-letter.png")

        viewer = standing.caller("admin")
        token = viewer.sign_in("赵查看")
        refused = viewer.act("POST", f"/api/dead-letters/{place}/replay", {"reason": "x"}, token)
        assert refused == (403, {"error": "role_missing"})

        page.get_by_role("button", name="重放").click()
        assert page.evaluate("document.activeElement.id") == "reason"
        page.keyboard.type("已查明：测试消息")
        page.screenshot(path=standing.scratch / "zh-dialog.png")
        page.get_by_role("button", name="确认").click()
        visit.wait_text("#toast", "已重放到 hedx.center.requests/0/")
        visit.wait_text(".letter .badge", "已重放")
        visit.wait_text(".acts li", "已查明：测试消息")
        assert page.evaluate("document.activeElement.textContent") == "重放"
        visit.go("letters")
        until(page, "n => document.querySelectorAll('.letters tbody tr').length > n", known + 1)  # it came back
    with standing.visit("admin") as visit:
        visit.sign_in("赵查看")
        visit.go(f"letters/{place.replace('/', '-')}")
        visit.wait_text("#view", "查看角色不能重放或作废")
        assert visit.page.locator("[data-do=replay]").count() == 0
    rows = [row for row in standing.log() if row.detail.get("subject") == place or "dead_letter" in row.act]
    told = [(row.act, row.actor) for row in rows if row.act.startswith("console")]
    assert told == [("console_acted", "console:李运维 (ops)"), ("console_outcome", "console:李运维 (ops)")]
    refusals = [row for row in standing.log() if row.act == "console_refused" and "赵查看" in row.actor]
    assert [row.detail["code"] for row in refusals] == ["role_missing"]


def test_without_the_operators_certificate_the_page_has_the_command(standing: Standing, exchange: Exchange) -> None:
    """A console started without `admin`, as in the compose file: the command for a letter of an inbox, and a button to discard it."""
    known = len(exchange.messages("hedx.deadletters"))
    hostile(exchange)
    wait_until("it was put aside", lambda: len(exchange.messages("hedx.deadletters")) > known, LONG)
    folder, hidden = exchange.installation.transport("admin"), standing.scratch / "admin"

    def restart() -> None:
        standing.processes.stop("console")
        standing.processes.restart("console")
        wait_until("the console listens", lambda: accepts(standing.origin.removeprefix("https://")), LONG)

    folder.rename(hidden)
    try:
        restart()
        with standing.visit("ops") as visit:
            visit.sign_in("李运维")
            visit.go("letters")
            visit.page.locator(".letters tbody tr a").first.wait_for()
            place = visit.page.locator(".letters tbody tr a").first.inner_text()
            visit.go(f"letters/{place.replace('/', '-')}")
            visit.wait_text(".elsewhere .command", f"hedx dlq replay {place} --reason … --yes")
            assert visit.page.locator("[data-do=replay]").count() == 0
            assert visit.page.locator("[data-do=discard]:not([disabled])").count() == 1
            visit.page.screenshot(path=standing.scratch / "zh-elsewhere.png")
            caller = standing.caller("ops")
            token = caller.sign_in("李运维")
            status, told = caller.act("POST", f"/api/dead-letters/{place}/replay", {"reason": "x"}, token)
            assert (status, told["error"]) == (409, "not_done")
        assert [row.act for row in standing.log()][-1] == "console_outcome"
        assert [row for row in standing.log() if row.detail.get("letter") == place] == []  # it was not begun
    finally:
        hidden.rename(folder)
        restart()


def test_an_officer_decides_at_the_desk(standing: Standing, exchange: Exchange) -> None:
    """What is held appears without its form; approved with a reason, it starts, and the history names no officer."""
    application, persons = some(exchange, 20, purpose=DOUBTFUL)
    identifier = application["application_id"]
    with standing.visit("center") as visit:
        page = visit.page
        visit.sign_in("王审核")
        visit.go("desk")
        row = page.locator(f'tr[data-key="53/{identifier}"]')
        row.wait_for()
        assert DOUBTFUL not in row.inner_text()
        page.screenshot(path=standing.scratch / "zh-desk.png")
        row.get_by_role("button", name="同意").click()
        page.keyboard.type("已与申请单位核实")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        visit.wait_text("#toast", "已执行")
        row.wait_for(state="detached")
        visit.go(f"applications/{identifier}")
        visit.wait_text(".timeline", "审核人员同意")
        assert "王审核" not in visit.text(".timeline")
    case = exchange.wait_complete(application)
    assert len(case.dossiers()) > 0
    assert persons


@contextmanager
def another_site(script: str) -> Iterator[str]:
    """A page of somebody else's, on another origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<!doctype html><body><script>{script}</script>".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_another_site_cannot_act_in_an_operators_name(standing: Standing, exchange: Exchange) -> None:
    """The browser brings the certificate along, yet nothing is done, and the attempt is in the log."""
    url = f"{standing.origin}/api/dead-letters/0/0/discard"
    attack = (
        f"fetch('{url}', {{method: 'POST', mode: 'no-cors', credentials: 'include', body: '{{\"reason\":\"x\"}}'}})"
        ".finally(() => document.title = 'tried')"
    )
    before = len(standing.log())
    with another_site(attack) as evil:
        folder = exchange.installation.transport("ops")
        with visiting(standing.browser, standing.origin, folder, standing.scratch) as visit:
            visit.sign_in("李运维")
            page = visit.page.context.new_page()
            page.goto(evil)
            until(page, "document.title === 'tried'")
    rows = standing.log()[before:]
    assert [(row.act, row.detail.get("code")) for row in rows] == [
        ("console_signed_in", None),
        ("console_refused", "cross_site"),
    ]


def test_the_keyboard_is_enough(standing: Standing, exchange: Exchange) -> None:
    """Skip link, sections, sorting, the map by arrow keys, languages and themes; the focus is always to be seen."""
    with standing.visit("ops") as visit:
        page = visit.page
        visit.sign_in("李运维")
        page.wait_for_selector("#nav a")
        order = []
        for _ in range(11):
            page.keyboard.press("Tab")
            order.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid", order[-1]
        assert order[:4] == ["skip", "lang", "theme", "sign-out"]
        assert [re.sub(r"\d+$", "", each) for each in order[4:11]] == [
            "概览",
            "消费积压",
            "各省",
            "申请",
            "死信",
            "资源目录",
            "证书",
        ]
        page.reload()
        page.wait_for_selector("#nav a")
        for _ in range(7):
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        until(page, "document.activeElement.id === 'view-title' && document.activeElement.textContent === '各省'")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.dataset.arg") == "11"
        for key, code in (("ArrowDown", "13"), ("ArrowDown", "37"), ("ArrowLeft", "41"), ("ArrowDown", "42")):
            page.keyboard.press(key)
            assert page.evaluate("document.activeElement.dataset.arg") == code
        page.locator('.tile[data-arg="37"]').focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.closest('tr').id") == "provider-37"
        page.locator('[data-arg="asked"]').focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("th[aria-sort=descending] [data-arg=asked]")
        assert page.evaluate("document.activeElement.dataset.arg") == "asked"  # drawn anew, the focus stays
        page.locator("#lang").focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.documentElement.lang") == "en"
        visit.wait_text("h2", "Provinces")
        unnamed = page.evaluate(
            "[...document.querySelectorAll('button,a,input,select,[role=img]')].filter(e => e.checkVisibility() && "
            "!(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).length"
        )
        assert unnamed == 0
        page.reload()
        page.wait_for_selector(".pulse.live")
        assert page.evaluate("document.documentElement.lang") == "en"  # remembered


@pytest.mark.parametrize(
    ("name", "lang", "scheme", "width"),
    [
        ("en", "en", "light", 1366),
        ("dark", "zh", "dark", 1366),
        ("phone", "zh", "light", 360),
        ("phone-en", "en", "dark", 360),
    ],
)
def test_every_section_fits(standing: Standing, name: str, lang: str, scheme: str, width: int) -> None:
    """In both languages, light and dark, on a desk and on a phone nothing sticks out of the page."""
    with standing.visit("center", color_scheme=scheme, viewport={"width": width, "height": 740}) as visit:
        page = visit.page
        visit.sign_in("王审核", lang)
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 21, 27)"
        assert dark == (scheme == "dark")
        page.wait_for_selector(".kpi")
        for section in ("overview", "lag", "provinces", "applications", "letters", "catalog", "certificates", "desk"):
            visit.go(section)
            until(page, "!document.querySelector('#view').textContent.match(/正在等待数据|Waiting for data/)")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, section
            page.screenshot(path=standing.scratch / f"{name}-{section}.png", full_page=True)
            words = page.evaluate("document.body.innerText")
            assert not re.search(r"undefined|NaN|\[object|\{\w+\}", words), section
            missing = re.findall(
                r"\b(?:nav|lag|kpi|alert|letters|desk|certificates|error|rule|status)\.[a-z_]+\b", words
            )
            assert missing == [], section


def test_a_province_sees_its_own_and_nothing_else(standing: Standing) -> None:
    """On the wire: the stream and the lists of P37 name no other requester's application and no other group."""
    caller = standing.caller("P37")
    caller.sign_in("省级查看")
    told = caller.stream({"lag", "punctuality", "catalog", "alerts"})
    assert {row["group"] for row in told["lag"]["rows"]} == {"hedx.37.answer", "hedx.37.deliver"}
    assert {row["provider"] for row in told["punctuality"]} <= {"37"}
    assert not {"summary", "flow", "dead_letters", "desk", "latency"} & set(told)
    status, shown = caller.get("/api/applications?state=completed")
    assert (status, shown["applications"]) == (200, [])
    ops = standing.caller("ops")
    ops.sign_in("李运维")
    for state in ("completed", "incomplete"):
        for row in ops.get(f"/api/applications?state={state}")[1]["applications"]:
            assert caller.get(f"/api/applications/{row['application_id']}") == (404, {"error": "unknown"})
    with standing.visit("P37") as visit:
        visit.sign_in("省级查看")
        visit.wait_text("#me", "仅显示本单位数据")
        assert visit.page.locator('#nav a[href="#letters"]').count() == 0


def test_no_answer_names_a_person(standing: Standing, exchange: Exchange) -> None:
    """Names and document numbers of all persons of the roster, searched for in everything that an officer's page may get."""
    words = {str(person[key]).encode() for person in exchange.sample.persons for key in ("name", "document_number")}
    pattern = pattern_of(word for word in words if len(word) > 3)
    caller = standing.caller("center")
    caller.sign_in("审核员")
    paths = ["/", "/sign-in", "/api/session", "/api/words", *(f"/static/{path.name}" for path in STATIC.iterdir())]
    for state in ("", "completed", "incomplete", "held", "started"):
        path = f"/api/applications?state={state}"
        paths += [path, *(f"/api/applications/{row['application_id']}" for row in caller.get(path)[1]["applications"])]
    told = caller.stream({"lag", "dead_letters", "desk", "catalog", "certificates", "alerts", "summary"})
    paths += [f"/api/dead-letters/{letter['place']}" for letter in told["dead_letters"]]
    assert sum("applications/" in path for path in paths) >= 2
    for path in paths:
        found = pattern.search(caller.body(path))
        assert found is None, f"{path}: {found and found.group().decode()}"
    assert pattern.search(json.dumps(told, ensure_ascii=False).encode()) is None
    assert pattern.search(str(exchange.sample.persons[0]).encode())  # the search itself finds


def test_only_certificates_with_a_role_get_in(standing: Standing) -> None:
    """No certificate ends the handshake; another principal's gets no page."""
    assert standing.caller("P53").get("/sign-in") == (403, {"error": "no_role"})
    assert standing.caller("monitor").get("/") == (403, {"error": "no_role"})
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Caller(standing.origin, None).get("/sign-in")


def test_a_lost_connection_is_told_and_mended(standing: Standing) -> None:
    """While the console stands still the page says so and keeps what it has; when it goes on, so does the page, by itself."""
    with standing.visit("ops") as visit:
        visit.sign_in("李运维")
        visit.go("lag")
        visit.page.wait_for_selector(JOIN)
        os.kill(standing.processes.pid("console"), signal.SIGSTOP)
        try:
            visit.page.wait_for_selector(".pulse.lost")
            assert "连接已断开" in visit.text("#lost")
            assert visit.page.locator(JOIN).count() == 1
        finally:
            standing.processes.thaw("console")
        visit.page.wait_for_selector(".pulse.live")
        assert visit.page.locator("#lost").is_hidden()


def test_an_id_that_two_requesters_chose(standing: Standing, exchange: Exchange) -> None:
    """Neither hides the other's application: the page asks whose, links name it, and a party's viewer has its own."""
    first, _ = some(exchange, 60, 2)
    identifier = first["application_id"]
    second, _ = some(exchange, 62, 3, requester="37", application_id=identifier)
    for application in (first, second):
        exchange.wait_complete(application)
    caller, ops = standing.caller("P37"), standing.caller("ops")
    caller.sign_in("省 厅")
    ops.sign_in("李运维")
    several = (409, {"error": "several_parties", "parties": sorted([first["requester"], "37"])})
    wait_until("the watch knows both", lambda: ops.get(f"/api/applications/{identifier}") == several, LONG)
    wait_until(
        "the watch knows how it ended", lambda: caller.get(f"/api/applications/{identifier}")[1]["state"] in ENDED, LONG
    )
    for query in ("", f"?party={first['requester']}"):
        status, own = caller.get(f"/api/applications/{identifier}{query}")
        assert (status, own["party"], own["persons"]) == (200, "37", 3)
    with standing.visit("ops") as visit:
        visit.sign_in("李运维")
        visit.go(f"applications/{identifier}")
        visit.wait_text(".several p", "多个申请单位")
        assert visit.page.locator(".several a").count() == 2
        visit.page.locator(".several a[href$='party=37']").click()
        visit.wait_text(".application dl", "山东")
        visit.page.screenshot(path=standing.scratch / "zh-several.png")
        visit.go("applications?party=37")
        visit.page.select_option("#state", own["state"])
        visit.page.locator(f"a[href='#applications/{identifier}?party=37']").wait_for()
        assert visit.errors != []
        assert all("409 (Conflict)" in each for each in visit.errors)  # Chromium reports the question as one
        visit.errors.clear()
