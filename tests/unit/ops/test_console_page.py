"""The page's files: nothing from elsewhere, nothing inline, words for everything in both languages, colors one can read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipeline.ops.console.pages import STATIC
from pipeline.ops.console.words import page_words
from pipeline.ops.lag_rules import RULES
from pipeline.ops.watch_latency import ALL
from pipeline.ops.watch_stuck import RULES as STUCK_RULES

SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(STATIC.glob("*.js"))}
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted(STATIC.glob("*.html"))}
LEXICON = {
    key: json.loads(pair)
    for key, pair in re.findall(r'^  "([^"]+)": (\[.*\]),$', SCRIPTS["lexicon.js"], flags=re.MULTILINE)
}


def test_files_are_small() -> None:
    """Small modules, no framework: what a browser loads stays under 120 KiB, and no file is long."""
    sizes = {path.name: path.stat().st_size for path in STATIC.iterdir()}
    assert sum(sizes.values()) < 120 * 1024
    assert all(len(text.splitlines()) <= 200 for name, text in SCRIPTS.items() if name != "lexicon.js")


@pytest.mark.parametrize("name", sorted(PAGES))
def test_pages_have_nothing_inline_and_nothing_foreign(name: str) -> None:
    """What the content security policy would block is not there to begin with."""
    page = PAGES[name]
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)
    assert all(body == "" for body in re.findall(r"<script[^>]*>(.*?)</script>", page, flags=re.DOTALL))
    assert re.findall(r'(?:src|href)="([^"]+)"', page)
    assert all(link.startswith(("/static/", "#")) for link in re.findall(r'(?:src|href)="([^"]+)"', page))


def test_scripts_build_elements_and_never_markup() -> None:
    """No text becomes markup or code, and nothing is fetched from elsewhere."""
    for name, text in SCRIPTS.items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text), name
        found = set(re.findall(r"https?://[^\"'` ]+", text))
        assert found <= {"http://www.w3.org/2000/svg"}, name


def test_imports_lead_to_files_that_are_there() -> None:
    """Every module that is imported exists."""
    for text in SCRIPTS.values():
        assert set(re.findall(r'from "\./([^"]+)"', text)) <= set(SCRIPTS)


def test_the_lexicon_was_read_whole() -> None:
    """Each of its lines is one entry with two texts that are not the same by oversight."""
    lines = [line for line in SCRIPTS["lexicon.js"].splitlines() if line.startswith('  "')]
    assert len(lines) == len(LEXICON)
    assert all(len(pair) == 2 and all(pair) for pair in LEXICON.values())


def test_placeholders_are_the_same_in_both_languages() -> None:
    """A figure that one language tells the other tells too."""
    for key, (chinese, english) in LEXICON.items():
        assert set(re.findall(r"\{\w+\}", chinese)) == set(re.findall(r"\{\w+\}", english)), key


def test_every_word_that_is_asked_for_is_there() -> None:
    """Keys written out in scripts and pages."""
    asked = set()
    for name, text in SCRIPTS.items():
        if name != "lexicon.js":
            asked |= set(re.findall(r'\b(?:t|head)\("([^"]+)"', text))
            asked |= set(re.findall(r'"((?:map|theme|health|kpi|unit)\.[a-z_.]+)"', text))
    for text in PAGES.values():
        asked |= set(re.findall(r'data-w(?:-label|-hint)?="([^"]+)"', text))
    assert asked <= set(LEXICON)
    assert len(asked) > 100


def test_words_made_of_codes_are_there() -> None:
    """Rules, statuses, severities, errors: for each code that the server sends there are words."""
    codes = {f"rule.{rule.number}" for rule in RULES} | {f"status.{rule.status}" for rule in RULES}
    codes |= {f"severity.{name}" for name in ("alarm", "warning", "notice")}
    codes |= {f"source.{name}" for name in ("lag", "watch", "registers", "desk", "dead_letters", "certificates")}
    sources = [path.read_text(encoding="utf-8") for path in STATIC.parent.glob("*.py")]
    refusals = {
        code for text in sources for code in re.findall(r'Refusal\((?:400|401|403|409|429|503), "([a-z_]+)"', text)
    }
    at_the_door = {"no_certificate", "certificate_revoked", "party_suspended", "no_role", "signed_out"}
    for_programs = {"keys_wrong", "not_json", "too_many_streams"}
    codes |= {f"error.{code}" for code in refusals - at_the_door - for_programs}
    assert codes <= set(LEXICON)


def test_no_word_is_left_over() -> None:
    """What nobody asks for is not carried along."""
    text = "\n".join(text for name, text in SCRIPTS.items() if name != "lexicon.js") + "\n".join(PAGES.values())
    made = ("rule.", "status.", "severity.", "source.", "error.", "alert.", "flow.", "role.", "outcome.", "holder.", "by.",
            "connection.", "health.", "kpi.", "letters.", "desk.", "provinces.", "nav.", "certificates.", "done.", "theme.", "map.")  # fmt: skip
    assert [key for key in LEXICON if f'"{key}"' not in text and not key.startswith(made)] == []


def test_the_exchanges_words_have_two_languages() -> None:
    """All 32 provinces and 部中心 among them."""
    words = page_words()
    assert len(words["provinces"]) == 32
    for kind in ("states", "parties", "categories", "codes", "kinds", "legs", "stuck", "usages"):
        assert all(chinese and english for chinese, english in words[kind].values()), kind


def test_every_province_has_a_place_on_the_map() -> None:
    """And no two the same."""
    places = re.findall(r'"(\d\d)": \[(\d), (\d)\]', SCRIPTS["provinces.js"])
    assert {code for code, _, _ in places} == {"00", *page_words()["provinces"]}
    assert len({place[1:] for place in places}) == len(places) == 33


# ---- colors ------------------------------------------------------------------------------------------------------------


def themes(css: Path) -> dict[str, dict[str, str]]:
    """Light and dark: name of a color → #rrggbb."""
    blocks = re.findall(r"(:root[^{]*)\{([^}]*)\}", css.read_text(encoding="utf-8"))
    return {
        ("dark" if "dark" in selector else "light"): dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", body))
        for selector, body in blocks
    }


def luminance(color: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


TEXT = [
    *((text, ground) for text in ("text", "muted", "accent") for ground in ("page", "card")),
    *((tone, ground) for tone in ("ok", "warn", "bad") for ground in ("page", "card", f"{tone}-soft")),
    ("accent", "accent-soft"), ("text", "accent-soft"), ("on-accent", "accent"), ("card", "text"),
    *(("text", f"{tone}-soft") for tone in ("ok", "warn", "bad")),
]  # fmt: skip
EDGES = [("edge", "page"), ("edge", "card"), ("accent", "page"), ("accent", "card")]


def test_the_measure_itself() -> None:
    """Black on white is 21, and a color on itself 1."""
    assert round(contrast("#000000", "#ffffff"), 6) == 21
    assert contrast("#1d5aa0", "#1d5aa0") == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_edges_have_enough_contrast(theme: str) -> None:
    """WCAG 2.2 AA: 4.5 for text, 3 for the edges of controls and the focus ring."""
    colors = themes(STATIC / "theme.css")[theme]
    weak = [(*pair, round(contrast(colors[pair[0]], colors[pair[1]]), 2)) for pair in TEXT]
    assert [each for each in weak if each[2] < 4.5] == []
    edges = [(*pair, round(contrast(colors[pair[0]], colors[pair[1]]), 2)) for pair in EDGES]
    assert [each for each in edges if each[2] < 3] == []


def test_both_themes_have_the_same_colors() -> None:
    """And the styles use no other."""
    found = themes(STATIC / "theme.css")
    assert set(found["light"]) == set(found["dark"])
    styles = (STATIC / "console.css").read_text(encoding="utf-8")
    assert set(re.findall(r"var\(--([a-z-]+)\)", styles)) <= {*found["light"], "shadow"}
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b", styles)
    assert "prefers-reduced-motion: reduce" in styles


def test_the_watchs_legs_have_words() -> None:
    """Both ends of each; and why an application is stuck."""
    assert {rule.why for rule in STUCK_RULES} == set(page_words()["stuck"])
    assert {end for leg in ALL for end in leg.split("→")} <= set(page_words()["legs"])
