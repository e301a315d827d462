"""The whole 查询申请 for paper: the annex's text with its blanks filled in, the schedule, the notes, as one HTML page.

It has its style within, asks nothing of any server, runs nothing, and every value is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from pipeline.domain.catalog import Release
from pipeline.domain.parties import PROVINCES, provider_name
from pipeline.domain.periods import format_period, iso_date
from pipeline.domain.printing import visible
from pipeline.domain.records import Application, UnitConsent
from pipeline.domain.wording import UNIT_LEVELS
from pipeline.province.form_xlsx_writing import ANNEX_NOTES, TITLE

_STYLE: Final = """
@page { size: A4; margin: 25mm 22mm 20mm 25mm; }
* { box-sizing: border-box; }
body { font-family: "FangSong", "仿宋", "FangSong_GB2312", "STFangsong", "Noto Serif CJK SC", serif; font-size: 16pt;
  line-height: 1.75; color: #000; background: #fff; max-width: 165mm; margin: 0 auto; padding: 10mm 0; }
h1 { font-family: "SimSun", "宋体", "STSong", "Noto Serif CJK SC", serif; font-size: 22pt; text-align: center;
  font-weight: bold; line-height: 1.4; margin: 0 0 10mm; }
p { margin: 0; text-indent: 2em; text-align: justify; overflow-wrap: anywhere; }
p.to, p.meta { text-indent: 0; }
p.meta { font-size: 10.5pt; color: #333; }
u { text-decoration: none; border-bottom: 0.5pt solid #000; padding: 0 0.3em; }
.sign { margin-top: 8mm; text-align: right; }
.contact { margin-top: 8mm; }
h2 { font-size: 18pt; text-align: center; margin: 0 0 4mm; }
section { break-before: page; }
table { width: 100%; border-collapse: collapse; font-size: 12pt; line-height: 1.4; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
th, td { border: 0.75pt solid #000; padding: 2mm 2.5mm; text-align: center; overflow-wrap: anywhere; }
th { font-weight: bold; }
ol { margin: 4mm 0 0; padding-left: 2em; font-size: 10.5pt; line-height: 1.5; }
dl { display: grid; grid-template-columns: 9em 1fr; font-size: 12pt; line-height: 1.6; margin: 4mm 0 0; }
dt, dd { margin: 0; padding: 1mm 2mm; border-bottom: 0.5pt solid #999; overflow-wrap: anywhere; }
footer { margin-top: 6mm; font-size: 9pt; color: #333; overflow-wrap: anywhere; }
@media print { body { max-width: none; padding: 0; } }
"""

_UNIT: Final = (
    ("unit", "市县单位名称"),
    ("authority", "同意单位"),
    ("document", "同意文件文号"),
    ("reason", "特殊需要"),
    ("date", "同意日期"),
    ("valid_until", "有效期至"),
)


def form_html(application: Application, release: Release | None = None) -> str:
    """The page. `release`: resolves the names of categories; without it, those of Art. 3 are known."""
    app, names = application, release or Release.of(0, [])
    parts = [
        f"<h1>{escape(TITLE)}</h1>",
        *_letter(app),
        f"<section><h2>附表</h2>{_schedule(app, names)}{_notes()}</section>",
    ]
    if app["unit_consent"] is not None:
        parts.append(f"<section><h2>市县单位查询情况</h2>{_unit(app['unit_consent'])}</section>")
    parts.append(f"<footer>申请编号：{_value(app['application_id'])}{_recheck(app)}</footer>")
    return (
        '<!DOCTYPE html>\n<html lang="zh-CN"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(TITLE)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _letter(app: Application) -> Sequence[str]:
    """The annex's letter, in its own words, with what the form says in the blanks."""
    held = "已获得" if app["consent_held"] else "未获得"
    scope = "全国各核对机构" if app["consent_scope"] == "nationwide" else "小于全国各核对机构"
    body = (
        f"根据{_value(app['legal_basis'])}，我单位受{_blank(app['approving_authority'])}（审批机关）委托，"
        f"因{_blank(app['business_category'])}业务，现申请你单位协助我单位对{_blank(app['lead_person'])}等"
        f"{_blank(str(app['person_count']))}人的相关信息（详见附表）予以查询，用于{_blank(app['purpose'])}。"
        f"（审批机关）{held}被查询人本人或其监护人书面授权，且授权范围为{scope}。"
        f"被查询人员名单以{_day(app['roster_date'])}提交的{_blank(app['roster_dataset'])}电子数据为准。"
    )
    party = PROVINCES.get(app["requester"])
    signed = f"{party.full_name}居民家庭经济状况核对机构" if party else app["requester"]
    lines = [
        f'<p class="to">{_value(app["addressee"])}：</p>',
        f"<p>{body}</p>",
        "<p>请予以协助为盼。</p>",
        f'<p class="contact">联系人：{_blank(app["contact_name"])}</p>',
        f"<p>联系电话：{_blank(app['contact_phone'])}</p>",
        f'<p class="sign">{_value(signed)}（盖章）</p>',
        f'<p class="sign">{_day(app["form_date"])}</p>',
    ]
    if app["seal_to_center"]:
        lines.append("<p>查询结果同时加密给部收入认定中心，部收入认定中心可解封。</p>")
    return lines


def _schedule(app: Application, release: Release) -> str:
    head = "<tr><th>序号</th><th>信息提供方</th><th>内容类别</th><th>时间范围</th></tr>"
    rows = "".join(
        f"<tr><td>{row['row']}</td><td>{_value(_provider(row['provider']))}</td>"
        f"<td>{_value(release.category_name(row['category']))}</td><td>{_value(format_period(row['period']))}</td></tr>"
        for row in app["schedule"]
    )
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _notes() -> str:
    return f'<p class="meta">注：</p><ol>{"".join(f"<li>{escape(note)}</li>" for note in ANNEX_NOTES)}</ol>'


def _unit(consent: UnitConsent) -> str:
    lines = [("申请层级", UNIT_LEVELS[consent["level"]][0])]
    lines += [(label, str(consent[key])) for key, label in _UNIT]  # type: ignore[literal-required]
    return f"<dl>{''.join(f'<dt>{label}</dt><dd>{_value(value)}</dd>' for label, value in lines)}</dl>"


def _recheck(app: Application) -> str:
    recheck = app["recheck"]
    if recheck is None:
        return ""
    return f"<br>复核申请：原申请编号 {_value(recheck['original'])}，第 {recheck['attempt']} 次；事由：{_value(recheck['reason'])}"


def _provider(code: str) -> str:
    try:
        return provider_name(code)
    except KeyError:
        return code


def _day(text: str) -> str:
    day = iso_date(text)
    return _blank(text) if day is None else f"{day.year}年{day.month}月{day.day}日"


def _blank(text: str) -> str:
    return f"<u>{_value(text)}</u>"


def _value(text: str) -> str:
    """Escaped, and what nobody can see written out: a form's text changes neither the page nor its reading order."""
    return escape(visible(text))
