"""What the tests of the report share: a summary to be shown, and a reader of the page."""

import html.parser
import shutil
import subprocess

import numpy as np
import pytest

from simone_tf.evaluation.report.traversals import Traversal

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
VOID = {"meta", "link", "img", "input", "br", "polyline"}


class Page(html.parser.HTMLParser):
    """Checks that elements nest, and collects text, cells and addresses."""

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.addresses, self.cells = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href", "action", "srcset")]
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "b"):
            self.cells.append("")

    def handle_startendtag(self, tag, attributes):
        assert tag in VOID

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if self.open and self.open[-1] in ("td", "b"):
            self.cells[-1] += data


def spread(mean):
    return {"mean": mean, "std": 0.01, "num": 7}


def row(probe, target, name, mean, **further):
    columns = {"regressor": "mlp", "coordinates": "world", "trained_on": None, "tested_on": None, "r2_mean": mean}
    columns |= {"r2_std": 0.002, "r2_shuffled_mean": -0.0004, "r2_clock": None}
    return {"probe": probe, "target": target, "input": name} | columns | further


def make_summary():
    scores = [
        f"{kind}_{score}{of}"
        for kind in ("video", "static")
        for score in ("ari", "miou", "mbo")
        for of in ("", "_foreground")
    ]
    run = {"run_dir": "runs/<b>bold", "checkpoint": "c", "step": 20000, "seed": 3, "dataset": "data", "split": "test"}
    run |= {"num_clips": 7, "frames": 4, "resolution": [24, 32], "num_slots": 5, "version": "1.2.3"}
    return {
        "run": run,
        "segmentation": {name: spread(0.1 + index / 37) for index, name in enumerate(scores)},
        "reconstruction": {"mse": spread(0.00123), "psnr": spread(27.654), "nats_per_pixel": spread(4.321)},
        "latents": {
            "object_kl": spread(12.345),
            "frame_kl": spread(6.789),
            "object_kl_per_dimension": [0.5, 2.25, 0.0],
            "frame_kl_per_dimension": [1.5, 0.25],
        },
        "not_computed": ["Something was <not> computed."],
        "notes": ["A note."],
        "probes": [
            row("camera", "location", "f_t", 0.777),
            row("camera", "location", "o_1..K", -0.111),
            row("camera", "location", "f_t", 0.888, coordinates="camera of frame 2", r2_clock=0.424),
            row("camera", "location", "o_1..K,t", 0.281, coordinates="camera of frame 2", r2_clock=0.424),
            row("camera", "orientation", "f_t", 0.855, coordinates="camera of frame 2", r2_clock=-0.0003),
            row("trajectory", "position", "o_k,t", 0.666, trained_on="all", tested_on="all"),
            row("trajectory", "position", "o_j,j!=k", None, trained_on="all", tested_on="all", r2_std=None),
            {
                **{"probe": "attribute", "target": "shape", "input": "o_k", "regressor": "linear", "score": "accuracy"},
                **{"score_mean": 0.555, "score_std": 0.0, "score_baseline": 0.4, "score_shuffled_mean": None},
                "num_test_rows": 99,
            },
        ],
    }


def make_traversal():
    frames = np.zeros((2, 3, 2, 4, 6, 3), np.uint8)
    for index in np.ndindex(2, 3, 2):
        frames[index] = np.array(index) * 60 + 20
    return Traversal(1, np.array([-2.0, 0.0, 2.0]), np.array([3, 0]), np.array([0.1, 0.0, 0.05, 0.4]), frames)


def in_browser(page, tmp_path, script="", size="1280,2000", screenshot=None):
    """Runs chromium on a copy of the page with a script at its end: (the page as it is then, what was logged)."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    copy = tmp_path / "copy.html"
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", f"<script>{script}</script></body>"))
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={size}", "--virtual-time-budget=2000"]
    command += ["--hide-scrollbars", f"--screenshot={screenshot}" if screenshot else "--dump-dom", copy.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
