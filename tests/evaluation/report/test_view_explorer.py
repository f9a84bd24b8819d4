"""A grid of views as the page has it: which picture stands where, and what the sliders do in a real browser."""

import base64
import html
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from simone_tf.evaluation.report.report import write_report
from simone_tf.evaluation.report.view_explorer import view_explorer
from simone_tf.evaluation.views.flights import FlyAround

from report_page import Page, in_browser, make_summary

SIZE, SECOND, FIRST = (6, 8), 3, 4


@pytest.fixture(scope="module")
def flown():
    """Every view of its own colour: red grows with the second axis, green with the first."""
    levels = np.stack(np.meshgrid(np.arange(SECOND) * 60 + 20, np.arange(FIRST) * 60 + 20, [20], indexing="ij"), -1)
    colours = levels.reshape(SECOND, FIRST, 1, 1, 3) / 255.0
    drawn = np.broadcast_to(colours, (SECOND, FIRST, *SIZE, 3)).astype(np.float32)
    segments = np.broadcast_to(np.arange(FIRST)[:, None, None] % 2, (SECOND, FIRST, *SIZE)).astype(np.int32)
    return FlyAround(drawn, segments, np.array([-180.0, -90, 0, 90]), "yaw", np.array([0.7, 1.0, 1.3]), "distance")


@pytest.fixture(scope="module")
def shown(flown):
    colours = np.array([[255, 0, 0], [0, 0, 255]], np.uint8)
    return view_explorer("clip <0>", flown, np.zeros((6, *SIZE, 3), np.uint8), colours)


def picture_of(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))


def test_views_stand_in_rows_and_columns(shown):
    (drawn, drawn_uri), (segments, segments_uri) = shown["sprites"]
    assert (drawn, segments) == ("drawn", "segments")
    sheet = picture_of(drawn_uri)
    assert sheet.shape == (SECOND * SIZE[0], FIRST * SIZE[1], 3)
    for row in range(SECOND):
        for column in range(FIRST):
            tile = sheet[row * SIZE[0] : (row + 1) * SIZE[0], column * SIZE[1] : (column + 1) * SIZE[1]]
            assert (tile == [row * 60 + 20, column * 60 + 20, 20]).all()
    assert picture_of(segments_uri)[0, SIZE[1]].tolist() == [0, 0, 255]
    assert shown["first"] == ["-180°", "-90°", "0°", "+90°"]
    assert shown["second"] == [f"{factor:.2f} of that of the seen frames" for factor in (0.7, 1.0, 1.3)]
    assert (shown["first_start"], shown["second_start"]) == (2, 1)
    assert picture_of(shown["picture"]).shape == (8 * SIZE[0], 8 * 4 * SIZE[1], 3)


def test_a_model_of_one_slot_has_no_segments(flown):
    seen = np.zeros((1, *SIZE, 3), np.uint8)
    assert [label for label, _ in view_explorer("", flown, seen, np.zeros((1, 3), np.uint8))["sprites"]] == ["drawn"]
    path = FlyAround(flown.reconstruction[:1], flown.segments[:1], np.arange(4) / 8, "frame", np.zeros(1), "")
    along = view_explorer("", path, seen, np.zeros((1, 3), np.uint8))
    assert (along["first"], along["first_start"], along["second"]) == (["0.00", "0.12", "0.25", "0.38"], 0, [""])


@pytest.fixture(scope="module")
def page(shown, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(str(path), make_summary(), curves={}, figures={}, explorers=[], sweeps=[shown], config="")
    return path


def test_the_page_is_whole_and_needs_nothing_else(page):
    text = page.read_text(encoding="utf-8")
    parsed = Page(text)
    assert "Move the camera" in " ".join(parsed.words)
    assert all(address.startswith("data:") for address in parsed.addresses)
    assert "clip <0>" not in text
    for slider in ("first", "second"):
        # Native sliders: the keyboard moves them, and what they are at is read out.
        assert re.search(rf'<input class="{slider}" type="range"[^>]* aria-valuetext="[^"]+"', text)


LOOK = """
window.addEventListener("load", () => {
  const box = document.querySelector(".sweep"), view = box.querySelector(".view");
  const sprite = box.querySelector(".sprite"), seen = [];
  for (const first of [0, 3]) for (const second of [2, 0]) {
    for (const [name, value] of [["first", first], ["second", second]]) {
      const control = box.querySelector("." + name);
      control.value = value;
      control.dispatchEvent(new Event("input", {bubbles: true}));
    }
    const [width, height] = view.style.backgroundSize.split(" ").map(parseFloat);
    const [x, y] = view.style.backgroundPosition.split(" ").map(parseFloat);
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(width); canvas.height = Math.round(height);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(sprite, 0, 0, canvas.width, canvas.height);
    const place = [-x + view.clientWidth / 2, -y + view.clientHeight / 2];
    const colour = [...context.getImageData(...place, 1, 1).data].slice(0, 3);
    const said = box.querySelector(".first").getAttribute("aria-valuetext");
    seen.push([first, second, colour, said, view.getAttribute("aria-label")]);
  }
  const result = document.createElement("pre");
  result.id = "result";
  const right = Math.max(...[...box.querySelectorAll("*")].map(one => one.getBoundingClientRect().right));
  result.textContent = JSON.stringify({seen, right});
  document.body.append(result);
});
"""


@pytest.mark.parametrize("width", [1280, 390])
def test_sliders_move_the_camera_in_a_browser(page, tmp_path, width):
    narrow = f"document.documentElement.style.width = '{width}px'; window.dispatchEvent(new Event('resize'));"
    dom, console = in_browser(page, tmp_path, (narrow if width < 500 else "") + LOOK, size=f"{width},2000")
    assert console == []
    result = json.loads(html.unescape(re.search(r'<pre id="result">(.*?)</pre>', dom, re.S)[1]))
    assert result["right"] <= width
    assert len(result["seen"]) == 4
    for first, second, colour, said, label in result["seen"]:
        assert colour == [second * 60 + 20, first * 60 + 20, 20]
        assert said == {0: "-180°", 3: "+90°"}[first]
        assert label.startswith("clip <0>, drawn, ")
        assert said in label
