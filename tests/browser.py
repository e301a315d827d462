"""Debian's Chromium, driven by Playwright, with a principal's certificate; what it asks for and complains of is kept."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import Browser, Page, sync_playwright

from pipeline.crypto.keystore import load_key, read_passphrase

CHROMIUM = "/usr/bin/chromium"
PATIENCE = 20_000
"""Milliseconds within which something must show on the page."""


def until(page: Page, expression: str, argument: Any = None) -> None:
    """Ask until the JavaScript expression, or function of `argument`, is true. Fails after `PATIENCE`.

    Playwright's own `wait_for_function` evaluates text within the page, which the console's policy forbids.
    """
    deadline = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(expression, argument):
        assert time.monotonic() < deadline, f"not within {PATIENCE / 1000:g} s: {expression}"
        page.wait_for_timeout(50)


@dataclass
class Visit:
    """A page, and what happened on it. `origin`: the console's."""

    page: Page
    origin: str
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def sign_in(self, name: str, lang: str = "zh") -> None:
        """From the first request to the live page, by the keyboard alone."""
        self.page.goto(f"{self.origin}/?lang={lang}")
        until(self.page, "document.activeElement?.id === 'name' && !!document.getElementById('as').textContent")
        self.page.keyboard.type(name)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector(".pulse.live")

    def go(self, section: str) -> None:
        """To a section of the page, once it shows something."""
        self.page.goto(f"{self.origin}/#{section}")
        until(self.page, "s => location.hash === '#' + s && !!document.querySelector('#view .card')", section)

    def text(self, selector: str) -> str:
        """The text of the one element that `selector` names."""
        return self.page.locator(selector).inner_text()

    def wait_text(self, selector: str, text: str) -> None:
        """Until an element that `selector` names holds `text`."""
        self.page.locator(selector).filter(has_text=text).first.wait_for()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window, for as long as the block runs."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.getuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visiting(browser: Browser, origin: str, principal: Path, scratch: Path, **settings: Any) -> Iterator[Visit]:
    """A page of its own with the certificate of the folder `principal`; its key lies decrypted in `scratch` meanwhile.

    The exchange's authority is none that Chromium knows, so it is told not to mind; that browsers let only the right server
    in is the certificate import's doing (docs/console.md).
    """
    key = scratch / f"{principal.name}.key.pem"
    plain = load_key(principal / "tls.key", read_passphrase(principal))
    with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(plain.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate = {"origin": origin, "certPath": str(principal / "tls.pem"), "keyPath": str(key)}
    context = browser.new_context(
        client_certificates=[certificate],  # type: ignore[list-item]
        ignore_https_errors=True,
        **{"viewport": {"width": 1366, "height": 800}, **settings},
    )
    context.set_default_timeout(PATIENCE)
    visit = Visit(context.new_page(), origin)
    context.on("console", lambda said: visit.errors.append(said.text) if said.type in ("error", "warning") else None)
    context.on("weberror", lambda failed: visit.errors.append(str(failed.error)))
    context.on("request", lambda asked: None if asked.url.startswith(origin + "/") else visit.foreign.append(asked.url))
    try:
        yield visit
    finally:
        context.close()
        key.unlink()
