"""A camera carried through a furnished room by an agent with a random policy.

As in the Playroom set of the paper (section 4), whose clips come from "an arbitrary agent policy, so the agent
is not always moving": the agent picks an action, keeps it for a few frames, and picks the next one.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from simone_tf.scenes.camera import CameraPath
from simone_tf.scenes.preset import Range

START_TRIES = 200


@dataclasses.dataclass(frozen=True)
class Walker:
    """How an agent moves; a frame is its unit of time. A pair is a range of a uniform draw, per action unless said.

    Lengths are in world units, angles in degrees.
    """

    # Height of the camera above the floor, per clip.
    eye_height: Range
    # Least distance of the camera from walls and from what stands on the floor, measured along the floor.
    body_radius: float
    # Frames that an action lasts.
    action_frames: tuple[int, int]
    # Share of the actions in which the agent stands still.
    standing_share: float
    # Way per frame of a walk.
    walk_speed: Range
    # Turn per frame, either way.
    turn_speed: Range
    # Change of pitch per frame of a look up or down.
    look_speed: Range
    # Limits of the pitch, positive upwards; the first one is drawn from this range, too.
    pitch: Range

    def walk(
        self,
        frames: int,
        clearance: Callable[[np.ndarray], float],
        start: Callable[[], np.ndarray],
        rng: np.random.Generator,
    ) -> CameraPath | None:
        """Draws the way of the camera.

        Args:
          frames: its number of moments.
          clearance: distance of a point `[2]` of the floor from the nearest wall or thing.
          start: draws a point `[2]` to start at.
          rng: source of all random numbers, that of `start`, too.

        Returns:
          The path, or None when no start was free.
        """
        place = next((p for p in (start() for _ in range(START_TRIES)) if clearance(p) >= self.body_radius), None)
        if place is None:
            return None
        height, yaw = rng.uniform(*self.eye_height), rng.uniform(0, 2 * math.pi)
        lowest, highest = np.radians(self.pitch)
        pitch = rng.uniform(lowest, highest)
        places, yaws, pitches = [], [], []
        left, action = 0, _Action()
        for _ in range(frames):
            places.append([*place, height])
            yaws.append(yaw)
            pitches.append(pitch)
            if not left:
                left, action = int(rng.integers(self.action_frames[0], self.action_frames[1] + 1)), self._draw(rng)
            left -= 1
            yaw += action.turn
            pitch = min(max(pitch + action.look, lowest), highest)
            target = place + action.speed * np.array([math.cos(yaw), math.sin(yaw)])
            # A speed is far below the body's diameter, so nothing fits between two free places.
            if clearance(target) >= self.body_radius:
                place = target
            elif action.speed:
                # Bumped into something: turn away, and walk on where it is free.
                turn = math.radians(self.turn_speed[1])
                action = dataclasses.replace(action, turn=math.copysign(turn, action.turn or rng.uniform(-1, 1)))
        return CameraPath(np.array(places), np.array(yaws), np.array(pitches))

    def _draw(self, rng: np.random.Generator) -> "_Action":
        if rng.random() < self.standing_share:
            return _Action()
        turn = math.radians(rng.uniform(*self.turn_speed)) * rng.choice([-1, 1])
        look = math.radians(rng.uniform(*self.look_speed)) * rng.choice([-1, 1])
        speed = rng.uniform(*self.walk_speed)
        kinds = (
            _Action(speed=speed),
            _Action(speed=speed, turn=turn / 2),
            _Action(turn=turn),
            _Action(look=look),
            _Action(turn=turn, look=look / 2),
        )
        return kinds[rng.choice(len(kinds), p=(0.3, 0.25, 0.25, 0.1, 0.1))]


@dataclasses.dataclass(frozen=True)
class _Action:
    """Per frame: way forward, and turn and change of pitch in radians."""

    speed: float = 0.0
    turn: float = 0.0
    look: float = 0.0


def in_view(path: CameraPath, points: np.ndarray, field_of_view: float) -> np.ndarray:
    """Which of some points `[N, 3]` lie within the borders of the square picture at each moment, `[T, N] bool`."""
    offset = points - path.position[:, None]  # [T, N, 3]
    forward = path.directions()
    right = np.stack([np.sin(path.yaw), -np.cos(path.yaw), np.zeros_like(path.yaw)], axis=1)
    up = np.cross(right, forward)
    depth, across, above = (np.einsum("tnc,tc->tn", offset, axis) for axis in (forward, right, up))
    limit = depth * math.tan(math.radians(field_of_view) / 2)
    return (depth > 0) & (np.abs(across) < limit) & (np.abs(above) < limit)
