"""What the scores of the probes say together: the best of them, and what a reader must know to read the tables."""

from collections.abc import Iterable, Sequence

import numpy as np

from simone_tf.evaluation.probes.probe_scores import ProbeRow

_UNKNOWABLE, _CLEARLY = 0.2, 0.2

# Of n clips an R^2 is off by chance by up to 0.8 / sqrt(n) (standard error): of 50 by 0.1. Decoders trained on fewer
# than 100 find little of what is there.
_TELLING_TRAIN_CLIPS, _TELLING_TEST_CLIPS = 100, 50


def best_score(
    rows: Iterable[ProbeRow], *, world: bool, target: str, inputs: Sequence[str], column: str = "r2_mean"
) -> float | None:
    """The largest R^2 of a target from one of the inputs, in world coordinates or a camera's; None for none."""
    scores = [
        row[column]
        for row in rows
        if row["target"] == target
        and row["input"] in inputs
        and (row.get("coordinates") == "world") == world
        and row.get(column) is not None
        and not np.isnan(row[column])
    ]
    return max(scores, default=None)


def findings(rows: Sequence[ProbeRow]) -> list[str]:
    """Sentences on what a reader must know to read the tables, from the rows of all probes."""
    sentences = []
    relative = [row["coordinates"] for row in rows if row.get("coordinates", "world") != "world"]
    world, chosen = (best_score(rows, world=world, target="location", inputs=("f_t",)) for world in (True, False))
    if relative and world is not None and chosen is not None:
        sentences.append(
            f"Poses and positions are given in the world's coordinates and in those of the {relative[0]}, of a clip's "
            "own cameras and their middle the one that suits the training clips best. "
            f"{_which_can_be_known(world, chosen, _too_few(rows, 'camera'))} The "
            f"camera's location from f_t has R² {_two_places(world)} in the world's, {_two_places(chosen)} in the "
            f"camera's{_baselines(rows)}."
        )
    for world in (True, False):
        latents = best_score(rows, world=world, target="position", inputs=("o_j,j!=k", "o_j(t),j!=k"))
        truth = best_score(rows, world=world, target="position", inputs=("p_j,j!=k",))
        if latents is not None and truth is not None and min(latents, truth) > _UNKNOWABLE:
            place = "the world's coordinates" if world else "a camera's coordinates"
            too_few = _too_few(rows, "trajectory")
            beyond = (
                f"{too_few} whether there is a leak."
                if too_few
                else "What they tell beyond that would be a leak, or is what another slot draws of the object's "
                "surroundings, as the background's may draw its shadow."
            )
            sentences.append(
                f"All other slots together tell an object's position in {place} with R² {latents:.2f}; the other "
                f"objects' true positions alone tell it with {truth:.2f}, as they do where objects stand close "
                f"together. {beyond}"
            )
    return sentences


def _too_few(rows: Sequence[ProbeRow], probe: str) -> str:
    """The beginning of a sentence where a probe had too few clips to conclude anything; empty where it had enough."""
    train, test = (
        max((row[f"num_{part}_clips"] for row in rows if row["probe"] == probe), default=0)
        for part in ("train", "test")
    )
    if train >= _TELLING_TRAIN_CLIPS and test >= _TELLING_TEST_CLIPS:
        return ""
    return (
        f"{train} clips to train on and {test} to test on are too few to tell (at least {_TELLING_TRAIN_CLIPS} and "
        f"{_TELLING_TEST_CLIPS})"
    )


def _two_places(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00")


def _which_can_be_known(world: float, chosen: float, too_few: str) -> str:
    """What the camera's R^2 in the world's coordinates and in a camera's say of the scenes."""
    if too_few:
        return f"{too_few} whether the world's can be known in these scenes."
    if world < _UNKNOWABLE and chosen > world + _CLEARLY:
        return (
            "The probes did not find the camera's place in the world's, but in the camera's: this is so where nothing "
            "in the scenes tells north, as turning the whole scene about the vertical, camera and all, then changes no "
            "pixel."
        )
    return "The world's can be known only where something in the scenes tells north."


def _baselines(rows: Sequence[ProbeRow]) -> str:
    """What the location is to be compared with: the frame's number, alone and with all object latents."""
    parts = []
    for name, inputs, column in (
        ("the frame number alone", ("f_t",), "r2_clock"),
        ("o_1..K and the frame number", ("o_1..K,t",), "r2_mean"),
    ):
        scores = [
            best_score(rows, world=world, target="location", inputs=inputs, column=column) for world in (True, False)
        ]
        known = [_two_places(score) for score in scores if score is not None]
        if len(known) == len(scores):
            parts.append(f"from {name} {' and '.join(known)}")
    return f" ({'; '.join(parts)})" if parts else ""
