"""GQN: the views of a scene summed up, and any other view drawn from the sum in steps (Eslami et al., 2018)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from simone_tf.checks import check_values, number, optional, whole
from simone_tf.errors import UserError
from simone_tf.models.clip_fields import Batch, as_batch
from simone_tf.models.gqn.annealed_scale import AnnealedScale
from simone_tf.models.gqn.conv_draw import ConvDraw, DrawnViews
from simone_tf.models.gqn.tower import Tower
from simone_tf.models.parts.broadcast_decoder import DecodedFrames, decode_frames
from simone_tf.models.parts.camera_vector import REFERENCE_SIZE, CameraVector
from simone_tf.models.parts.latents import Posterior, kl_between
from simone_tf.models.parts.likelihood import PixelMixture
from simone_tf.models.parts.objective import Geco, WithObjective
from simone_tf.models.scene_model import Decomposition, Latent, Rendering, SceneModel, rendering_of


class GQN(WithObjective, SceneModel):
    """The model and its loss for video `[B, T, H, W, 3]` with cameras; parts are injected. A scene is not divided.

    What is inferred of a scene is the sum of the representations of the frames that are seen, a point. A view has
    latents of its own, one map for each step in which it is drawn; a training step infers them from the view, and
    otherwise they are the means of their priors. So everything that is measured outside of a training step, of frames
    that were seen as well, is of views drawn by the prior.

    A training step draws `num_target_frames` views at random, as unseen as can be, and before them a random number of
    others, which are what is seen: a sum grows with its terms, and the model is to have met sums of all lengths.

    Args:
        tower: `Tower`, the representation of a frame.
        generator: `ConvDraw`.
        likelihood: `PixelMixture`; of one slot, so a Gaussian.
        camera: `CameraVector`, what the data's cameras are and what the network is given of them.
        min_context_frames, max_context_frames: how many frames a training step is shown, drawn anew in each; None for
            all.
        num_target_frames: frames that a training step draws.
        beta: weight of a view's KL beside the log-likelihood of all of its pixels; 1 is the ELBO, the paper's loss.
        objective: `Geco` in place of a weight that stays: it divides beta by its multiplier.
        annealing: `AnnealedScale`, the paper's schedule of the pixels' standard deviation; None for that of the
            likelihood from the start.

    Raises:
        UserError: a value is of a wrong kind or out of range, or there is an objective beside a schedule, under which
            the same log-likelihood means something else in every step.
    """

    num_slots = 1

    loss_terms: tuple[str, ...] = ("loss", "nats_per_pixel", "view_kl", "weighted_nats_per_pixel", "weighted_view_kl")

    def __init__(
        self,
        tower: Tower | None = None,
        generator: ConvDraw | None = None,
        likelihood: PixelMixture | None = None,
        camera: CameraVector | None = None,
        min_context_frames: int = 1,
        max_context_frames: int | None = None,
        num_target_frames: int = 1,
        beta: float = 1.0,
        objective: Geco | None = None,
        annealing: AnnealedScale | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        values = {
            "min_context_frames": min_context_frames,
            "max_context_frames": max_context_frames,
            "num_target_frames": num_target_frames,
            "beta": beta,
        }
        at_least_one = whole(1)
        checks = {
            "min_context_frames": at_least_one,
            "max_context_frames": optional(at_least_one),
            "num_target_frames": at_least_one,
            "beta": number(0),
        }
        check_values("GQN", values, checks)
        if objective is not None and annealing is not None:
            raise UserError("GQN has both an objective and an annealing: set one of them to None.")
        self.tower = tower or Tower(name="tower")
        self.generator = generator or ConvDraw(name="generator")
        self.likelihood = likelihood or PixelMixture()
        self.camera = camera or CameraVector()
        self.min_context_frames = min_context_frames
        self.max_context_frames = max_context_frames
        self.num_target_frames = num_target_frames
        self.beta = beta
        self.annealing = annealing
        if (self.camera.relative_to or 0) >= min_context_frames:
            raise UserError(
                f"CameraVector.relative_to is {self.camera.relative_to}, but a step of GQN may be shown "
                f"{min_context_frames} frames only: raise GQN.min_context_frames above it."
            )
        if annealing is not None:
            self.loss_terms = (*self.loss_terms[:3], "pixel_scale", *self.loss_terms[3:])
        self.pursue(objective)

    @property
    def given(self) -> dict[str, int]:
        """The camera of every frame, in the numbers of the data."""
        return {"camera": self.camera.given_size}

    @property
    def latents(self) -> dict[str, Latent]:
        """The representation of the scene, and the pose that viewpoints are relative to where they are."""
        latents = {"scene": Latent((), self.scene_size, is_point=True)}
        if self.camera.relative_to is not None:
            latents["reference"] = Latent((), REFERENCE_SIZE, is_point=True)
        return latents

    @property
    def scene_size(self) -> int:
        """S, numbers of a representation; known once the model is built."""
        return self.tower.size

    def check_given(self, given: Mapping[str, np.ndarray]) -> None:
        """Refuses numbers that are no cameras, see `CameraVector.check`."""
        self.camera.check(given["camera"])

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates every weight for `[B, T, H, W, 3]` video; T, H and W must be static.

        Raises:
            UserError: a step cannot be shown, or cannot draw, as many frames as there are, or they do not divide by 4.
        """
        num_frames, viewpoint = input_shape[1], (None, self.camera.size)
        self._most = self.max_context_frames or num_frames
        for argument, value, least in (
            ("max_context_frames", self._most, self.min_context_frames),
            ("num_target_frames", self.num_target_frames, 1),
        ):
            if not least <= value <= num_frames:
                raise UserError(
                    f"GQN.{argument} is {value}, but clips have {num_frames} frames: choose from {least} to as many as "
                    "there are."
                )
        self.tower.build((None, *input_shape[2:]), viewpoint)
        self.generator.build((None, *self.tower.map_size, self.tower.channels), viewpoint)
        if self.annealing is not None:
            self.annealing.build()
        self.build_objective()
        self.built = True

    def encode(self, batch: Batch) -> dict[str, Posterior]:
        """`scene [B, S]`, the sum over the frames, and `reference [B, 4]` where viewpoints are relative; points.

        Args:
            batch: `video [B, N, H, W, 3]` float32 in [0, 1] and `camera [B, N, C]`, any number of frames.
        """
        return self._encode(self.clips_of(batch), None)

    def losses(self, batch: Batch, noise_seed: tf.Tensor, shared_seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """The negative ELBO of a view over the number of its pixels, and its terms; float32 scalars.

        Args:
            batch: `video [B, T, H, W, 3]` float32 in [0, 1] and `camera [B, T, C]`.
            noise_seed: `[2]` int32 stateless seed of the latents' noise; differs between replicas.
            shared_seed: `[2]` int32 stateless seed of the choice of frames, the same of all clips and replicas.

        Returns:
            dict with `loss`; `nats_per_pixel` (log-likelihood of views that were seen by the posterior), `view_kl`
            (nats of a view, all steps together); the weighted terms that add up to the loss, `weighted_nats_per_pixel`
            (negated) and `weighted_view_kl` (beta / (H W) times). With an annealing also `pixel_scale`, with an
            objective `OBJECTIVE_TERMS`.
        """
        batch = as_batch(batch)
        video = batch["video"]
        num_frames, height, width = video.shape[1:4]
        order_seed, count_seed = tf.unstack(tf.random.split(shared_seed, 2))
        order = tf.argsort(tf.random.stateless_uniform([num_frames], order_seed))
        count = tf.random.stateless_uniform([], count_seed, self.min_context_frames, self._most + 1, tf.int32)
        # The shapes of a step stay: those that are not seen count nothing.
        is_seen = tf.cast(tf.range(self._most) < count, tf.float32)
        posteriors = self._encode(_at(batch, order[: self._most]), is_seen)
        targets = _at(batch, order[num_frames - self.num_target_frames :])
        images = tf.reshape(targets["video"], [-1, height, width, 3])
        drawn = self._drawn({name: p.mean for name, p in posteriors.items()}, targets["camera"], images, noise_seed)

        likelihood, terms = self.likelihood, {}
        if self.annealing is not None:
            terms["pixel_scale"] = self.annealing.scale(likelihood.pixel_scale)
            likelihood = PixelMixture(terms["pixel_scale"])
        pixels, rgb = (tf.reshape(value, [-1, height * width, 3]) for value in (images, drawn.rgb))
        nats_per_pixel = tf.reduce_mean(likelihood.log_prob(pixels, rgb[:, None], tf.zeros_like(rgb[:, None, :, 0])))
        divergences = [
            tf.reduce_sum(kl_between(posterior, prior), axis=[1, 2])
            for posterior, prior in zip(drawn.posteriors, drawn.priors, strict=True)
        ]
        view_kl = tf.reduce_mean(tf.add_n(divergences))
        weighted = {
            "weighted_nats_per_pixel": -nats_per_pixel,
            "weighted_view_kl": self.kl_scale * self.beta / (height * width) * view_kl,
        }
        return {
            "loss": tf.add_n(list(weighted.values())),
            "nats_per_pixel": nats_per_pixel,
            "view_kl": view_kl,
            **terms,
            **self.objective_terms(),
            **weighted,
        }

    def after_step(self, losses: Mapping[str, tf.Tensor]) -> None:
        """Moves the objective or the schedule on, see `SceneModel.after_step`."""
        super().after_step(losses)
        if self.annealing is not None:
            self.annealing.advance()

    def render(
        self,
        latents: Mapping[str, tf.Tensor],
        given: Mapping[str, tf.Tensor],
        frame_size: tuple[int, int],
        chunk_size: int | tf.Tensor | None = None,
    ) -> Rendering:
        """See `SceneModel.render`; the latents of a view are the means of their priors, frame by frame."""
        viewpoints = self.camera(given["camera"], latents.get("reference"))  # [B, M, Dv]
        size = self.scene_size
        scenes = _for_each_view(latents["scene"], viewpoints)

        def decode(views: tf.Tensor) -> DecodedFrames:
            rgb = self.generator(self.tower.as_map(views[:, :size]), views[:, size:]).rgb
            return DecodedFrames(rgb, tf.zeros_like(rgb[..., 0]))

        views = tf.concat([scenes, viewpoints], axis=-1)[:, None]  # [B, 1, M, S + Dv]
        decoded = decode_frames(decode, views, frame_size, chunk_size)
        return rendering_of(decoded.rgb, tf.ones_like(decoded.mask_logits))

    def log_prob(self, video: tf.Tensor, rendering: Rendering | Decomposition) -> tf.Tensor:
        """Log-likelihood in nats of every pixel, `[B, T, H, W]` float32, see `SceneModel.log_prob`."""
        return self.likelihood.log_prob_of_frames(video, rendering.slot_rgb, rendering.slot_masks)

    def _encode(self, batch: Mapping[str, tf.Tensor], weights: tf.Tensor | None) -> dict[str, Posterior]:
        """What is inferred of all frames, or of those that have a weight of 1 in `[N]`."""
        video, camera = batch["video"], batch["camera"]
        posteriors, reference = {}, None
        if self.camera.relative_to is not None:
            reference = self.camera.reference(camera)
            posteriors["reference"] = Posterior(reference, None)
        viewpoints = tf.reshape(self.camera(camera, reference), [-1, self.camera.size])
        found = self.tower(tf.reshape(video, [-1, *video.shape[2:]]), viewpoints)
        batch_size, num_frames = (video.shape[axis] or tf.shape(video)[axis] for axis in (0, 1))
        scenes = tf.reshape(found, [batch_size, num_frames, self.scene_size])
        if weights is not None:
            scenes *= weights[:, None]
        return {"scene": Posterior(tf.reduce_sum(scenes, axis=1), None), **posteriors}

    def _drawn(
        self, latents: Mapping[str, tf.Tensor], camera: tf.Tensor, images: tf.Tensor, seed: tf.Tensor
    ) -> DrawnViews:
        """Views `[B M, H, W, 3]` of cameras `[B, M, C]`, inferred from what they show."""
        viewpoints = self.camera(camera, latents.get("reference"))
        scenes = _for_each_view(latents["scene"], viewpoints)
        representation = self.tower.as_map(tf.reshape(scenes, [-1, self.scene_size]))
        return self.generator(representation, tf.reshape(viewpoints, [-1, self.camera.size]), images, seed)


def _at(batch: Mapping[str, tf.Tensor], frames: tf.Tensor) -> dict[str, tf.Tensor]:
    """Video and camera of some frames."""
    return {name: tf.gather(batch[name], frames, axis=1) for name in ("video", "camera")}


def _for_each_view(scene: tf.Tensor, viewpoints: tf.Tensor) -> tf.Tensor:
    """`[B, S]` for each of `[B, M, Dv]`: `[B, M, S]`."""
    batch_size, num_views = (viewpoints.shape[axis] or tf.shape(viewpoints)[axis] for axis in (0, 1))
    return tf.broadcast_to(scene[:, None], [batch_size, num_views, scene.shape[-1]])
