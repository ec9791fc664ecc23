"""The page in a browser: silent, self-contained, moved by every control and by the keyboard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from heuristic_core.report import write_report
from heuristic_core.report.sections import sections
from heuristic_core.study.compare import compare
from report.browser import CONTROLS, View, browser
from report.maps_by_hand import maps_by_hand

KEPT = Path(__file__).parents[2] / "docs" / "results" / "minilm-mnli-hans"

LARGEST = 5_000_000


@pytest.fixture(scope="module")
def started():
    with browser() as one:
        yield one


@pytest.fixture(scope="module")
def path(further_folder):
    return further_folder / "report.html"


@pytest.fixture(scope="module")
def view(started, path):
    opened = View(started, path)
    opened.unfold()
    yield opened
    opened.close()


def test_the_page_is_small_and_draws_all_without_a_word_or_a_request(view, path):
    assert path.stat().st_size < LARGEST
    for chart in ("grid", "scatter", "graph"):
        assert view.page.locator(f"#{chart} svg").count() == 1
    view.check()


def test_every_control_changes_what_is_drawn_and_the_address(view):
    for control in CONTROLS:
        node = view.page.locator(f"#{control}")
        if control == "step":
            view.move("measure", 3)  # over checkpoints
        assert node.is_enabled(), control
        before = view.page.locator(".explore").inner_html()
        view.move(control, 1)
        assert control in view.state() or control == "beside", control
        assert view.page.locator(".explore").inner_html() != before, control
    view.check()


def test_a_click_opens_a_unit(view):
    view.move("measure", 0)
    view.page.locator("#grid svg .mark-rect.role-mark path").nth(3).click()
    view.drawn()
    unit = view.state()["unit"]
    assert view.page.locator("#unit-name").inner_text().startswith(unit)
    assert view.page.locator("#unit-values tr").count() > 3
    view.page.locator("#close").click()
    assert "unit" not in view.state()
    view.check()


def test_the_keyboard_alone_reaches_a_unit(view):
    page = view.page
    page.locator("#grid").focus()
    for key in ("ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    said = page.locator("#said").inner_text()
    page.keyboard.press("Enter")
    view.drawn()
    assert said.startswith(view.state()["unit"])
    page.locator("#close").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "grid"
    view.check()


def test_a_view_can_be_sent(started, view, path):
    view.move("measure", 1)
    view.move("beside", 1)
    given = view.page.evaluate("location.hash")
    other = View(started, path, given)
    try:
        assert other.state() == view.state()
        for control in ("measure", "of", "beside"):
            value = "id => document.getElementById(id).value"
            assert other.page.evaluate(value, control) == view.page.evaluate(value, control)
        assert other.page.locator("#grid svg [class*=layer_0_marks]").count() == 2
        other.check()
    finally:
        other.close()


def test_rows_of_the_first_screen_lead_to_their_questions(view, further):
    rows = view.page.locator(".claim-short")
    keys = [rows.nth(i).get_attribute("href") for i in range(rows.count())]
    assert sorted(keys) == sorted(f"#{section.question.key}" for section in sections(further))


def test_without_scripts_the_message_is_there_and_the_controls_are_not(started, path):
    context = started.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator(".tally").is_visible()
    assert page.locator(".bar").first.is_visible()
    assert not page.locator(".explore").is_visible()
    context.close()


def test_a_head_s_attention_is_unpacked_where_a_run_has_kept_it(started, further, tmp_path):
    found, examples = maps_by_hand(2, 5)
    measured = {**further.measured, "attention_maps": found, "attention_examples": examples}
    page = write_report(replace(further, measured=measured), tmp_path, ())
    view = View(started, page, "#?unit=L0H1&case=hans: case 1")
    view.page.wait_for_selector("#maps svg")
    view.drawn()
    drawn = view.page.locator("#maps svg .mark-rect.role-mark path").evaluate_all(
        "nodes => nodes.map(node => node.getAttribute('aria-label'))"
    )
    assert len(drawn) == 2 * 5 * 5  # two checkpoints
    (weights,) = found.query("case == 'case 1' and checkpoint == 300 and unit == 'L0H1'")["weights"]
    wanted = f"{weights[5 * 2 + 3] / 255:.6f}"[:6]
    assert any("2 t2<" in one and "3 t3<" in one and wanted in one for one in drawn)
    view.check()
    view.close()


@pytest.mark.slow
def test_several_runs_stand_side_by_side(started, tmp_path):
    arms = [KEPT / arm for arm in ("natural", "augmented-2")]
    view = View(started, compare(*arms).save(tmp_path))
    assert view.page.locator("#grid svg [class*=layer_0_marks]").count() == 2  # a grid for each
    assert view.page.locator(".overview.runs .of-run").count() == 2
    view.page.locator("#grid svg .mark-rect.role-mark path").first.click()
    view.drawn()
    head = view.page.locator("#unit-values tr").first.locator("th")
    assert head.all_inner_texts()[1:] == ["minilm-mnli-hans", "minilm-mnli-hans-augmented-2"]
    view.check()
    view.close()


def accessible(started, path, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    view = View(started, path, "#?unit=L0H0", width=width, scheme=scheme)
    view.unfold()
    assert view.page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(view.page).response["violations"]
    view.check()
    view.close()
    return [
        (one["id"], [node["target"] for node in one["nodes"]][:3])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def test_a_phone_at_night_is_accessible(started, path):
    assert accessible(started, path, 360, "dark") == []


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1440, "light"), (1440, "dark")])
def test_every_other_view_is_accessible(started, path, width, scheme):
    assert accessible(started, path, width, scheme) == []


@pytest.mark.slow
def test_sixty_views_are_silent(view, further):
    views = 0
    for i, section in enumerate(sections(further)):
        view.page.evaluate("key => { location.hash = key; }", section.question.key)
        for control in CONTROLS:
            view.move(control, 7 * i + len(control))
            views += 1
    assert views >= 60
    view.check()
