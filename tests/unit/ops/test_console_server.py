"""The console's answers over HTTP: who gets in, what is refused, and that all of it is in the access log first."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from cryptography import x509

from pipeline.center.deadletter_facts import Letter, Shown
from pipeline.center.installation import Installation, set_up
from pipeline.crypto.enrolment import certificates_in
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.security import client_security
from pipeline.ops.console import acts
from pipeline.ops.console.guard import COOKIE, HEADERS, TOKEN
from pipeline.ops.console.letter_reading import AT_ONCE
from pipeline.ops.console.server import held_of
from pipeline.ops.console.sessions import IDLE
from pipeline.province import access
from pipeline.province.database import access_log
from tests.console import MINE, OTHERS, Letters, Standing, watched

REPLAY = "/api/dead-letters/0/7/replay"
ROLES = {"ops": "operator", "admin": "viewer", "center": "officer", "P37": "viewer"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Principal → its TLS certificate, DER."""
    installation = Installation(tmp_path_factory.mktemp("console"))
    set_up(installation, ["37"], wall_clock())
    folders = sorted(installation.transport("").iterdir())
    return {folder.name: certificates_in((folder / "tls.pem").read_bytes())[0] for folder in folders}


@pytest.fixture
def standing(certificates: dict[str, bytes], tmp_path: Path) -> Standing:
    """A console with a viewer, an operator, an officer and a province."""
    return Standing(tmp_path, certificates, ROLES)


class Browser:
    """One certificate, one cookie jar of one cookie."""

    def __init__(self, client: TestClient[Any, Any], principal: str) -> None:
        self._client = client
        self.headers = {"X-Test-Certificate": principal}
        self.origin = str(client.make_url("")).rstrip("/").replace("http:", "https:")
        self.token = ""

    async def get(self, path: str, **headers: str) -> ClientResponse:
        """A GET."""
        return await self._client.get(path, headers={**self.headers, **headers}, allow_redirects=False)

    async def act(self, method: str, path: str, body: object = None, **other: str) -> ClientResponse:
        """What the page does; `other` headers replace its own, an empty one is left out."""
        own = {**self.headers, "Origin": self.origin, TOKEN: self.token, "Sec-Fetch-Site": "same-origin",
               "Content-Type": "application/json"}  # fmt: skip
        headers = {name: value for name, value in {**own, **other}.items() if value}
        data = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
        return await self._client.request(method, path, data=data, headers=headers)

    async def sign_in(self, name: str = "王芳") -> dict[str, Any]:
        """Sign in; gives what the page is told."""
        answer = await self.act("POST", "/api/session", {"name": name})
        told: dict[str, Any] = await answer.json()
        assert answer.status == 200, told
        self.headers["Cookie"] = f"{COOKIE}={answer.cookies[COOKIE].value}"
        self.token = told["csrf"]
        return told


def visit(standing: Standing, course: Callable[[Callable[[str], Browser]], Awaitable[None]]) -> None:
    """Run a course of requests; it gets a function from a principal to its browser."""

    async def main() -> None:
        async with TestClient(TestServer(standing.application())) as client:
            await course(lambda principal: Browser(client, principal))

    asyncio.run(main())


def rows(standing: Standing) -> list[access.AccessEntry]:
    """The access log."""
    with closing(access_log(standing.folder / "access.db")) as log:
        return access.entries(log)


def told(standing: Standing) -> list[tuple[str, str]]:
    """Act and code of each row; for an act without a code, what."""
    return [(row.act, str(row.detail.get("code", row.detail.get("what", "")))) for row in rows(standing)]


async def code_of(answer: ClientResponse) -> tuple[int, str]:
    """Status and error of an answer."""
    return answer.status, (await answer.json())["error"]


# ---- getting in --------------------------------------------------------------------------------------------------------


def test_without_a_role_nothing_is_given(standing: Standing) -> None:
    """Not the page, not a script, not whether the process lives; and the knock is in the log."""

    async def course(browser: Callable[[str], Browser]) -> None:
        for principal, code in (("monitor", "no_role"), ("nobody", "no_certificate")):
            for path in ("/", "/sign-in", "/static/console.js", "/healthz", "/api/session", "/api/stream", "/nothing"):
                assert await code_of(await browser(principal).get(path)) == (403, code)

    visit(standing, course)
    assert set(told(standing)) == {("console_refused", "no_role"), ("console_refused", "no_certificate")}
    assert len(rows(standing)) == 6  # three each, the others of the same kind within a minute would only fill the log


def test_a_revoked_certificate_is_out_at_once(standing: Standing) -> None:
    """In the middle of a session, too."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        await ops.sign_in()
        assert (await ops.get("/api/words")).status == 200
        standing.revoked = {x509.load_der_x509_certificate(standing.certificates["ops"]).serial_number}
        assert await code_of(await ops.get("/api/words")) == (403, "certificate_revoked")
        assert await code_of(await ops.act("POST", REPLAY, {"reason": "x"})) == (403, "certificate_revoked")
        standing.suspended = {"37"}
        assert await code_of(await browser("P37").get("/")) == (403, "party_suspended")

    visit(standing, course)
    assert standing.letters.done == []


def test_before_signing_in_there_is_only_the_sign_in_page(standing: Standing) -> None:
    """The page leads to it, data is refused; the way keeps the language."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        page = await ops.get("/?lang=en")
        assert (page.status, page.headers["Location"]) == (303, "/sign-in?lang=en")
        assert (await ops.get("/?lang=//evil")).headers["Location"] == "/sign-in"
        assert "name" in await (await ops.get("/sign-in")).text()
        for path in (
            "/api/words",
            "/api/stream",
            "/api/applications",
            f"/api/applications/{MINE}",
            "/api/dead-letters/0/7",
        ):
            assert await code_of(await ops.get(path)) == (401, "signed_out")
        assert await code_of(await ops.act("POST", REPLAY, {"reason": "x"})) == (401, "signed_out")
        assert await (await ops.get("/api/session")).json() == {
            "error": "signed_out",
            "principal": "ops",
            "role": "operator",
        }

    visit(standing, course)


def test_the_cookie_is_closed_to_scripts_and_other_sites(standing: Standing) -> None:
    """Secure, HttpOnly, SameSite=Strict, of this host alone."""

    async def course(browser: Callable[[str], Browser]) -> None:
        answer = await browser("ops").act("POST", "/api/session", {"name": "王芳"})
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-hedx=")
        assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie

    visit(standing, course)


def test_signing_in_and_out_is_in_the_log(standing: Standing) -> None:
    """With name, principal and serial number; a session signed out is dead."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        session = await ops.sign_in()
        assert (session["name"], session["role"], session["party"]) == ("王芳", "operator", None)
        assert (await ops.get("/")).status == 200
        assert (await ops.act("DELETE", "/api/session")).status == 200
        assert (await ops.get("/api/words")).status == 401

    visit(standing, course)
    entries = rows(standing)
    assert [entry.act for entry in entries] == ["console_signed_in", "console_signed_out"]
    serial = x509.load_der_x509_certificate(standing.certificates["ops"]).serial_number
    assert all(entry.actor == "console:王芳 (ops)" and int(entry.detail["serial"], 16) == serial for entry in entries)


def test_a_stolen_cookie_opens_nothing_with_another_certificate(standing: Standing) -> None:
    """The session is bound to the certificate it was opened with."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops, thief = browser("ops"), browser("center")
        await ops.sign_in()
        thief.headers["Cookie"], thief.token = ops.headers["Cookie"], ops.token
        assert (await thief.get("/api/words")).status == 401
        assert (await thief.act("POST", REPLAY, {"reason": "x"})).status == 401

    visit(standing, course)


def test_what_the_page_asks_by_itself_keeps_no_session_alive(standing: Standing) -> None:
    """A sign of life of the person does, and only that."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        await ops.sign_in()
        standing.now += IDLE - 1
        assert (await ops.get("/api/words")).status == 200
        assert (await ops.act("POST", "/api/session/alive")).status == 200
        standing.now += IDLE - 1
        assert (await ops.get("/api/words")).status == 200
        standing.now += 1
        assert (await ops.get("/api/words")).status == 401

    visit(standing, course)
    assert told(standing) == [("console_signed_in", "")]


# ---- acting ------------------------------------------------------------------------------------------------------------


def test_a_replay_is_in_the_log_before_it_is_done_and_after(standing: Standing) -> None:
    """Who, what, why, and what came of it."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        await ops.sign_in()
        answer = await ops.act("POST", REPLAY, {"reason": "证书已公布"})
        assert await answer.json() == {"state": "replayed", "went_to": "hedx.center.requests/0/99"}
        refused = await ops.act("POST", "/api/dead-letters/0/7/discard", {"reason": "无用"})
        assert await code_of(refused) == (409, "not_done")

    visit(standing, course)
    assert standing.letters.done == [("replay", "0/7", "王芳 (ops)", "证书已公布")]
    _, begun, ended, tried, failed = rows(standing)
    assert (begun.act, begun.detail["what"], begun.detail["subject"]) == ("console_acted", "dead_letter replay", "0/7")
    assert begun.detail["reason"] == "证书已公布"
    assert (ended.act, ended.detail["of"], ended.detail["state"]) == ("console_outcome", begun.number, "replayed")
    assert (failed.detail["of"], failed.detail["error"]) == (tried.number, "not_done")


def test_a_log_that_cannot_be_written_stops_everything(standing: Standing) -> None:
    """Nobody signs in, and nothing is done, that would not be on record."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops, late = browser("ops"), browser("center")
        await ops.sign_in()
        for file in standing.folder.glob("access.db*"):
            file.unlink()
        (standing.folder / "access.db").mkdir()
        assert await code_of(await ops.act("POST", REPLAY, {"reason": "x"})) == (503, "log_closed")
        assert await code_of(await late.act("POST", "/api/session", {"name": "李"})) == (503, "log_closed")
        assert await code_of(await ops.act("POST", REPLAY, {})) == (503, "log_closed")  # nor refused without a row

    visit(standing, course)
    assert standing.letters.done == []


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Origin": "https://evil.example"}, "cross_site"),
        ({"Origin": "null"}, "cross_site"),
        ({"Origin": ""}, "cross_site"),
        ({"Sec-Fetch-Site": "cross-site"}, "cross_site"),
        ({"Sec-Fetch-Site": "same-site"}, "cross_site"),
        ({TOKEN: ""}, "token_wrong"),
        ({TOKEN: "guess"}, "token_wrong"),
        ({TOKEN: "王"}, "token_wrong"),
    ],
)
def test_requests_that_no_page_of_ours_made_are_refused(standing: Standing, headers: dict[str, str], code: str) -> None:
    """With the right cookie and certificate, as a browser would send them along; and the attempt is in the log."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        await ops.sign_in()
        if headers.get(TOKEN) == "王":
            headers[TOKEN] = "王".encode().decode("latin-1")
        assert await code_of(await ops.act("POST", REPLAY, {"reason": "x"}, **headers)) == (403, code)

    visit(standing, course)
    assert standing.letters.done == []
    assert told(standing)[-1] == ("console_refused", code)


def test_a_token_that_is_no_text_is_wrong(standing: Standing) -> None:
    """Bytes that are no UTF-8 are refused like any other, and on record."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        await ops.sign_in()
        host = ops.origin.removeprefix("https://")
        lines = [f"DELETE /api/session HTTP/1.1\r\nHost: {host}\r\nOrigin: {ops.origin}\r\nConnection: close\r\n"]
        lines += [f"{name}: {value}\r\n" for name, value in ops.headers.items()]
        reader, writer = await asyncio.open_connection(*host.split(":"))
        writer.write("".join(lines).encode() + TOKEN.encode() + b": \xff\xfe\r\n\r\n")
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 403")
        assert answer.endswith(b'{"error": "token_wrong"}')
        assert b"Content-Security-Policy" in answer

    visit(standing, course)
    assert told(standing)[-1] == ("console_refused", "token_wrong")


def test_nobody_is_signed_in_by_another_site(standing: Standing) -> None:
    """Nor under a name that somebody else chose."""

    async def course(browser: Callable[[str], Browser]) -> None:
        answer = await browser("ops").act("POST", "/api/session", {"name": "王"}, Origin="https://evil.example")
        assert await code_of(answer) == (403, "cross_site")

    visit(standing, course)


@pytest.mark.parametrize("principal", ["admin", "P37"])
def test_a_viewer_changes_nothing(standing: Standing, principal: str) -> None:
    """Neither dead letters nor decisions; the attempts are in the log under the person's name."""

    async def course(browser: Callable[[str], Browser]) -> None:
        viewer = browser(principal)
        await viewer.sign_in("赵六")
        for path in (REPLAY, "/api/dead-letters/0/7/discard", f"/api/desk/53/{MINE}/approve"):
            assert await code_of(await viewer.act("POST", path, {"reason": "x", "digest": ""})) == (403, "role_missing")

    visit(standing, course)
    assert standing.letters.done == []
    assert [row.actor for row in rows(standing)] == [f"console:赵六 ({principal})"] * 4


def test_an_operator_is_no_officer(standing: Standing) -> None:
    """And an officer without the center's identity on this machine is told where to go."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops, officer = browser("ops"), browser("center")
        await ops.sign_in()
        await officer.sign_in()
        path, body = f"/api/desk/53/{MINE}/approve", {"reason": "核实", "digest": "ab"}
        assert await code_of(await ops.act("POST", path, body)) == (403, "role_missing")
        assert await code_of(await officer.act("POST", path, body)) == (409, "desk_elsewhere")

    visit(standing, course)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "keys_wrong"),
        ({"reason": "x", "force": True}, 400, "keys_wrong"),
        ([], 400, "keys_wrong"),
        (b"{", 400, "not_json"),
        (b"\xff", 400, "not_json"),
        (b"[" * 5_000, 400, "not_json"),
        (b" " * 20_000, 413, "too_large"),
        ({"reason": ""}, 400, "reason_missing"),
        ({"reason": 5}, 400, "reason_missing"),
        ({"reason": "a" * 2_000}, 400, "reason_too_long"),
        ({"reason": "身份证 110101199003074258"}, 400, "reason_long_number"),
    ],
)
def test_bodies_that_are_refused(standing: Standing, body: Any, status: int, code: str) -> None:
    """Unknown keys, what is no JSON or too much of it, and reasons that may not be kept."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        await ops.sign_in()
        assert await code_of(await ops.act("POST", REPLAY, body)) == (status, code)

    visit(standing, course)
    assert standing.letters.done == []
    assert told(standing)[-1] == ("console_refused", code)


def test_a_form_cannot_act(standing: Standing) -> None:
    """Only what a script of ours sends as JSON counts."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        await ops.sign_in()
        answer = await ops.act("POST", REPLAY, b"reason=x", **{"Content-Type": "application/x-www-form-urlencoded"})
        assert await code_of(answer) == (415, "not_json")

    visit(standing, course)


def test_tries_are_counted(standing: Standing) -> None:
    """Sign-ins and acts have limits of their own; a streak of refusals is one row, so the log cannot be filled."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        answers = [await ops.act("POST", "/api/session", {"name": ""}) for _ in range(9)]
        assert [answer.status for answer in answers] == [400] * 5 + [429] * 4
        assert int(answers[-1].headers["Retry-After"]) == 12
        standing.now += 12_000
        await ops.sign_in()
        statuses = [(await ops.act("POST", REPLAY, {"reason": ""})).status for _ in range(25)]
        assert statuses == [400] * 20 + [429] * 5
        assert (await browser("center").act("POST", "/api/session", {"name": "李"})).status == 200

    visit(standing, course)
    codes = [code for _, code in told(standing)]
    assert codes.count("too_often") == 2


def test_an_act_that_does_not_exist_is_in_the_log(standing: Standing) -> None:
    """No such path, another method; bounded like every act."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        assert (await ops.act("POST", "/api/secrets")).status == 404
        assert (await ops.act("PUT", REPLAY)).status == 405
        assert (await ops.act("POST", "/api/%0aFORGED")).status == 404
        statuses = [(await ops.act("POST", "/api/secrets")).status for _ in range(20)]
        assert statuses == [404] * 17 + [429] * 3

    visit(standing, course)
    assert told(standing)[:3] == [("console_refused", f"http_{status}") for status in (404, 405, 404)]
    assert [row.detail.get("subject") for row in rows(standing)][:3] == ["/api/secrets", REPLAY, None]
    assert len(rows(standing)) == 21


def test_a_request_that_breaks_something_is_in_the_log(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it was that nobody thought of."""

    def broken(_: object) -> str:
        raise RuntimeError("secret")

    monkeypatch.setattr(acts, "person_named", broken)

    async def course(browser: Callable[[str], Browser]) -> None:
        answer = await browser("ops").act("POST", "/api/session", {"name": "王"})
        assert await code_of(answer) == (500, "failed")

    visit(standing, course)
    assert told(standing) == [("console_refused", "failed")]


def test_what_goes_wrong_within_is_an_answer_like_any_other(
    standing: Standing, caplog: pytest.LogCaptureFixture
) -> None:
    """With the security headers, as JSON, telling nothing; an act's is in the access log, and the process's own log has the place."""

    class Broken(Letters):
        def show(self, place: str) -> Shown:
            raise RuntimeError("secret")

        def discard(self, place: str, *, by: str, reason: str, now: int) -> Letter:
            raise RuntimeError("secret")

    standing.letters = Broken()

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        await ops.sign_in()
        looked = await ops.get("/api/dead-letters/0/7")
        acted = await ops.act("POST", "/api/dead-letters/0/7/discard", {"reason": "x"})
        for answer in (looked, acted):
            assert {name: answer.headers.get(name) for name in HEADERS} == dict(HEADERS)
            assert await code_of(answer) == (500, "failed")

    visit(standing, course)
    begun, ended = rows(standing)[-2:]
    assert (ended.act, ended.detail["of"], ended.detail["error"]) == ("console_outcome", begun.number, "failed")
    assert "RuntimeError in show" in caplog.text
    assert "secret" not in caplog.text


# ---- looking -----------------------------------------------------------------------------------------------------------


def test_every_answer_has_the_security_headers(standing: Standing) -> None:
    """Pages, files, data, refusals and what is not there."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        await ops.sign_in()
        for path in (
            "/",
            "/sign-in",
            "/static/console.css",
            "/api/words",
            "/nothing",
            "/static/../roles.py",
            "/healthz",
        ):
            answer = await ops.get(path)
            assert {name: answer.headers.get(name) for name in HEADERS} == dict(HEADERS), path
        refused = await browser("monitor").get("/")
        assert {name: refused.headers.get(name) for name in HEADERS} == dict(HEADERS)

    visit(standing, course)


def test_only_files_of_the_page_are_given(standing: Standing) -> None:
    """No path leads out of their folder, and no source is among them."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        for path in ("/static/..%2froles.py", "/static/%2e%2e%2f%2e%2e%2fwatch.py", "/static/roles.py", "/static/"):
            assert (await ops.get(path)).status == 404
        script = await ops.get("/static/console.js")
        assert (script.status, script.content_type) == (200, "text/javascript")

    visit(standing, course)


def test_a_host_that_is_not_ours_gets_nothing(standing: Standing) -> None:
    """A name that somebody points at this address is not in the certificate."""

    async def course(browser: Callable[[str], Browser]) -> None:
        for _ in range(9):
            answer = await browser("ops").get("/sign-in", Host="evil.example:9443")
            assert await code_of(answer) == (421, "host_unknown")

    visit(standing, course)
    assert (
        told(standing) == [("console_refused", "host_unknown")] * 3
    )  # the others of that minute would only fill the log
    assert {row.detail["principal"] for row in rows(standing)} == {"ops"}


def test_a_province_reads_its_own_applications_only(standing: Standing) -> None:
    """The list is asked for its own code, whatever the query says, and another's id is unknown to it."""

    async def course(browser: Callable[[str], Browser]) -> None:
        province = browser("P37")
        await province.sign_in()
        shown = await (await province.get("/api/applications?party=53&state=started")).json()
        assert [row["application_id"] for row in shown["applications"]] == [MINE]
        assert (await province.get(f"/api/applications/{MINE}")).status == 200
        assert await code_of(await province.get(f"/api/applications/{OTHERS}")) == (404, "unknown")
        assert await code_of(await province.get(f"/api/applications/{'0' * 36}")) == (404, "unknown")
        assert await code_of(await province.get("/api/dead-letters/0/7")) == (404, "unknown")
        ops = browser("ops")
        await ops.sign_in()
        assert (await ops.get(f"/api/applications/{OTHERS}")).status == 200

    visit(standing, course)
    assert ("/api/watch/applications", {"state": "started", "party": "37", "limit": "50"}) in standing.watch.asked


def test_an_id_that_several_requesters_chose(standing: Standing) -> None:
    """A province gets its own, whatever the query says; an officer is told whose there are, and chooses."""
    standing.watch.others = [watched(MINE, "53", "rejected"), watched(OTHERS, "11")]

    async def course(browser: Callable[[str], Browser]) -> None:
        province, ops = browser("P37"), browser("ops")
        await province.sign_in()
        await ops.sign_in()
        for query in ("", "?party=53", "?party=37"):
            shown = await (await province.get(f"/api/applications/{MINE}{query}")).json()
            assert (shown["party"], shown["state"]) == ("37", "started")
        assert await code_of(await province.get(f"/api/applications/{OTHERS}")) == (404, "unknown")
        asked = await ops.get(f"/api/applications/{MINE}")
        assert (asked.status, await asked.json()) == (409, {"error": "several_parties", "parties": ["37", "53"]})
        for party in ("37", "53"):
            assert (await (await ops.get(f"/api/applications/{MINE}?party={party}")).json())["party"] == party
        assert await code_of(await ops.get(f"/api/applications/{MINE}?party=11")) == (404, "unknown")
        assert await code_of(await ops.get(f"/api/applications/{MINE}?party=../x")) == (400, "filter_wrong")

    visit(standing, course)


@pytest.mark.parametrize("query", ["state=evil", "party=99", "before=-1", "before=1e9", "party=center"])
def test_filters_are_from_closed_lists(standing: Standing, query: str) -> None:
    """Nothing else is passed on to the watch."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        await ops.sign_in()
        assert await code_of(await ops.get(f"/api/applications?{query}")) == (400, "filter_wrong")

    visit(standing, course)
    assert standing.watch.asked == []


def test_a_watch_that_is_away_is_said_to_be(standing: Standing) -> None:
    """The rest of the page goes on."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        await ops.sign_in()
        standing.watch.away = True
        assert await code_of(await ops.get("/api/applications")) == (503, "watch_away")
        assert (await ops.get("/api/words")).status == 200

    visit(standing, course)


def test_a_dead_letter_is_shown_without_its_bytes(standing: Standing) -> None:
    """Size, place, code and what it means in both languages."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        await ops.sign_in()
        shown = await (await ops.get("/api/dead-letters/0/7")).json()
        assert (shown["code"], shown["size"], shown["topic"]) == ("signature_invalid", 2048, "hedx.center.requests")
        assert shown["meaning"][0] != shown["meaning"][1]
        assert "sealed" not in json.dumps(shown)
        assert await code_of(await ops.get("/api/dead-letters/0/8")) == (404, "unknown")

    visit(standing, course)


def test_where_a_principal_is_missing_the_page_has_the_command(standing: Standing) -> None:
    """A letter of an inbox takes `admin`; discarding takes `center`. With both there is no command."""
    commands = {}

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        await ops.sign_in()
        commands[standing.held] = (await (await ops.get("/api/dead-letters/0/7")).json())["commands"]

    replay, discard = "hedx dlq replay 0/7 --reason … --yes", "hedx dlq discard 0/7 --reason … --yes"
    for held in (frozenset({"admin", "center"}), frozenset({"center"}), frozenset[str]()):
        standing.held = held
        visit(standing, course)
    assert list(commands.values()) == [
        {"replay": None, "discard": None},
        {"replay": replay, "discard": None},
        {"replay": replay, "discard": discard},
    ]


def test_what_a_console_can_do_is_known_from_its_files(tmp_path: Path) -> None:
    """As in the compose file: the operator's principal, a super user, is not among them."""
    installation = Installation(tmp_path / "hedx")
    set_up(installation, ["37"], wall_clock())
    assert held_of(lambda name: client_security(installation.transport(name))) == {"admin", "center"}
    shutil.rmtree(installation.transport("admin"))
    assert held_of(lambda name: client_security(installation.transport(name))) == {"center"}


class Stalled(Letters):
    """Letters on a Kafka that does not answer until `answers` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = threading.Event()

    def show(self, place: str) -> Shown:
        """The one letter there is, later."""
        assert self.answers.wait(30)
        return super().show(place)


def test_reading_letters_keeps_nobody_from_the_log(standing: Standing) -> None:
    """Sixty readings under way, of which Kafka answers none: somebody signs in meanwhile, and acts."""
    letters = Stalled()
    standing.letters = letters

    async def course(browser: Callable[[str], Browser]) -> None:
        viewer, ops = browser("admin"), browser("ops")
        await viewer.sign_in()
        readings = [asyncio.create_task(viewer.get(f"/api/dead-letters/0/{n}")) for n in range(60)]
        await ops.sign_in()
        assert (await ops.act("POST", REPLAY, {"reason": "x"})).status == 200
        letters.answers.set()
        statuses = Counter([(await reading).status for reading in readings])
        assert statuses[429] == 60 - AT_ONCE
        assert await code_of(await viewer.get("/api/dead-letters/0/7")) == (429, "too_often")

    visit(standing, course)
    assert letters.done != []


async def heard(answer: ClientResponse, kinds: set[str]) -> dict[str, Any]:
    """Read a stream until these kinds have come; their values, and the last id under `id`."""
    found: dict[str, Any] = {}
    kind = ""
    while not kinds <= set(found):
        line = (await asyncio.wait_for(answer.content.readline(), 5)).decode().rstrip("\n")
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            found[kind] = json.loads(value)
        elif name == "id":
            found["id"] = value
    return found


def test_the_stream_tells_all_then_what_changes(standing: Standing) -> None:
    """Whoever comes back with the last id gets only what is new."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        await ops.sign_in()
        stream = await ops.get("/api/stream")
        assert stream.content_type == "text/event-stream"
        first = await heard(stream, {"lag", "catalog", "alerts", "beat"})
        assert first["lag"]["rows"][0]["group"] == "hedx.center.join"
        assert "desk" not in first
        standing.hub.publish("catalog", {"number": 2})
        assert (await heard(stream, {"catalog"}))["catalog"] == {"number": 2}
        stream.close()
        again = await ops.get("/api/stream", **{"Last-Event-ID": first["id"]})
        assert set(await heard(again, {"alerts"})) == {"catalog", "beat", "alerts", "id"}
        again.close()

    visit(standing, course)


def test_the_stream_of_a_province_has_its_own_figures_only(standing: Standing) -> None:
    """On the wire, not only on the page."""

    async def course(browser: Callable[[str], Browser]) -> None:
        province = browser("P37")
        await province.sign_in()
        stream = await province.get("/api/stream")
        shown = await heard(stream, {"lag", "punctuality", "alerts"})
        stream.close()
        text = json.dumps(shown)
        assert OTHERS not in text
        assert "hedx.53" not in text
        assert "summary" not in shown

    visit(standing, course)


def test_the_stream_ends_with_the_session(standing: Standing) -> None:
    """And with the certificate: within a heartbeat, saying why."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        await ops.sign_in()
        stream = await ops.get("/api/stream")
        await heard(stream, {"alerts"})
        standing.revoked = {x509.load_der_x509_certificate(standing.certificates["ops"]).serial_number}
        standing.hub.publish("catalog", {"number": 3})
        assert (await heard(stream, {"ended"}))["ended"] == {"error": "certificate_revoked"}
        assert (await stream.content.read()).strip() == b""

    visit(standing, course)


def test_streams_of_a_certificate_are_bounded(standing: Standing) -> None:
    """A page left open in many windows does not take the others' places."""

    async def course(browser: Callable[[str], Browser]) -> None:
        ops = browser("ops")
        await ops.sign_in()
        streams = [await ops.get("/api/stream") for _ in range(9)]
        assert [stream.status for stream in streams] == [200] * 8 + [429]
        for stream in streams:
            stream.close()

    visit(standing, course)
