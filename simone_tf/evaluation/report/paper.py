"""The rows of Tables 1 to 3 of the paper (Kabra et al., NeurIPS 2021), to stand beside what was measured.

Mean and standard deviation as printed there: over 5 seeds in Table 1, over 5 decoders in Tables 2 and 3 (CATER).
"""

from typing import NamedTuple


class Figure(NamedTuple):
    """A published number."""

    mean: float
    std: float


VIDEO_ARI_FOREGROUND: dict[str, Figure] = {
    "objects_room": Figure(0.936, 0.010),
    "cater": Figure(0.918, 0.036),
    "playroom": Figure(0.800, 0.043),
}
"""Table 1, the paper's own model, by the name of the gin file that reproduces it."""

OTHER_MODELS: dict[str, dict[str, Figure]] = {
    "objects_room": {
        "MONet": Figure(0.865, 0.007),
        "Slot Attention": Figure(0.066, 0.014),
        "S-IODINE": Figure(0.673, 0.002),
    },
    "cater": {"MONet": Figure(0.412, 0.012), "Slot Attention": Figure(0.073, 0.006), "S-IODINE": Figure(0.668, 0.033)},
    "playroom": {
        "MONet": Figure(0.442, 0.010),
        "Slot Attention": Figure(0.059, 0.002),
        "S-IODINE": Figure(0.356, 0.006),
    },
}
"""Table 1, video ARI-F of the other models. (The paper prints S-IODINE's spread on Objects Room 9 as "0.0.002".)"""

STATIC_ARI_FOREGROUND: dict[str, dict[str, Figure]] = {
    "objects_room": {
        "MONet": Figure(0.886, 0.061),
        "Slot Attention": Figure(0.784, 0.138),
        "S-IODINE": Figure(0.695, 0.007),
    },
    "cater": {"MONet": Figure(0.937, 0.004), "Slot Attention": Figure(0.923, 0.076), "S-IODINE": Figure(0.728, 0.032)},
    "playroom": {
        "MONet": Figure(0.647, 0.012),
        "Slot Attention": Figure(0.653, 0.024),
        "S-IODINE": Figure(0.439, 0.009),
    },
}
"""Table 1, ARI-F of single frames of the other models; the paper has none of its own."""

CAMERA: dict[str, dict[tuple[str, str], Figure]] = {
    "location": {
        ("linear", "f_t"): Figure(0.832, 0.0),
        ("mlp", "f_t"): Figure(0.949, 0.002),
        ("mlp", "o_1..K"): Figure(0.044, 0.026),
    },
    "orientation": {
        ("linear", "f_t"): Figure(0.800, 0.0),
        ("mlp", "f_t"): Figure(0.946, 0.002),
        ("mlp", "o_1..K"): Figure(0.292, 0.025),
    },
}
"""Table 2, test R^2 on CATER: target -> (regressor, input) -> value; names as in the rows of `probes`."""

TRAJECTORIES: dict[str, dict[str, Figure]] = {
    "all": {
        "o_k": Figure(0.710, 0.006),
        "o_k,t": Figure(0.871, 0.006),
        "o_k,f_t,t": Figure(0.876, 0.003),
        "o_j,j!=k": Figure(-0.062, 0.006),
    },
    "moving": {
        "o_k": Figure(0.724, 0.007),
        "o_k,t": Figure(0.894, 0.004),
        "o_k,f_t,t": Figure(0.898, 0.005),
        "o_j,j!=k": Figure(-0.022, 0.025),
    },
}
"""Table 3, test R^2 on CATER: objects trained on -> input -> value."""


PROBED = "cater"
"""The dataset of Tables 2 and 3."""


def paper_row(row: dict) -> Figure | None:
    """The paper's number for a row of `probes`, None where it has none."""
    if row["probe"] == "camera":
        return CAMERA.get(row["target"], {}).get((row["regressor"], row["input"]))
    if row["probe"] == "trajectory":
        return TRAJECTORIES.get(row["trained_on"], {}).get(row["input"])
    return None
