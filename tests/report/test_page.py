"""The page of a report in a browser: hostile output is text, nothing is asked for, and it fits a phone in any light."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from browsing import Watched, chromium
from playwright.sync_api import Browser
from whole_runs import Project, arithmetic, identities_hold, simulating

HOSTILE = (
    "</script><script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
    '{{ 7 * 7 }} <a href="javascript:alert(1)">x</a> \u202eright to left\u202c \x1b[31m'
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path]:
    """Return a run of several stages on the simulator; a seed's id, topic and question are hostile."""
    project = Project(tmp_path_factory.mktemp("report"))
    with simulating("--accuracy", "0.6") as simulator:
        config = arithmetic(project, simulator.base_url, seeds=30)
        rows = [orjson.loads(line) for line in (project.folder / "seeds.jsonl").read_bytes().splitlines()]
        rows[0] |= {"id": HOSTILE, "question": HOSTILE, "kind": HOSTILE}
        rows[1] |= {"question": "x" * 1_000_000, "kind": "long"}
        rows[2:] = [row | {"kind": "sums"} for row in rows[2:]]
        project.rows("seeds.jsonl", rows)
        config["source"]["topic"] = "kind"
        config["name"] = "report"
        project.tamis("run", str(project.write(config)), "--out", "run", "--no-progress")
    return project, project.folder / "run" / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_it_fits_asks_for_nothing_and_complains_of_nothing(
    run: tuple[Project, Path], browser: Browser, width: int, scheme: str
) -> None:
    watched = Watched(browser, run[1].as_uri(), width, scheme)
    assert watched.page.title() == "report · tamis report"
    assert watched.page.evaluate("document.documentElement.scrollWidth") == width
    assert watched.page.evaluate("[...document.querySelectorAll('figure svg')].every(one => one.clientWidth > 250)")
    assert watched.page.evaluate("getComputedStyle(document.body).colorScheme") is not None
    dark = watched.page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(251, 250, 245)"
    assert dark == (scheme == "dark")
    assert (watched.said, watched.asked) == ([], [run[1].as_uri()])


def test_what_models_and_people_wrote_is_only_ever_text(run: tuple[Project, Path], browser: Browser) -> None:
    watched = Watched(browser, run[1].as_uri())
    page = watched.page
    topics = page.locator("#coverage td:first-child").all_inner_texts()
    assert any("<script>document.title" in topic and "{{ 7 * 7 }}" in topic for topic in topics)
    page.evaluate("for (let seeds = 40; seeds; seeds--) document.getElementById('next').click()")
    assert page.locator("main img, main a[href^=javascript]").count() == 0
    assert page.title() == "report · tamis report"
    html = run[1].read_text()
    assert "\u202e" not in html, "it would turn round what stands beside it"
    assert "⟨U+202E⟩" in html
    assert html.count("</script>") == 2
    assert len(html) < 1_000_000, "a line of a megabyte is cut"
    assert "characters are left out here" in html


def test_the_browser_goes_by_keys_filters_and_addresses(run: tuple[Project, Path], browser: Browser) -> None:
    watched = Watched(browser, run[1].as_uri())
    page = watched.page
    page.locator("#browser").scroll_into_view_if_needed()
    first = page.locator("#seed h3 code").first.inner_text()
    page.keyboard.press("ArrowRight")
    second = page.locator("#seed h3 code").first.inner_text()
    assert second != first
    assert page.url.endswith(f"#seed/{second}")
    page.select_option("#reason", "accepted")
    assert page.locator(".candidate.accepted").count() > 0
    page.select_option("#state", "unsolved")
    assert page.locator("#place").inner_text() == "no such seed was drawn"
    again = Watched(browser, f"{run[1].as_uri()}#seed/{second}")
    assert again.page.locator("#seed h3 code").first.inner_text() == second
    assert watched.said == again.said == []


def test_its_figures_are_those_of_the_run(run: tuple[Project, Path]) -> None:
    project, _ = run
    manifest = project.manifest("run")
    found = orjson.loads((project.folder / "run" / "report.json").read_bytes())
    assert found["counts"] == manifest["counts"]
    assert identities_hold(found)
    accepted, rejected = project.lines("run", "accepted.jsonl"), project.lines("run", "rejected.jsonl")
    assert found["numbers"]["accepted"] == len(accepted)
    assert found["funnel"][-1]["went"] == len(accepted)
    assert sum(one["count"] for one in found["fallen"] if one["state"] == "rejected") == len(rejected)
    assert sum(one["seeds"] for one in found["over_seeds"]) == manifest["counts"]["seeds"]["read"]
    assert sum(one["accepted"] for one in found["yield"]) == len(accepted)
    assert found["lengths"]["accepted"]["count"] == len(accepted)
    assert found["costs"]["all"]["calls"] == sum(one["calls"] for one in found["costs"]["buckets"])
    assert {*found["samples"]} <= {one["id"] for one in accepted}


def test_the_command_makes_the_same_again(run: tuple[Project, Path]) -> None:
    project, page = run
    before = orjson.loads(page.with_name("report.json").read_bytes())
    page.unlink()
    assert project.tamis("report", "run").strip() == "run/report.html"
    assert page.exists()
    again = orjson.loads(page.with_name("report.json").read_bytes())
    assert before.pop("run") | {"made": ""} == again.pop("run") | {"made": ""}
    assert before == again
