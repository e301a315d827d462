"""The application on paper: the annex's words, every field, nothing that a form's text could do to the page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from pipeline.province.form_print import form_html
from tests.unit.domain.consents import a_consent
from tests.unit.domain.samples import a_release, a_row, an_application

ANNEX = (
    "民政部低收入家庭认定指导中心：",
    "我单位受济南市历下区民政局（审批机关）委托，因最低生活保障业务，现申请你单位协助我单位对王小明等1人的相关信息（详见附表）予以查询",
    "（审批机关）已获得被查询人本人或其监护人书面授权，且授权范围为全国各核对机构。",
    "被查询人员名单以2026年11月20日提交的历下区低保申请名单电子数据为准。",
    "请予以协助为盼。",
    "联系人：李四",
    "联系电话：0531-86012345",
    "2026年11月23日",
)
"""The annex's sentences with the sample's values in their blanks."""


class _Page(HTMLParser):
    """The text of a page, its tags, and every attribute."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self.attributes = "", [], []  # type: ignore[var-annotated]
        self._hidden = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self._hidden = tag == "style"

    def handle_data(self, data: str) -> None:
        self.text += "" if self._hidden else data


def page(**changes: Any) -> _Page:
    return _Page(form_html(an_application(**changes), a_release()))


def test_the_letter_is_the_annex_with_its_blanks_filled() -> None:
    """Whoever reads the paper reads the regulation's own sentences."""
    text = page().text
    for sentence in ANNEX:
        assert sentence in text


def test_the_schedule_and_its_notes_are_on_it() -> None:
    """附表 in its order, blank periods blank, and the four notes."""
    ranged = a_row(row=2, provider="00", category="social_insurance", period={"kind": "range", "start": "2025-01-01", "end": "2026-10-31"})  # fmt: skip
    html = form_html(an_application(schedule=[a_row(), ranged]), a_release())
    cells = re.findall(r"<td>(.*?)</td>", html)
    assert cells == ["1", "全国", "户籍", "", "2", "部中心", "社会保险", "2025/01/01-2026/10/31"]
    assert len(re.findall(r"<li>", html)) == 4


def test_every_text_of_the_form_is_on_the_paper() -> None:
    """No field is left out; a county's consent and the seal to the center are said."""
    app = an_application(seal_to_center=True, unit_consent=a_consent())
    text = _Page(form_html(app, a_release())).text
    for key in ("application_id", "addressee", "legal_basis", "approving_authority", "business_category", "purpose",
                "lead_person", "person_count", "roster_dataset", "contact_name", "contact_phone"):  # fmt: skip
        assert str(app[key]) in text, key
    assert all(str(value) in text for key, value in a_consent().items() if key != "level")
    assert "县级" in text
    assert "部收入认定中心可解封" in text


def test_a_consent_that_is_not_held_is_not_claimed() -> None:
    """The paper says what the form says, not what it should say."""
    text = page(consent_held=False, consent_scope="narrower").text
    assert "未获得被查询人" in text
    assert "授权范围为全国" not in text


def test_text_of_a_form_does_nothing_to_the_page() -> None:
    """Tags, quotes and bidirectional overrides are shown, not obeyed."""
    attack = "</td><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u202e"
    fields = ("approving_authority", "business_category", "purpose", "lead_person", "roster_dataset", "contact_name",
              "contact_phone", "addressee", "legal_basis", "form_date", "roster_date", "application_id", "requester")  # fmt: skip
    found = page(**dict.fromkeys(fields, attack), schedule=[a_row(provider=attack, category=attack)])
    assert not {"script", "img"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert found.text.count("<script>alert(1)</script>") >= len(fields)
    assert "\u202e" not in found.text


def test_the_page_asks_nothing_of_anybody() -> None:
    """No link, no picture, no font from elsewhere; its own policy forbids them."""
    html = form_html(an_application(), a_release())
    found = _Page(html)
    assert not {"link", "img", "script", "iframe", "a", "base"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name in ("src", "href", "action")]
    assert "url(" not in html
    assert "@import" not in html
    assert any("default-src 'none'" in (value or "") for _, value in found.attributes)
    assert "@page" in html
