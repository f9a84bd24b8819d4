"""Toys and other small things of the playroom: composites in metres, facing +y."""

import numpy as np

from simone_tf.scenes.composite import Builder, Composite, shaded, solid
from simone_tf.scenes.scene import RGB, Part

BLACK, WHITE = (0.10, 0.10, 0.11), (0.94, 0.94, 0.92)
BEAK = (1.0, 0.55, 0.05)


def ball(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A ball of one colour."""
    return Composite((solid("sphere", (0.34, 0.34, 0.34), (0, 0, 0), main),))


def block(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A building block."""
    return Composite((solid("cube", (0.28, 0.28, 0.28), (0, 0, 0), main),))


def tower(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """Three building blocks on each other, set at an angle."""
    return Composite(
        (
            solid("cube", (0.26, 0.26, 0.20), (0, 0, 0), main),
            solid("cube", (0.20, 0.20, 0.16), (0, 0, 0.20), second, yaw=rng.uniform(0, 1.5)),
            solid("cone", (0.18, 0.18, 0.16), (0, 0, 0.36), main),
        )
    )


def rings(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """Rings of falling size on a rod."""
    return Composite(
        (
            solid("cylinder", (0.06, 0.06, 0.34), (0, 0, 0), second),
            solid("disc", (0.36, 0.36, 0.13), (0, 0, 0), main),
            solid("disc", (0.30, 0.30, 0.12), (0, 0, 0.10), second),
            solid("disc", (0.23, 0.23, 0.11), (0, 0, 0.19), main),
            solid("sphere", (0.12, 0.12, 0.12), (0, 0, 0.29), second),
        )
    )


def train(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A steam engine with boiler, cab and chimney."""
    return Composite(
        (
            solid("cube", (0.22, 0.52, 0.09), (0, 0, 0.06), shaded(second, 0.6)),
            solid("sphere", (0.20, 0.46, 0.20), (0, 0.06, 0.13), main),
            solid("cube", (0.22, 0.20, 0.27), (0, -0.15, 0.15), second),
            solid("cylinder", (0.08, 0.08, 0.16), (0, 0.16, 0.28), second),
            *_wheels(0.22, 0.34, 0.15),
        )
    )


def car(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A car with a roof of another colour."""
    return Composite(
        (
            solid("cube", (0.26, 0.52, 0.13), (0, 0, 0.06), main),
            solid("cube", (0.22, 0.27, 0.12), (0, -0.04, 0.19), second),
            *_wheels(0.26, 0.34, 0.15),
        )
    )


def bus(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A tall vehicle with a band of windows."""
    return Composite(
        (
            solid("cube", (0.24, 0.58, 0.26), (0, 0, 0.06), main),
            solid("cube", (0.25, 0.50, 0.10), (0, 0.01, 0.18), second),
            *_wheels(0.24, 0.38, 0.14),
        )
    )


def duck(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A rubber duck."""
    return Composite(
        (
            solid("sphere", (0.30, 0.42, 0.24), (0, 0, 0), main),
            solid("sphere", (0.20, 0.20, 0.20), (0, 0.12, 0.18), main),
            solid("sphere", (0.10, 0.13, 0.05), (0, 0.23, 0.25), BEAK),
            solid("sphere", (0.18, 0.14, 0.14), (0, -0.16, 0.12), second),
        )
    )


def robot(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A box-shaped robot with arms, legs and one wide eye."""
    return Composite(
        (
            solid("cube", (0.08, 0.12, 0.14), (-0.07, 0, 0), second),
            solid("cube", (0.08, 0.12, 0.14), (0.07, 0, 0), second),
            solid("cube", (0.26, 0.17, 0.22), (0, 0, 0.14), main),
            solid("cube", (0.06, 0.08, 0.20), (-0.16, 0, 0.15), second),
            solid("cube", (0.06, 0.08, 0.20), (0.16, 0, 0.15), second),
            solid("cube", (0.18, 0.15, 0.14), (0, 0, 0.36), second),
            solid("cube", (0.13, 0.02, 0.05), (0, 0.08, 0.41), BLACK),
        )
    )


def rocket(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A rocket on its fins."""
    return Composite(
        (
            solid("cylinder", (0.18, 0.18, 0.34), (0, 0, 0.06), main),
            solid("cone", (0.18, 0.18, 0.18), (0, 0, 0.40), second),
            solid("cube", (0.36, 0.03, 0.18), (0, 0, 0), second),
            solid("cube", (0.03, 0.36, 0.18), (0, 0, 0), second),
        )
    )


def teddy(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A sitting bear with a light snout."""
    return Composite(
        (
            solid("sphere", (0.26, 0.22, 0.28), (0, 0, 0), main),
            solid("sphere", (0.22, 0.20, 0.20), (0, 0.01, 0.24), main),
            solid("sphere", (0.09, 0.05, 0.09), (-0.09, 0, 0.39), main),
            solid("sphere", (0.09, 0.05, 0.09), (0.09, 0, 0.39), main),
            solid("sphere", (0.11, 0.10, 0.09), (0, 0.10, 0.27), WHITE),
            solid("sphere", (0.11, 0.24, 0.11), (-0.11, 0.12, 0), second),
            solid("sphere", (0.11, 0.24, 0.11), (0.11, 0.12, 0), second),
        )
    )


def cushion(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A flat round cushion with a button."""
    return Composite(
        (
            solid("disc", (0.46, 0.46, 0.18), (0, 0, 0), main),
            solid("disc", (0.16, 0.16, 0.06), (0, 0, 0.14), second),
        )
    )


def hairdryer(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A hairdryer that stands on its handle."""
    return Composite(
        (
            solid("cylinder", (0.10, 0.10, 0.22), (0, -0.05, 0), second),
            solid("sphere", (0.22, 0.32, 0.22), (0, 0, 0.18), main),
            solid("cube", (0.11, 0.14, 0.11), (0, 0.19, 0.235), second),
        )
    )


def plane(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """An aeroplane with wings of another colour."""
    return Composite(
        (
            solid("sphere", (0.15, 0.54, 0.16), (0, 0, 0), main),
            solid("cube", (0.56, 0.14, 0.03), (0, 0.05, 0.07), second),
            solid("cube", (0.24, 0.08, 0.03), (0, -0.22, 0.08), second),
            solid("cube", (0.03, 0.10, 0.16), (0, -0.21, 0.10), second),
        )
    )


def boat(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A sailing boat."""
    return Composite(
        (
            solid("sphere", (0.24, 0.50, 0.20), (0, 0, 0), main),
            solid("cylinder", (0.03, 0.03, 0.38), (0, 0.03, 0.14), shaded(main, 0.5)),
            solid("cube", (0.02, 0.24, 0.26), (0, -0.08, 0.24), second),
        )
    )


def drum(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A drum with two rims."""
    return Composite(
        (
            solid("cylinder", (0.34, 0.34, 0.24), (0, 0, 0.02), main),
            solid("cylinder", (0.38, 0.38, 0.06), (0, 0, 0), second),
            solid("cylinder", (0.38, 0.38, 0.06), (0, 0, 0.20), second),
            solid("cylinder", (0.32, 0.32, 0.02), (0, 0, 0.255), WHITE),
        )
    )


def mug(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A mug with a handle and a drink."""
    return Composite(
        (
            solid("cylinder", (0.24, 0.24, 0.28), (0, 0, 0), main),
            solid("cylinder", (0.19, 0.19, 0.01), (0, 0, 0.28), second),
            solid("cube", (0.10, 0.04, 0.16), (0.15, 0, 0.06), main),
        )
    )


def bucket(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A bucket filled to the rim."""
    return Composite(
        (
            solid("cylinder", (0.30, 0.30, 0.30), (0, 0, 0), main),
            solid("cylinder", (0.35, 0.35, 0.05), (0, 0, 0.26), shaded(main, 0.7)),
            solid("disc", (0.28, 0.28, 0.12), (0, 0, 0.26), second),
        )
    )


def traffic_cone(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A cone on a square foot."""
    return Composite(
        (
            solid("cube", (0.32, 0.32, 0.04), (0, 0, 0), second),
            solid("cone", (0.26, 0.26, 0.42), (0, 0, 0.04), main),
        )
    )


def books(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A pile of two books."""
    return Composite(
        (
            solid("cube", (0.34, 0.26, 0.09), (0, 0, 0), main),
            solid("cube", (0.28, 0.21, 0.07), (0, 0, 0.09), second, yaw=rng.uniform(-0.3, 0.3)),
        )
    )


def _wheels(track: float, base: float, diameter: float) -> tuple[Part, ...]:
    places = ((-track / 2, -base / 2), (-track / 2, base / 2), (track / 2, -base / 2), (track / 2, base / 2))
    return tuple(solid("sphere", (0.07, diameter, diameter), (*place, 0), BLACK) for place in places)


TOYS: dict[str, Builder] = {
    builder.__name__: builder
    for builder in (
        ball,
        block,
        tower,
        rings,
        train,
        car,
        bus,
        duck,
        robot,
        rocket,
        teddy,
        cushion,
        hairdryer,
        plane,
        boat,
        drum,
        mug,
        bucket,
        traffic_cone,
        books,
    )
}
