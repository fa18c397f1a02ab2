"""A real browser for tests of pages, and pages that remember what they asked for and complained of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from needs import need_program
from playwright.sync_api import Browser, Page, sync_playwright

QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium, or skip where there is none."""
    program = need_program("chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=[*QUIET])
        yield running
        running.close()


class Watched:
    """A page that remembers what it asked for and complained of."""

    def __init__(self, browser: Browser, url: str, width: int = 1400, scheme: str = "light") -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]  # light or dark
        context.set_default_timeout(120_000)  # ms; a machine under load needs more than half a minute for a page
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(url)
