"""What stays while the page goes on: the focus, what can be undone, where somebody was; and what must not stay."""

from __future__ import annotations

import re
from typing import Any

import pytest
from browsing import Watched
from playwright.sync_api import Browser, Page, expect
from served import TOKENS, Caller, Server, additions

FOCUSED = "document.activeElement.textContent"


@pytest.fixture(scope="module")
def done(open_server: Server) -> Any:
    caller = open_server.caller()
    made = caller.post("/v1/jobs", {"pipeline": additions(caller.seeds(70))}, 201)
    return caller.job(made["id"], "complete")


def at(browser: Browser, server: Server, view: str) -> Watched:
    watched = Watched(browser, f"{server.urls[0]}/#/{view}")
    expect(watched.page.locator("main:not([aria-busy]) h1")).to_be_visible()
    return watched


def focused(page: Page, what: str) -> str:
    return str(page.evaluate(f"document.activeElement.{what}"))


def test_what_is_typed_can_be_undone_over_lines(open_server: Server, browser: Browser) -> None:
    page = at(browser, open_server, "submit").page
    area = page.locator("textarea")
    before = area.input_value()
    area.press("Control+End")
    page.keyboard.type("abc\ndef")
    assert area.input_value() == f"{before}abc\ndef"
    for _ in "abc\ndef":  # at the most
        page.keyboard.press("Control+z")
    assert area.input_value() == before


def test_the_focus_stays_when_figures_and_states_change(
    open_server: Server, operator: Caller, browser: Browser
) -> None:
    job = operator.post("/v1/jobs", {"pipeline": additions(operator.seeds(300), "slow", name="focused")}, 201)
    operator.under_way(job["id"])
    page = at(browser, open_server, f"jobs/{job['id']}").page
    link = page.locator("a", has_text=re.compile(r"^accepted \d"))
    link.focus()
    before = link.inner_text()
    expect(link).not_to_have_text(before)
    expect(link).to_be_focused()
    page.get_by_role("button", name="Pause").press("Enter")
    expect(page.locator("h1 .state")).to_have_text("paused")
    assert page.evaluate("document.activeElement.closest('.actions') !== null")
    page.get_by_role("button", name="Cancel").press("Enter")
    operator.post(f"/v1/jobs/{job['id']}/resume")
    expect(page.locator("h1 .state")).to_have_text("running")
    assert page.evaluate(FOCUSED) == "No", "what was asked is asked still"
    page.keyboard.press("Enter")
    assert page.evaluate(FOCUSED) == "Pause"
    page.get_by_role("button", name="Cancel").press("Enter")
    page.get_by_role("button", name="Yes, cancel it").press("Enter")
    expect(page.locator("h1 .state")).to_have_text("cancelled")
    assert page.evaluate(FOCUSED) == "Delete"


def test_the_focus_stays_on_a_filter_and_on_a_submission_that_is_refused(
    open_server: Server, done: dict[str, Any], browser: Browser
) -> None:
    page = at(browser, open_server, f"jobs/{done['id']}/samples").page
    state = page.get_by_label("state")
    state.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".candidate.rejected").first).to_be_visible()
    expect(page.get_by_label("state")).to_be_focused()
    page.get_by_role("link", name="New job", exact=True).click()
    page.get_by_role("button", name="Submit", exact=True).press("Enter")
    expect(page.locator(".note.bad")).to_contain_text("there is no upload")
    expect(page.get_by_role("button", name="Submit", exact=True)).to_be_focused()


def test_back_leads_to_where_somebody_was(open_server: Server, done: dict[str, Any], browser: Browser) -> None:
    page = at(browser, open_server, f"jobs/{done['id']}/samples?status=rejected").page
    page.locator(".candidate h3 a").last.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    assert before > 300
    page.locator(".candidate h3 a").last.click()
    expect(page.locator(".side .candidate")).to_have_count(2)
    assert page.evaluate("scrollY") == 0
    page.go_back()
    expect(page.locator("main:not([aria-busy]) .list")).to_be_visible()
    assert page.evaluate("scrollY") == before


def test_who_is_not_known_any_more_sees_no_more_and_is_not_told_that_nobody_answers(
    server: Server, a: Caller, browser: Browser
) -> None:
    job = a.post("/v1/jobs", {"pipeline": additions(a.seeds(60), "slow", name="revoked")}, 201)
    page = Watched(browser, server.urls[0]).page
    page.get_by_label("Token", exact=True).fill(TOKENS["a"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="revoked")).to_be_visible()
    assert focused(page, "id") == "main"
    page.context.set_offline(True)
    expect(page.locator("#away")).to_be_visible()
    page.evaluate("sessionStorage.setItem('tamis.token', 'of-nobody')")
    page.context.set_offline(False)
    expect(page.locator("#why")).to_have_text("This token is not known here.")
    expect(page.locator("#away")).to_be_hidden()
    assert page.locator("main").inner_text().splitlines()[0] == "Who asks?"
    assert page.get_by_role("link", name="revoked").count() == 0
    a.post(f"/v1/jobs/{job['id']}/cancel")


def test_an_address_that_leads_nowhere_says_so(open_server: Server, browser: Browser) -> None:
    watched = at(browser, open_server, "no/such/view")
    assert watched.page.title() == "Not here · tamis"
    assert watched.page.locator(".note").inner_text() == "there is nothing at /no/such/view."
    assert watched.said == []


FIGURES = """async ([job, funnel]) => {
    const { figures } = await import("/page/jobs.js");
    const { done, seeds, solved, accepted } = figures(job, funnel);
    return [done, seeds, solved, accepted];
}"""


def test_of_a_job_that_the_service_left_what_is_settled_is_shown(
    open_server: Server, done: dict[str, Any], operator: Caller, browser: Browser
) -> None:
    page = Watched(browser, open_server.urls[0]).page
    funnel = operator.get(f"/v1/jobs/{done['id']}/funnel")
    left = {**done, "state": "queued", "progress": None, "counts": None}
    seeds, accepted = done["counts"]["seeds"], done["counts"]["candidates"]["accepted"]
    assert page.evaluate(FIGURES, [left, funnel]) == [70, 70, seeds["solved"], accepted]
    assert page.evaluate(FIGURES, [done, funnel]) == page.evaluate(FIGURES, [done, None])
    assert page.evaluate(FIGURES, [left, None]) == [0, 70, 0, 0]


def test_bars_and_marks_are_seen_where_colours_are_the_readers_own(
    open_server: Server, done: dict[str, Any], browser: Browser
) -> None:
    page = at(browser, open_server, f"jobs/{done['id']}").page
    page.emulate_media(forced_colors="active")
    colour = "one => getComputedStyle(one).backgroundColor"
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert page.locator(".bar.whole i").evaluate(colour) != paper
    page.get_by_role("link", name="New job", exact=True).click()
    assert page.locator(".numbers-of-lines .bad").first.evaluate(colour) != paper
