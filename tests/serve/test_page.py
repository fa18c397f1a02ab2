"""The page at `/` in a real browser: what is done with it, what hostile output does to it, and whom it asks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from browsing import Watched
from playwright.sync_api import Browser, Page, expect
from served import TOKENS, Caller, Server, additions

HOSTILE = (
    "</script><script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
    ' <a href="javascript:alert(1)">x</a> \u202eright to left\u202c \x1b[31m'
)
LONG = 990_000
"""Characters of one line; an upload has a megabyte at most here."""
VIEWS = (
    "",
    "submit",
    "jobs/{job}",
    "jobs/{job}/samples?status=rejected",
    "jobs/{job}/seeds?state=solved",
    "jobs/{job}/seeds/0",
)


@pytest.fixture(scope="module")
def ended(open_server: Server) -> dict[str, Any]:
    """Return two complete jobs: `good`, and `hostile`, whose seeds and candidates are of the worst kind."""
    caller = open_server.caller()
    texts = [HOSTILE, "x" * LONG, "\u202e" * 50 + "אבג", ""]
    rows = [
        {"id": f"{n} {HOSTILE}", "question": HOSTILE, "kind": HOSTILE if n else "W" * 300, "given": texts[n]}
        for n in range(4)
    ]
    lines = "".join(json.dumps({**row, "answer": 2}, ensure_ascii=False) + "\n" for row in rows)
    file_id = caller.upload("hostile.jsonl", lines.encode()).json["id"]
    source = {"type": "upload", "file_id": file_id, "id": "id", "candidates": "given", "topic": "kind"}
    hostile = {"source": source, "stages": [{"type": "verify", "check": "numeric", "against": "{{ answer }}"}]}
    pipelines = {"good": additions(caller.seeds(70)), "hostile": hostile}
    made = {name: caller.post("/v1/jobs", {"pipeline": one}, 201)["id"] for name, one in pipelines.items()}
    return {name: caller.job(job, "complete") for name, job in made.items()}


@pytest.fixture
def done(ended: dict[str, Any]) -> Any:
    return ended["good"]


@pytest.fixture
def hostile(ended: dict[str, Any]) -> str:
    return str(ended["hostile"]["id"])


def own(watched: Watched, server: Server) -> bool:
    """Tell whether a page has asked nobody but its server, and has complained of nothing."""
    foreign = [url for url in watched.asked if not url.startswith((f"{server.urls[0]}/", "data:", "blob:"))]
    assert (foreign, watched.said) == ([], [])
    return True


def go(page: Page, server: Server, view: str) -> None:
    """Go to a view and wait until all of it is there."""
    page.goto(f"{server.urls[0]}/#/{view}")
    expect(page.locator(f"main[data-at='#/{view}']:not([aria-busy])")).to_be_visible()


def figure(page: Page, label: str) -> str:
    box = page.locator(".numbers div").filter(has=page.locator(f"span:text-is('{label}')"))
    return box.locator("b").inner_text()


def test_it_comes_with_a_policy_that_allows_nothing_else_and_needs_no_token(server: Server) -> None:
    answer = server.caller().ask("GET", "/")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    for path in ["/", *re.findall(r'"(/page/[^"]+)"', answer.raw.decode())]:
        part = server.caller().ask("GET", path)
        policy = part.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
        assert "unsafe" not in policy
        assert (part.headers["X-Content-Type-Options"], part.headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
        assert server.caller().ask("GET", path, If_None_Match=part.headers["ETag"]).status == 304
    assert not re.search(r"<script>|<style|style=|onclick|https?://(?!www\.w3\.org/2000/svg)", answer.raw.decode())
    assert server.caller().ask("GET", "/page/../app.py").status == 404
    assert server.caller().ask("GET", "/v1/jobs").headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
def test_every_view_fits_in_any_light_and_asks_nobody_else(
    open_server: Server, done: dict[str, Any], hostile: str, browser: Browser, width: int, scheme: str
) -> None:
    watched = Watched(browser, open_server.urls[0], width, scheme)
    for job in (done["id"], hostile):
        for view in VIEWS:
            go(watched.page, open_server, view.format(job=job))
            assert watched.page.evaluate("document.documentElement.scrollWidth") == width, view
    dark = watched.page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(251, 250, 245)"
    assert dark == (scheme == "dark")
    assert own(watched, open_server)


def test_a_job_is_written_submitted_watched_and_looked_into(
    open_server: Server, operator: Caller, browser: Browser, tmp_path: Path
) -> None:
    watched = Watched(browser, f"{open_server.urls[0]}/#/submit")
    page = watched.page
    rows = [{"id": f"q{n}", "prompt": f"What is {n} + {n % 7}?", "solution": n + n % 7} for n in range(80)]
    seeds = tmp_path / "sums.jsonl"
    seeds.write_text("".join(json.dumps(row) + "\n" for row in rows))
    expect(page.locator(".errors")).to_contain_text("source.file_id")
    page.set_input_files("#upload", seeds)
    expect(page.locator("#checked")).to_contain_text("80 seeds will be read")
    area = page.locator("textarea")
    assert "{{ prompt }}" in area.input_value(), "the template is made for the columns that there are"
    assert "{{ solution }}" in area.input_value()
    area.fill(re.sub(r'"endpoint": "\w+"', '"endpoint": "slow"', area.input_value()))
    expect(page.locator("#checked")).to_contain_text("80 seeds will be read")
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.locator("h1 .state")).to_have_text("running")
    expect(page.locator(".stages tbody td.n").first).to_have_text(re.compile(r"^([3-9]|\d\d)$"))
    came = page.locator(".stages tbody td.n").first
    expect(came).not_to_have_text(came.inner_text())
    expect(page.locator(".stages tbody tr").first).to_contain_text("/16")
    page.get_by_role("link", name="Jobs").click()
    row = page.locator("tbody tr", has_text="checked-answers").first
    expect(row.locator(".state")).to_have_text("running")
    row.get_by_role("link").click()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("h1 .state")).to_have_text("paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("h1 .state")).to_have_text("running")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="No").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Yes, cancel it").click()
    expect(page.locator("h1 .state")).to_have_text("cancelled")
    with page.expect_download() as loading:
        page.get_by_role("link", name="accepted.jsonl").click()
    job = operator.get(f"/v1/jobs/{page.url.rpartition('/')[2]}")
    assert len(Path(loading.value.path()).read_text().splitlines()) == job["counts"]["candidates"]["accepted"]
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Yes, delete it").click()
    expect(page.locator("h1")).to_have_text("Jobs")
    assert operator.ask("GET", f"/v1/jobs/{job['id']}").status == 404
    assert own(watched, open_server)


def test_its_figures_are_those_of_the_job(open_server: Server, done: dict[str, Any], browser: Browser) -> None:
    watched = Watched(browser, f"{open_server.urls[0]}/#/jobs/{done['id']}")
    page, counts = watched.page, done["counts"]
    expect(page.locator("a[download]").first).to_be_visible()
    assert figure(page, "accepted") == str(counts["candidates"]["accepted"])
    assert figure(page, "seeds done") == "70"
    assert figure(page, "calls") == "140"
    verify = page.locator(".stages tbody tr").nth(1).locator("td").all_inner_texts()
    assert (verify[0], verify[2]) == ("verify", "140")
    wrong = page.locator("tr", has_text="wrong answer")
    assert wrong.locator("td").nth(2).inner_text() == str(counts["candidates"]["rejected"]["wrong_answer"])
    wrong.get_by_role("link").click()
    expect(page.locator(".candidate .why").first).to_have_text("verify: wrong answer")
    assert own(watched, open_server)


def test_rejected_candidates_are_filtered_leafed_through_and_linked_to(
    open_server: Server, done: dict[str, Any], browser: Browser
) -> None:
    rejected = done["counts"]["candidates"]["rejected"]
    watched = Watched(browser, f"{open_server.urls[0]}/#/jobs/{done['id']}/samples")
    page = watched.page
    page.get_by_label("state").select_option("rejected")
    expect(page.locator(".candidate.rejected").first).to_be_visible()
    page.get_by_label("fell at").select_option("verify")
    expect(page.get_by_label("for")).to_contain_text(f"wrong answer ({rejected['wrong_answer']})")
    page.get_by_label("for").select_option("wrong_answer")
    seen: list[str] = []
    while True:
        expect(page.locator("main:not([aria-busy]) .candidate").first).to_be_visible()
        seen += page.locator(".candidate h3").all_inner_texts()
        onward = page.get_by_role("link", name="next page")
        if not onward.count():
            break
        onward.click()
        expect(page.locator(".candidate h3").first).not_to_have_text(seen[-20])
    assert len(seen) == len(set(seen)) == rejected["wrong_answer"]
    page.locator(".candidate h3 a").first.click()
    expect(page.locator(".side .candidate")).to_have_count(2)
    again = Watched(browser, page.url)
    expect(again.page.locator(".side .candidate")).to_have_count(2)
    assert again.page.locator("h1").inner_text() == page.locator("h1").inner_text()
    page.get_by_label("show").select_option("rejected")
    expect(page.locator(".side .candidate.accepted")).to_have_count(0)
    page.go_back()
    expect(page.locator(".side .candidate")).to_have_count(2)
    assert own(watched, open_server)
    assert own(again, open_server)


def test_what_models_wrote_is_text_and_a_line_of_a_megabyte_does_no_harm(
    open_server: Server, hostile: str, browser: Browser
) -> None:
    watched = Watched(browser, f"{open_server.urls[0]}/#/jobs/{hostile}/samples?status=rejected")
    page = watched.page
    expect(page.locator(".candidate").first).to_be_visible()
    shown = page.locator("main").inner_text()
    assert "<script>document.title" in shown
    assert "⟨U+202E⟩right to left⟨U+202C⟩ ⟨U+001B⟩[31m" in shown
    for view in VIEWS[2:]:
        go(page, open_server, view.format(job=hostile))
        assert page.locator("main img, main script, main a[href^=javascript]").count() == 0
        assert "\u202e" not in page.content()
        assert (page.title() == "owned", "\u202e" in page.title()) == (False, False)
    go(page, open_server, f"jobs/{hostile}/seeds/1")
    text = page.locator(".candidate .clamped pre")
    assert len(text.inner_text()) == 4000
    page.get_by_role("button", name="show all 990,000 characters").last.click()
    assert page.evaluate("document.querySelector('.candidate pre.long').textContent.length") == LONG
    assert page.evaluate("document.documentElement.scrollWidth") == 1400
    drawn = "[...document.querySelectorAll('.candidate .block')].map(one => getComputedStyle(one).contentVisibility)"
    assert page.evaluate(drawn) == ["auto"] * 62, "what is out of sight is not laid out"
    assert own(watched, open_server)


SHOWN = {
    "می\u200cشود 👩\u200d👧 क्\u200dष": "می\u200cشود 👩\u200d👧 क्\u200dष",
    "a\u200db\u200c": "a⟨U+200D⟩b⟨U+200C⟩",
    "so\u00adft\u2028line\u3164\U000e0041": "so⟨U+00AD⟩ft⟨U+2028⟩line⟨U+3164⟩⟨U+E0041⟩",
}


def test_what_is_invisible_is_spelled_out_but_for_joiners_that_writing_needs(
    open_server: Server, browser: Browser
) -> None:
    page = Watched(browser, open_server.urls[0]).page
    visible = "async (text) => (await import('/page/dom.js')).visible(text)"
    assert {text: page.evaluate(visible, text) for text in SHOWN} == SHOWN


def test_long_topics_leave_room_for_rows_and_what_is_written_from_the_right_begins_there(
    open_server: Server, hostile: str, browser: Browser
) -> None:
    page = Watched(browser, open_server.urls[0]).page
    go(page, open_server, f"jobs/{hostile}/seeds?state=unsolved")
    assert page.locator("td.gist").first.evaluate("one => one.clientWidth") > 400
    assert page.locator("td").first.evaluate("one => getComputedStyle(one).overflowY") == "clip"
    go(page, open_server, f"jobs/{hostile}/seeds/2")
    text = page.locator(".candidate > pre")
    assert text.evaluate("one => getComputedStyle(one).unicodeBidi") == "plaintext"


def test_the_editor_lists_every_mistake_and_leads_to_it(
    open_server: Server, operator: Caller, browser: Browser
) -> None:
    file_id = operator.seeds(3)
    watched = Watched(browser, f"{open_server.urls[0]}/#/submit")
    page, area = watched.page, watched.page.locator("textarea")
    pipeline = additions(file_id, "nobody", extra=1)
    pipeline["stages"][0]["prompts"] = ["{{ qestion }}"]
    area.fill(json.dumps(pipeline, indent=2))
    expect(page.locator("#checked")).to_contain_text("things are wrong")
    page.locator(".errors button", has_text="stages[0].prompts[0]").click()
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    chosen = (
        "document.activeElement.value.slice(document.activeElement.selectionStart, document.activeElement.selectionEnd)"
    )
    assert page.evaluate(chosen) == '"{{ qestion }}"'
    line = 1 + area.input_value().split("{{ qestion }}")[0].count("\n")
    assert str(line) in page.locator(".numbers-of-lines .bad").all_inner_texts()
    expect(page.locator(".hints h3")).to_have_text("stages[0]")
    expect(page.locator(".hints .at")).to_contain_text("prompts")
    area.fill('{"name": "x",\n "seed": 7,\n}')
    expect(page.locator(".errors")).to_contain_text("line 3 there is a comma before this brace")
    page.get_by_label("start from").select_option("answers that are judged")
    page.get_by_role("button", name="Bring back what was there").click()
    assert area.input_value().startswith('{"name": "x"')
    for name in ("answers that are checked", "answers that are judged", "the better and the worse"):
        page.select_option("#file", file_id)
        page.get_by_label("start from").select_option(name)
        expect(page.locator("#checked")).to_contain_text("3 seeds will be read")
    assert own(watched, open_server)


PLACES = """async (text) => {
    const { read, span, write } = await import("/page/places.js");
    const { value, spans, fault } = read(text);
    const cut = (place) => text.slice(...span(spans, place));
    const cuts = ["stages[1].by", "stages[1].by.nothing[2]", "stages[7].x"].map(cut);
    return [value, fault, ...cuts, read(write(value)).value];
}"""
FAULTS = {
    '{"a": [1, 2': "a comma or a closing bracket",
    '{"a" 1}': "a colon is missing",
    "{a: 1}": "a key in quotes",
    '{"a": "x\n"}': "no closing quote",
    '{"a": "\\x"}': "an escape",
    "[1,]": "a comma before this bracket",
    "{} {}": "after the end",
    "": "before it is complete",
    "[" * 100_000: "nested deeper",
}


def test_places_and_faults_of_a_text_are_found(open_server: Server, browser: Browser) -> None:
    page = Watched(browser, open_server.urls[0]).page
    good = '{"stages": [{"type": "a\\"}"}, {"by": {"x": -1.5e3}}], "é": "\u202e", "long": ["' + "x" * 200 + '", [[]]]}'
    value, fault, *cut, again = page.evaluate(PLACES, good)
    assert (value, fault, again) == (json.loads(good), None, json.loads(good))
    assert cut == ['{"x": -1.5e3}', '{"x": -1.5e3}', '[{"type": "a\\"}"}, {"by": {"x": -1.5e3}}]']
    for text, message in FAULTS.items():
        assert message in page.evaluate(PLACES, text)[1]["message"]


def test_a_token_is_asked_for_kept_in_the_tab_and_forgotten(server: Server, a: Caller, browser: Browser) -> None:
    job = a.post("/v1/jobs", {"pipeline": additions(a.seeds(60), "slow", name="mine")}, 201)
    watched = Watched(browser, f"{server.urls[0]}/#/jobs/{job['id']}")
    page = watched.page
    expect(page.locator("#why")).to_have_text("This service asks who you are.")
    page.get_by_label("Token", exact=True).fill("a-token-that-nobody-has")
    page.keyboard.press("Enter")
    expect(page.locator("#why")).to_have_text("This token is not known here.")
    page.get_by_label("Token", exact=True).fill(TOKENS["a"])
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("mine")
    expect(page.locator(".stages tbody td.n").first).to_have_text(re.compile(r"^([3-9]|\d\d)$"))
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Yes, cancel it").click()
    expect(page.locator("h1 .state")).to_have_text("cancelled")
    with page.expect_download() as loading:
        page.get_by_role("link", name="manifest.json").click()
    assert json.loads(Path(loading.value.path()).read_text())["name"] == "mine"
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    other = Watched(browser, f"{server.urls[0]}/#/jobs/{job['id']}")
    expect(other.page.locator("#access")).to_be_visible()
    other.page.get_by_label("Token", exact=True).fill(TOKENS["b"])
    other.page.keyboard.press("Enter")
    expect(other.page.locator(".note.bad")).to_contain_text("there is no job")
    page.get_by_role("button", name="Token", exact=True).click()
    page.get_by_role("button", name="Forget it").click()
    expect(page.locator("#why")).to_have_text("This service asks who you are.")
    assert page.evaluate("sessionStorage.length") == 0
    assert all("401" in words or "404" in words for words in watched.said + other.said)


def test_everything_can_be_done_with_the_keyboard(open_server: Server, operator: Caller, browser: Browser) -> None:
    job = operator.post("/v1/jobs", {"pipeline": additions(operator.seeds(90), "slow", name="by-keys")}, 201)
    watched = Watched(browser, open_server.urls[0])
    page = watched.page
    expect(page.get_by_role("link", name="by-keys").first).to_be_visible()

    def tab_to(name: str) -> None:
        focused = "document.activeElement.textContent"
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate(focused) == name:
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline == "solid", f"the focus on {name} is not to be seen"
                return
        pytest.fail(f"no way leads to {name}")

    tab_to("Skip to the content")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tab_to("by-keys")
    page.keyboard.press("Enter")
    expect(page.locator("h1 .state")).to_have_text(re.compile("running|queued"))
    tab_to("Cancel")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "No"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("h1 .state")).to_have_text("cancelled")
    operator.job(job["id"], "cancelled")
    assert own(watched, open_server)


def test_it_says_that_the_service_is_away_and_goes_on_when_it_is_back(
    open_server: Server, done: dict[str, Any], browser: Browser
) -> None:
    watched = Watched(browser, open_server.urls[0])
    page = watched.page
    expect(page.get_by_role("link", name="additions").first).to_be_visible()
    page.context.set_offline(True)
    page.get_by_role("link", name="New job").click()
    expect(page.locator(".note.bad")).to_have_text("the service cannot be reached.")
    page.context.set_offline(False)
    page.get_by_role("link", name="Jobs").click()
    expect(page.get_by_role("link", name="additions").first).to_be_visible()
