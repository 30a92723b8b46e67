"""Every built-in theme can be read: the contrast of what is written to what it is written on."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from rich.color import Color as RichColor
from rich.color import ColorSystem
from textual.app import App
from textual.color import Color
from textual.pilot import Pilot
from textual.widget import Widget

from forensic import Severity
from tests.images import SOUND
from tests.tui.driving import Drive, settled
from tui.app import QcowscopeApp
from tui.looks import MAP_CLASSES
from tui.theme import BACKGROUNDS, CONTRAST_OF_GLYPHS, CONTRAST_OF_WORDS, DARK, LIGHT, WORDS, contrast, variables
from tui.widgets.chrome import StatusLine
from tui.widgets.cluster_map import ClusterMap
from tui.widgets.time_line import TimeLine

THEMES = sorted(App().available_themes)
SNAPSHOTS = SOUND / "snapshots-512.qcow2"


def test_the_contrast_is_that_of_the_definition() -> None:
    assert contrast(Color.parse("black"), Color.parse("white")) == pytest.approx(21)
    assert contrast(Color.parse("#777777"), Color.parse("white")) == pytest.approx(4.48, abs=0.01)
    assert contrast(Color.parse("red"), Color.parse("red")) == 1


def test_what_is_written_can_be_read_in_every_theme(drive: Drive) -> None:
    assert DARK.keys() == LIGHT.keys()

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        faint: dict[str, list[str]] = {}
        for theme in THEMES:
            app.theme = theme
            await pilot.pause()
            given = app.get_css_variables()
            dark = app.current_theme.dark
            grounds = [
                Color.parse(
                    ("black" if dark else "white") if given[name].startswith(("ansi", "trans")) else given[name]
                )
                for name in ("background", "surface")
            ]
            names = [name for name in DARK if name not in BACKGROUNDS]
            if not given["foreground"].startswith("ansi"):
                names += ["foreground-muted", "accent", "primary", "foreground"]
                ground = Color.parse(given["footer-background"])
                for name in ("footer-key-foreground", "footer-description-foreground"):
                    assert contrast(Color.parse(given[name]), ground) >= CONTRAST_OF_WORDS, (theme, name)
            for name in names:
                wanted = CONTRAST_OF_WORDS if name.startswith((*WORDS, "foreground", "accent")) else CONTRAST_OF_GLYPHS
                if min(contrast(Color.parse(given[name]), each) for each in grounds) < wanted - 0.05:
                    faint.setdefault(theme, []).append(name)
        assert faint == {}

    drive(SNAPSHOTS, story)


def test_what_was_drawn_takes_the_colours_of_another_theme(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("3")
        await settled(app, pilot)
        seen = set()
        for theme in ("tokyo-night", "textual-light", "nord"):
            app.theme = theme
            await settled(app, pilot)
            map_ = app.screen.query_one("#file-map", ClusterMap)
            colour = map_.get_component_rich_style("map--data").color
            assert colour is not None
            legend = app.screen.query_one("#legend").render_lines(app.screen.query_one("#legend").size.region)
            shown = {
                segment.style.color for strip in legend for segment in strip if segment.style and "■" in segment.text
            }
            assert colour in shown, theme
            seen.add(colour)
        assert len(seen) > 1
        assert MAP_CLASSES

    drive(SNAPSHOTS, story, (140, 40))


@pytest.mark.parametrize("name", THEMES)
def test_sixteen_colours_tell_apart_what_the_colours_tell_apart(name: str) -> None:
    app = App[None]()
    app.theme = name
    found = variables(app.current_theme, app.get_css_variables(), sixteen=True)

    def number(of: str) -> int | None:
        return RichColor.parse(found[of]).downgrade(ColorSystem.STANDARD).number

    ground = "black" if app.current_theme.dark else "white"
    kinds = [name for name in DARK if name.startswith("kind-") and name != "kind-pending"]
    for group in (
        kinds,
        [name for name in DARK if name.startswith("note-")],
        [name for name in DARK if name.startswith("heat")],
        ("primary", "accent", "severity-high", "severity-medium", "severity-low"),
        ("verdict-clean", "verdict-suspicious", "verdict-corrupt"),
        ("hex-even", "hex-odd"),
        ("hex-zero", "hex-byte", "hex-print", "hex-high"),
    ):
        numbers = [number(each) for each in group]
        assert len(set(numbers)) == len(numbers), (group, numbers)
    for each in kinds:
        assert number(each) != RichColor.parse(ground).downgrade(ColorSystem.STANDARD).number or ground == "white", each
    for each in ("primary", "accent", "foreground-muted", "severity-low", "hex-byte"):
        assert contrast(Color.parse(found[each]), Color.parse(ground)) >= CONTRAST_OF_WORDS, each


def test_the_line_of_a_list_without_the_focus_can_be_read_in_every_theme(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        list_ = app.screen.query_one(TimeLine)
        assert not list_.has_focus
        for theme in THEMES:
            app.theme = theme
            await pilot.pause()
            words = [each for each in list_.render_line(1 + list_.cursor) if any(map(str.isalnum, each.text))]
            assert words
            for segment in words:
                assert segment.style is not None, segment
                assert segment.style.color is not None, segment
                assert segment.style.bgcolor is not None, segment
                own = "white" if app.current_theme.dark else "black"  # of a terminal, where the theme leaves it to that
                written, on = segment.style.color, Color(*segment.style.bgcolor.get_truecolor())
                colour = Color.parse(own) if written.is_default else Color(*written.get_truecolor())
                assert contrast(colour, on) >= CONTRAST_OF_WORDS - 0.1, (theme, segment)

    drive(SNAPSHOTS, story, (120, 40))


@pytest.mark.parametrize("severity", [each for each in Severity if each > Severity.INFO])
def test_the_status_line_has_the_colour_of_the_worst_severity(drive: Drive, severity: Severity) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        (finding, *_) = app.desk.findings
        app.desk.judgement, app.desk.findings = None, [replace(finding, severity=severity)]
        app.desk.learn("findings")
        await settled(app, pilot)
        (line,) = app.screen.query_one(StatusLine).render_lines(app.screen.query_one(StatusLine).size.region)
        (mark,) = [each.style for each in line if severity.value in each.text]
        assert mark is not None
        assert mark.color is not None
        assert mark.color.get_truecolor() == Color.parse(app.theme_variables[f"severity-{severity.value}"]).rgb

    drive(SNAPSHOTS, story, (120, 40))


@pytest.mark.parametrize("few", ["NO_COLOR", "standard"])
def test_what_has_the_focus_is_drawn_with_other_lines_where_colours_are_few(
    drive: Drive, monkeypatch: pytest.MonkeyPatch, few: str
) -> None:
    if few == "NO_COLOR":
        monkeypatch.setenv("NO_COLOR", "1")

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        if few == "standard":
            app.fit_colours(few)
        for screen in "1234567":
            await pilot.press(screen)
            await settled(app, pilot)
            for _ in range(3):
                pane = app.screen.focused
                while pane is not None and pane.styles.border_top[0] not in ("heavy", "round"):
                    pane = pane.parent if isinstance(pane.parent, Widget) else None
                assert pane is not None, (screen, app.screen.focused)
                assert pane.styles.border_top[0] == "heavy", (screen, app.screen.focused)
                heavy = [each for each in app.screen.query("*") if each.styles.border_top[0] == "heavy"]
                assert heavy == [pane], "one pane alone"
                await pilot.press("tab")
                await settled(app, pilot)

    drive(SNAPSHOTS, story, (120, 40))
