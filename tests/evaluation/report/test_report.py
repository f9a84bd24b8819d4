"""The page: what stands in it, and what it does in a real browser."""

import json
import re

import numpy as np
import pytest

from simone_tf.evaluation.report import report
from simone_tf.evaluation.report.report import data_uri, explorer, write_report
from simone_tf.evaluation.report.traversals import Traversal

from report_page import Page, in_browser, make_summary, make_traversal, row, spread


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    rng = np.random.default_rng(0)
    write_report(
        str(path),
        make_summary(),
        curves={"loss": [(0, 2.0), (50, 1.0), (100, 0.25)], "alone": [(0, 1.0)]},
        figures={
            "Still <pictures>": [("one", rng.integers(0, 255, (30, 40, 3), np.uint8))],
            "Moving": [("two", rng.integers(0, 255, (3, 30, 900, 3), np.uint8))],
            "Empty": [],
        },
        explorers=[explorer("clip 0", make_traversal(), np.zeros((8, 8, 3), np.uint8))],
        config="train.num_steps = 3 # </pre><script>alert(1)</script>",
        paper_name="cater",
    )
    return path


def test_the_page_of_a_model_that_has_less(tmp_path):
    summary = make_summary()
    summary["segmentation"], summary["probes"] = {}, []
    del summary["reconstruction"]["nats_per_pixel"]
    summary["latents"] = {"scene_kl": spread(3.21), "scene_kl_per_dimension": [1.0, 2.0]}
    path = tmp_path / "report.html"
    write_report(str(path), summary, curves={}, figures={}, explorers=[], config="", paper_name="cater")
    parsed = Page(path.read_text(encoding="utf-8"))
    text = " ".join(parsed.words)
    assert "KL of a scene latent, nats" in parsed.cells
    assert "3.210 ± 0.010" in parsed.cells
    assert "KL of each scene latent dimension, sorted" in text
    for word in ("nats per pixel", "Table 1", "object latent", "frame latent", "Move the latents"):
        assert word not in text


def test_the_page_says_what_latents_in_every_frame_are(tmp_path):
    summary = make_summary()
    summary["probes"] = [
        row("trajectory", "position", "o_k,t", 0.3, trained_on="all", tested_on="all"),
        row("trajectory", "position", "o_k(t)", 0.4, trained_on="all", tested_on="all"),
        row("trajectory", "position", "o_j(t),j!=k", 0.05, trained_on="all", tested_on="all"),
    ]
    path = tmp_path / "report.html"
    write_report(str(path), summary, curves={}, figures={}, explorers=[], config="")
    parsed = Page(path.read_text(encoding="utf-8"))
    assert "Objects of this model have a latent in every frame" in " ".join(parsed.words)
    assert "0.400" in parsed.cells  # the card
    assert any("from other objects: 0.050" in words for words in parsed.words)


def test_the_page_holds_the_numbers(page):
    parsed = Page(page.read_text(encoding="utf-8"))
    text, summary = " ".join(parsed.words), make_summary()
    for value in summary["segmentation"].values():
        assert f"{value['mean']:.3f} ± 0.010" in parsed.cells
    assert "0.00123 ± 0.01000" in parsed.cells
    for number in ("27.654 ± 0.010", "4.321 ± 0.010", "12.345 ± 0.010", "6.789 ± 0.010"):
        assert number in parsed.cells
    for number in ("0.777 ± 0.002", "-0.111 ± 0.002", "0.888 ± 0.002", "0.666 ± 0.002", "0.555 ± 0.000", "\N{EN DASH}"):
        assert number in parsed.cells
    # The paper's, beside the world's coordinates only.
    assert parsed.cells.count("0.949 ± 0.002") == 1
    assert "its own model 0.918 ± 0.036" in text
    assert "paper: 0.918 ± 0.036" in text
    assert "20,000" in text
    assert "24\N{MULTIPLICATION SIGN}32" in text
    assert "A note." in text
    assert "Something was <not> computed." in text


def test_the_fair_comparisons_stand_in_the_cards(page):
    cards = re.findall(r'<div class="card"><span>(.*?)</span><b>(.*?)</b><span>(.*?)</span>', page.read_text())
    notes = {label: (value, note) for label, value, note in cards}
    assert notes["camera&#39;s location from f_t, R²"] == ("0.888", "from t alone: 0.424; from o_1..K,t: 0.281")
    assert notes["camera&#39;s orientation from f_t, R²"] == ("0.855", "from t alone: 0.000")


def test_the_score_comes_right_behind_what_it_is_predicted_from(page):
    heads = [re.findall("<th>(.*?)</th>", line) for line in page.read_text().splitlines() if "<th>from</th>" in line]
    assert len(heads) == 3  # Camera in two kinds of coordinates, trajectories.
    for names in heads:
        assert names[:4] == ["target", "from", "test R² ± s.d.", "shuffled labels"]
    (line,) = (line for line in page.read_text().splitlines() if "<td>o_k,t</td>" in line)
    assert re.findall("<td[^>]*>(.*?)</td>", line)[:3] == ["position", "o_k,t", "0.666 ± 0.002"]


def test_what_comes_from_files_is_text(page):
    parsed = Page(page.read_text(encoding="utf-8"))
    assert "runs/<b>bold" in parsed.words
    assert any("</pre><script>alert(1)</script>" in word for word in parsed.words)
    assert "Still <pictures>" in parsed.words
    assert "Empty" not in parsed.words
    assert "alone" not in parsed.words


def test_nothing_is_fetched(page):
    text = page.read_text(encoding="utf-8")
    addresses = Page(text).addresses
    assert len(addresses) > 4
    assert all(address.startswith("data:") for address in addresses)
    assert not re.search(r"https?://|@import|//cdn", text)
    assert "default-src 'none'" in text


def test_pictures_are_kept(page):
    import base64
    import io

    from PIL import Image

    rng = np.random.default_rng(1)
    still, moving = rng.integers(0, 255, (9, 8, 3), np.uint8), np.zeros((4, 16, 16, 3), np.uint8)
    moving[:, :, :, 0] = np.array([0, 80, 160, 240])[:, None, None]

    def read(uri):
        return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))

    np.testing.assert_array_equal(np.asarray(read(data_uri(still)).convert("RGB")), still)
    np.testing.assert_array_equal(np.asarray(read(data_uri(still[None])).convert("RGB")), still)
    animation = read(data_uri(moving))
    assert animation.n_frames == 4
    for time in range(4):
        animation.seek(time)
        np.testing.assert_allclose(np.asarray(animation.convert("RGB"), float), moving[time], atol=12)


def test_explorer_has_offsets_in_columns_and_frames_in_rows(monkeypatch):
    monkeypatch.setattr(report, "data_uri", lambda picture: picture)
    traversal = make_traversal()
    made = explorer("name", traversal, np.zeros((1, 1, 3), np.uint8), tile_size=60)
    assert (made["width"], made["height"], made["frames"], made["zero"]) == (60, 40, 2, 1)
    assert made["attributes"] == [3, 0]
    for attribute, sheet in enumerate(made["sprites"]):
        for offset in range(3):
            for time in range(2):
                tile = sheet[time * 4 : time * 4 + 4, offset * 6 : offset * 6 + 6]
                np.testing.assert_array_equal(tile, traversal.frames[attribute, offset, time])
    assert [(dimension, change) for dimension, change, _ in made["changes"]] == [
        (3, "0.4000"),
        (0, "0.1000"),
        (2, "0.0500"),
        (1, "0.0000"),
    ]
    assert made["changes"][1][2] == pytest.approx(25)


def test_a_bare_evaluation_has_a_page_too(tmp_path):
    summary = make_summary() | {"segmentation": {}, "probes": [], "notes": []}
    path = tmp_path / "report.html"
    write_report(str(path), summary, curves={}, figures={}, explorers=[], config="", paper_name=None)
    parsed = Page(path.read_text(encoding="utf-8"))
    assert not any("Table 1" in word for word in parsed.words)
    assert "27.7 dB" in parsed.cells


def test_a_page_of_twelve_clips_stays_small(tmp_path):
    # 16 frames of 64 x 64, sensor noise on smooth scenes: a panel of 12 tiles, and four objects to move.
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:64, :64]
    scene = np.stack([rows * 2, columns * 3, (rows + columns) * 2], -1)[None] + 6 * np.arange(16)[:, None, None, None]
    video = np.clip(scene % 256 + rng.normal(scale=2, size=(16, 64, 64, 3)), 0, 255).astype(np.uint8)
    panel = np.tile(np.repeat(np.repeat(video, 2, 1), 2, 2), (1, 2, 6, 1))
    sprites = np.broadcast_to(video, (6, 5, *video.shape))
    traversal = Traversal(0, np.arange(-2.0, 3.0), np.arange(6), np.ones(32), sprites)
    page_bytes = 24 * len(data_uri(panel)) + 4 * sum(map(len, explorer("", traversal, video[0])["sprites"]))
    assert page_bytes < 25e6


LOOK = """
window.addEventListener("load", () => {
  const box = document.querySelector(".explorer"), view = box.querySelector(".view");
  const sprites = [...box.querySelectorAll(".sprite")];
  function colour() {
    const image = sprites.find(sprite => view.style.backgroundImage.includes(sprite.src));
    const [width, height] = view.style.backgroundSize.split(" ").map(parseFloat);
    const [x, y] = view.style.backgroundPosition.split(" ").map(parseFloat);
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(width); canvas.height = Math.round(height);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return [...context.getImageData(-x + view.clientWidth / 2, -y + view.clientHeight / 2, 1, 1).data].slice(0, 3);
  }
  const seen = [];
  for (const attribute of [0, 1]) for (const offset of [1, 0, 2]) for (const frame of [0, 1]) {
    for (const [name, value] of [["attribute", attribute], ["offset", offset], ["frame", frame]]) {
      const control = box.querySelector("." + name);
      control.value = value;
      control.dispatchEvent(new Event("input", {bubbles: true}));
    }
    seen.push([attribute, offset, frame, colour(), box.querySelector(".moved").textContent]);
  }
  const alone = ["attribute", "offset", "frame"].map(name => {
    const control = box.querySelector("." + name), before = view.style.cssText;
    control.value = 0;
    control.dispatchEvent(new Event("input", {bubbles: true}));
    return view.style.cssText !== before;
  });
  // What lies in a box that scrolls by itself may be wider than the page.
  const elements = [...document.body.querySelectorAll("*")].filter(one => !one.closest(".scroll *, svg *, pre"));
  const numbers = [...document.querySelectorAll("tr")].filter(one => one.cells[1].textContent.startsWith("o_"));
  const fetched = performance.getEntriesByType("resource").map(one => one.name);
  const result = document.createElement("pre");
  result.id = "result";
  result.textContent = JSON.stringify({
    seen, alone, right: Math.max(...elements.map(one => one.getBoundingClientRect().right)),
    scored: Math.max(...numbers.map(one => one.cells[3].getBoundingClientRect().right)), rows: numbers.length,
    fetched: fetched.filter(name => !name.startsWith("data:")),
  });
  document.body.append(result);
});
"""


@pytest.mark.parametrize("width", [1280, 390])
def test_sliders_change_the_picture_in_a_browser(page, tmp_path, width):
    # Headless chromium has no window below 500 pixels: a frame of that width stands for a narrow screen.
    narrow = f"document.documentElement.style.width = '{width}px'; window.dispatchEvent(new Event('resize'));"
    dom, console = in_browser(page, tmp_path, (narrow if width < 500 else "") + LOOK, size=f"{width},2000")
    assert console == []
    result = json.loads(re.search(r'<pre id="result">(.*?)</pre>', dom, re.S)[1])
    assert result["fetched"] == []
    assert 0.8 * width < result["right"] <= width
    assert result["alone"] == [True, True, True]
    # The score and its control are seen without scrolling.
    assert result["rows"] == 4
    assert 0 < result["scored"] <= width
    assert len(result["seen"]) == 12
    for attribute, offset, frame, colour, moved in result["seen"]:
        assert colour == [attribute * 60 + 20, offset * 60 + 20, frame * 60 + 20]
        assert moved == ["-2", "0", "+2"][offset]


def test_a_moved_slider_is_seen_on_the_screen(page, tmp_path):
    from PIL import Image

    pictures = []
    for number, script in enumerate(
        ("", "const s = document.querySelector('.offset'); s.value = 2; s.dispatchEvent(new Event('input'));")
    ):
        path = tmp_path / f"{number}.png"
        _, console = in_browser(page, tmp_path, script, screenshot=path)
        assert console == []
        pictures.append(np.asarray(Image.open(path).convert("RGB")))
    for offset, picture in zip((1, 2), pictures, strict=True):
        shown = np.array([20, offset * 60 + 20, 20])
        assert ((picture == shown).all(-1)).sum() > 200 * 100


def test_an_error_on_the_page_would_be_noticed(page, tmp_path):
    _, console = in_browser(page, tmp_path, "fetch('http://example.org/'); throw new Error('on purpose');")
    assert any("on purpose" in line for line in console)
    assert any("Content Security Policy" in line for line in console)
