"""NeRF-VAE: one latent for a scene, which a radiance field is conditioned on (Kosiorek et al., 2021)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from simone_tf.checks import Check, check_values, number, optional, whole
from simone_tf.errors import UserError
from simone_tf.models.clip_fields import Batch, as_batch
from simone_tf.models.nerf_vae.pinhole_camera import PinholeCamera, Rays, pixel_centres
from simone_tf.models.nerf_vae.radiance_field import RadianceField
from simone_tf.models.nerf_vae.ray_encoder import RayEncoder
from simone_tf.models.nerf_vae.volume_rendering import composited, interval_edges, resampled, span_inside, stratified
from simone_tf.models.parts.chunked_decoding import decode_in_chunks
from simone_tf.models.parts.decoder import Decoded
from simone_tf.models.parts.latents import Posterior, kl_to_prior
from simone_tf.models.parts.likelihood import PixelMixture
from simone_tf.models.parts.objective import Geco, WithObjective
from simone_tf.models.parts.queries import Query, RandomQueries, StridedQueries, full_query, query_at
from simone_tf.models.scene_model import Decomposition, Latent, Rendering, SceneModel, rendering_of


class NeRFVAE(WithObjective, SceneModel):
    """The model and its loss for video `[B, T, H, W, 3]` with cameras; parts are injected. A scene is not divided.

    A pixel is the colour that comes along its ray through the field (volume rendering, Mildenhall et al., 2020): points
    drawn evenly inside of the bounds say where something is, points drawn there say what. One field serves both, and
    only the picture of all points together is compared with the truth; NeRF has a second field, and a loss, for the
    first points. What is left of a ray where it leaves the bounds has the colour of its last point: a room has walls
    there.

    A training step infers the scene from some of the frames, drawn at random, and sends rays through pixels of all.

    Args:
        encoder: `RayEncoder`.
        field: `RadianceField`.
        likelihood: `PixelMixture`; of one slot, so a Gaussian.
        queries: whose rays a training step sends, pixels of all frames: `RandomQueries` or `StridedQueries`.
        camera: `PinholeCamera`, what the data's cameras are.
        bounds: ((x, y, z), (x, y, z)), the lowest and the highest corner of the box in which something can be, in the
            units of the cameras' positions. Outside of it nothing is looked for.
        coarse_points, fine_points: points of a ray that are drawn evenly, and where the former found something (NeRF:
            64 and 128).
        num_context_frames: frames that a training step encodes, the same number in every step; None for all.
        beta: weight of the scene's KL beside the log-likelihood of all pixels of a clip; 1 is the ELBO.
        objective: `Geco` in place of a weight that stays: it divides beta by its multiplier.

    Raises:
        UserError: a value is of a wrong kind or out of range.
    """

    num_slots = 1

    loss_terms: tuple[str, ...] = (
        "loss",
        "nats_per_pixel",
        "scene_kl",
        "weighted_nats_per_pixel",
        "weighted_scene_kl",
    )

    def __init__(
        self,
        encoder: RayEncoder | None = None,
        field: RadianceField | None = None,
        likelihood: PixelMixture | None = None,
        queries: RandomQueries | StridedQueries | None = None,
        camera: PinholeCamera | None = None,
        bounds: tuple[tuple[float, ...], tuple[float, ...]] = ((-4.0, -4.0, 0.0), (4.0, 4.0, 2.8)),
        coarse_points: int = 64,
        fine_points: int = 128,
        num_context_frames: int | None = None,
        beta: float = 1.0,
        objective: Geco | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        values = {
            "bounds": bounds,
            "coarse_points": coarse_points,
            "fine_points": fine_points,
            "num_context_frames": num_context_frames,
            "beta": beta,
        }
        checks = {
            "bounds": Check("two corners of three numbers each, the second beyond the first in all", _is_box),
            "coarse_points": whole(2),
            "fine_points": whole(0),
            "num_context_frames": optional(whole(1)),
            "beta": number(0),
        }
        check_values("NeRFVAE", values, checks)
        self.encoder = encoder or RayEncoder(name="encoder")
        self.field = field or RadianceField(name="field")
        self.likelihood = likelihood or PixelMixture()
        self.queries = queries or RandomQueries()
        self.camera = camera or PinholeCamera()
        self.bounds = tuple(map(tuple, bounds))
        self.coarse_points = coarse_points
        self.fine_points = fine_points
        self.num_context_frames = num_context_frames
        self.beta = beta
        self.pursue(objective)

    @property
    def given(self) -> dict[str, int]:
        """The camera of every frame, in the numbers of the data."""
        return {"camera": self.camera.given_size}

    @property
    def latents(self) -> dict[str, Latent]:
        """One latent of the scene as a whole."""
        return {"scene": Latent((), self.encoder.head.latent_size)}

    def check_given(self, given: Mapping[str, np.ndarray]) -> None:
        """Refuses numbers that are no cameras, see `PinholeCamera.check`."""
        self.camera.check(given["camera"])

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates every weight for `[B, T, H, W, 3]` video; T, H and W must be static.

        Raises:
            UserError: there are fewer frames than `num_context_frames`.
        """
        num_frames = input_shape[1]
        if (self.num_context_frames or 1) > num_frames:
            raise UserError(
                f"NeRFVAE.num_context_frames is {self.num_context_frames}, but clips have {num_frames} frames: encode "
                "at most as many as there are."
            )
        self.encoder.build((None, *input_shape[2:]))
        self.field.build((None, self.encoder.head.latent_size))
        self.build_objective()
        self.built = True

    def encode(self, batch: Batch) -> dict[str, Posterior]:
        """The posterior `scene [B, D]` of any number of frames.

        Args:
            batch: `video [B, N, H, W, 3]` float32 in [0, 1] and `camera [B, N, C]`.
        """
        batch = self.clips_of(batch)
        video, frame_size = batch["video"], batch["video"].shape[2:4]
        rays = self.camera.rays(batch["camera"][:, :, None], tf.constant(pixel_centres(frame_size)), frame_size)
        origins, directions = (
            tf.reshape(part, tf.shape(video)) for part in (self._placed(rays.origins), rays.directions)
        )
        return {"scene": self.encoder(video, origins, directions)}

    def losses(self, batch: Batch, noise_seed: tf.Tensor, shared_seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """The negative ELBO of a clip over the number of its pixels, and its terms; float32 scalars.

        The likelihood is the mean over the pixels whose rays are sent, so that fewer leave its expectation unchanged.

        Args:
            batch: `video [B, T, H, W, 3]` float32 in [0, 1] and `camera [B, T, C]`.
            noise_seed: `[2]` int32 stateless seed of the noise of latents and of points; differs between replicas.
            shared_seed: `[2]` int32 stateless seed of the choice of frames and pixels, the same on all replicas.

        Returns:
            dict with `loss`; `nats_per_pixel` (log-likelihood), `scene_kl` (nats of a scene); the weighted terms that
            add up to the loss, `weighted_nats_per_pixel` (negated) and `weighted_scene_kl` (beta / (T H W) times). With
            an objective also `OBJECTIVE_TERMS`.
        """
        batch = as_batch(batch)
        video = batch["video"]
        num_frames, height, width = video.shape[1:4]
        posterior = self.encode(self._context_of(batch, shared_seed))["scene"]
        latent_seed, coarse_seed, fine_seed = tf.unstack(tf.random.split(noise_seed, 3))
        noise = tf.random.stateless_normal(tf.shape(posterior.mean), latent_seed)
        latents = posterior.mean + tf.exp(posterior.log_scale) * noise

        indices = self.queries.sample(num_frames, height, width, shared_seed)
        pixels = tf.gather(tf.reshape(video, [-1, num_frames * height * width, 3]), indices, axis=1)  # [B, P, 3]
        rays = self._rays(query_at(indices, height, width), batch["camera"], (height, width))
        rgb = self._seen(latents, rays, (coarse_seed, fine_seed))
        nats_per_pixel = tf.reduce_mean(self.likelihood.log_prob(pixels, *_one_slot(rgb)))
        scene_kl = tf.reduce_mean(kl_to_prior(posterior))
        weighted = {
            "weighted_nats_per_pixel": -nats_per_pixel,
            "weighted_scene_kl": self.kl_scale * self.beta / (num_frames * height * width) * scene_kl,
        }
        return {
            "loss": tf.add_n(list(weighted.values())),
            "nats_per_pixel": nats_per_pixel,
            "scene_kl": scene_kl,
            **self.objective_terms(),
            **weighted,
        }

    def render(
        self,
        latents: Mapping[str, tf.Tensor],
        given: Mapping[str, tf.Tensor],
        frame_size: tuple[int, int],
        chunk_size: int | tf.Tensor | None = None,
    ) -> Rendering:
        """See `SceneModel.render`; at any frame size, of the same field of view. No noise says where points lie."""
        camera, scenes = given["camera"], latents["scene"]
        num_frames = camera.shape[1] or tf.shape(camera)[1]

        def decode(query: Query) -> Decoded:
            return _one_slot(self._seen(scenes, self._rays(query, camera, frame_size), None))

        query = full_query(num_frames, *frame_size)
        decoded = (
            decode(query) if chunk_size is None else decode_in_chunks(decode, query, chunk_size, (scenes.shape[0], 1))
        )
        slot_rgb = tf.reshape(decoded.rgb_means, [-1, 1, num_frames, *frame_size, 3])
        return rendering_of(slot_rgb, tf.ones_like(slot_rgb[..., 0]))

    def log_prob(self, video: tf.Tensor, rendering: Rendering | Decomposition) -> tf.Tensor:
        """Log-likelihood in nats of every pixel, `[B, T, H, W]` float32, see `SceneModel.log_prob`."""
        return self.likelihood.log_prob_of_frames(video, rendering.slot_rgb, rendering.slot_masks)

    def _context_of(self, batch: Mapping[str, tf.Tensor], seed: tf.Tensor) -> Mapping[str, tf.Tensor]:
        """`num_context_frames` of the frames, drawn at random, the same of all clips."""
        if self.num_context_frames is None:
            return batch
        draws = tf.random.stateless_uniform([batch["video"].shape[1]], tf.random.fold_in(seed, 1))
        chosen = tf.argsort(draws)[: self.num_context_frames]
        return {name: tf.gather(batch[name], chosen, axis=1) for name in self.inputs}

    def _rays(self, query: Query, camera: tf.Tensor, frame_size: tuple[int, int]) -> Rays:
        """`[B, P, 3]`, through the pixels of a query, of cameras `[B, T, C]`."""
        # A query's coordinates go from the centre of the first pixel to that of the last.
        last = tf.constant([frame_size[0] - 1.0, frame_size[1] - 1.0])
        places = 0.5 + 0.5 * (query.coordinates + 1.0) * last  # A single row or column lies at 0, its middle.
        return self.camera.rays(tf.gather(camera, query.frames[0], axis=1), places, frame_size)

    def _seen(self, latents: tf.Tensor, rays: Rays, seeds: tuple[tf.Tensor, tf.Tensor] | None) -> tf.Tensor:
        """Colours `[B, P, 3]` along rays, of scenes `[B, D]`; without seeds the points of a ray lie evenly."""
        near, far = span_inside(*rays, *self.bounds)
        count = tf.shape(rays.directions)[:2]

        def noise(number: int, points: int) -> tf.Tensor | None:
            return None if seeds is None else tf.random.stateless_uniform([*tf.unstack(count), points], seeds[number])

        distances = stratified(near, far, self.coarse_points, noise(0, self.coarse_points))
        edges = interval_edges(distances, near, far)
        densities, rgb = self._field_at(latents, rays, distances)
        if self.fine_points:
            weights = composited(densities, rgb, edges / self._unit).weights
            fine = resampled(edges, weights, self.fine_points, noise(1, self.fine_points))
            fine_densities, fine_rgb = self._field_at(latents, rays, fine)
            distances = tf.concat([distances, fine], axis=-1)
            order = tf.argsort(distances, axis=-1)
            distances, densities, rgb = (
                tf.gather(values, order, batch_dims=2)
                for values in (
                    distances,
                    tf.concat([densities, fine_densities], axis=-1),
                    tf.concat([rgb, fine_rgb], axis=-2),
                )
            )
            edges = interval_edges(distances, near, far)
        seen = composited(densities, rgb, edges / self._unit)
        return seen.rgb + seen.passed[..., None] * rgb[..., -1, :]

    def _field_at(self, latents: tf.Tensor, rays: Rays, distances: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Densities `[B, P, S]` and colours `[B, P, S, 3]` at distances `[B, P, S]` along rays."""
        points = rays.origins[:, :, None] + distances[..., None] * rays.directions[:, :, None]
        return self.field(self._placed(points), rays.directions, latents)

    @property
    def _unit(self) -> float:
        """Half of the longest side of the bounds, by which places become about [-1, 1] without a change of angles."""
        low, high = np.array(self.bounds, np.float64)
        return float((high - low).max() / 2.0)

    def _placed(self, points: tf.Tensor) -> tf.Tensor:
        """Points of the world in the bounds' own coordinates, with their middle at 0."""
        middle = np.mean(np.array(self.bounds, np.float64), axis=0).astype(np.float32)
        return (points - middle) / self._unit


def _one_slot(rgb: tf.Tensor) -> Decoded:
    """Colours `[B, P, 3]` as those of the only slot there is."""
    return Decoded(rgb[:, None], tf.zeros_like(rgb[:, None, :, 0]))


def _is_box(value: Any) -> bool:
    if not isinstance(value, tuple | list) or len(value) != 2:
        return False
    if not all(isinstance(corner, tuple | list) and len(corner) == 3 for corner in value):
        return False
    numbers = all(number(-float("inf")).holds(side) for corner in value for side in corner)
    return numbers and all(low < high for low, high in zip(*value, strict=True))
