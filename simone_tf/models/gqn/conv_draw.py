"""GQN's generator: a view drawn in several steps, each with latents and a prior of its own (Eslami et al., 2018)."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from simone_tf.checks import check_values, one_of, sizes, whole
from simone_tf.models.gqn.conv_lstm import ConvLSTMCell
from simone_tf.models.gqn.tower import SHRINKS_BY, laid_over
from simone_tf.models.parts.convolutions import convolution
from simone_tf.models.parts.latents import Posterior, clip_with_way_back
from simone_tf.models.parts.recomputation import Recomputable

_LOG_SCALE_RANGE = (-8.0, 3.0)


class DrawnViews(NamedTuple):
    """Views, and what their latents were drawn from, step by step."""

    rgb: tf.Tensor  # [N, H, W, 3] float32, mean colours
    priors: tuple[Posterior, ...]  # of each step, [N, H / 4, W / 4, Z] float32
    posteriors: tuple[Posterior, ...]  # the same of views that were seen; none of those that were not


class _State(NamedTuple):
    """What goes from step to step."""

    hidden: tf.Tensor  # of the generator, [N, H / 4, W / 4, D]
    cell: tf.Tensor
    seen_hidden: tf.Tensor  # of the inference
    seen_cell: tf.Tensor
    canvas: tf.Tensor  # [N, H, W, U]


class DrawCore(Recomputable):
    """The networks of one step, see `ConvDraw`."""

    def __init__(
        self,
        hidden_channels: int,
        latent_channels: int,
        canvas_channels: int,
        kernel_size: int,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, autocast=False)  # What goes from step to step stays float32.
        self.latent_channels = latent_channels
        self.canvas_channels = canvas_channels
        self.generator = ConvLSTMCell(hidden_channels, kernel_size, name="generator")
        self.prior = convolution(2 * latent_channels, kernel_size, "prior")
        self.paint = keras.layers.Conv2DTranspose(
            canvas_channels,
            SHRINKS_BY,
            strides=SHRINKS_BY,
            padding="same",
            data_format="channels_last",
            name="paint",
        )
        self.look = convolution(hidden_channels, SHRINKS_BY, "look", strides=SHRINKS_BY)
        self.inference = ConvLSTMCell(hidden_channels, kernel_size, name="inference")
        self.posterior = convolution(2 * latent_channels, kernel_size, "posterior")

    def build(self, scene_shape: tuple[Any, ...]) -> None:
        """Creates the weights for `(None, rows, columns, C)` of representation and viewpoint together."""
        rows, columns, given = scene_shape[1:]
        hidden = self.generator.channels
        self.generator.build((None, rows, columns, given + self.latent_channels))
        self.prior.build((None, rows, columns, hidden))
        self.paint.build((None, rows, columns, hidden))
        frame = (None, SHRINKS_BY * rows, SHRINKS_BY * columns)
        self.look.build((*frame, 3 + self.canvas_channels))
        self.inference.build((None, rows, columns, given + 2 * hidden))
        self.posterior.build((None, rows, columns, hidden))

    def call(
        self, state: _State, scene: tf.Tensor, images: tf.Tensor | None, noise: tf.Tensor | None
    ) -> tuple[_State, Posterior, Posterior | None]:
        """One step: the state after it, and the Gaussians of its latents."""
        if self.recomputation is None:
            return self._stepped(state, scene, images, noise)
        given = [scene, *(value for value in (images, noise) if value is not None)]

        def call(*values: tf.Tensor) -> tuple[_State, Posterior, Posterior | None]:
            held, (scene, *others) = _State(*values[:size]), values[size:]
            seen = others.pop(0) if images is not None else None
            return self._stepped(held, scene, seen, others.pop() if others else None)

        size = len(state)
        found = self.recomputation.at_once(call, *state, *given)
        prior, *posterior = (Posterior(*found[place : place + 2]) for place in range(size, len(found), 2))
        return _State(*found[:size]), prior, posterior[0] if posterior else None

    def _stepped(
        self, state: _State, scene: tf.Tensor, images: tf.Tensor | None, noise: tf.Tensor | None
    ) -> tuple[_State, Posterior, Posterior | None]:
        # What the latents are drawn from at generation, so before they have entered the state.
        prior = _gaussian(self.prior(tf.cast(state.hidden, self.compute_dtype)))
        seen, drawn_from = state, prior
        if images is not None:
            look = self.look(tf.cast(tf.concat([images, state.canvas], axis=-1), self.compute_dtype))
            inputs = tf.concat([tf.cast(state.hidden, look.dtype), look, tf.cast(scene, look.dtype)], axis=-1)
            hidden, cell = self.inference(inputs, state.seen_hidden, state.seen_cell)
            seen = state._replace(seen_hidden=hidden, seen_cell=cell)
            drawn_from = _gaussian(self.posterior(tf.cast(hidden, self.compute_dtype)))
        latents = drawn_from.mean
        if noise is not None:
            latents += tf.exp(drawn_from.log_scale) * noise
        hidden, cell = self.generator(tf.concat([tf.cast(scene, tf.float32), latents], -1), state.hidden, state.cell)
        painted = self.paint(tf.cast(hidden, self.compute_dtype))
        canvas = state.canvas + tf.cast(painted, tf.float32)
        after = seen._replace(hidden=hidden, cell=cell, canvas=canvas)
        return after, prior, None if images is None else drawn_from


class ConvDraw(keras.layers.Layer):
    """Draws views of a scene from any viewpoints (paper, supplement: the generation and inference architecture).

    In each of L steps the generator's state says what the latents may be (the prior), takes them in together with the
    representation and the viewpoint, and adds to a canvas, of which the last layer reads off the colours. Where the
    view itself is known, a second LSTM looks at it beside the canvas so far and says what the latents are (the
    posterior).

    Args:
        num_steps: L (paper: 12).
        hidden_channels: of both LSTMs (public code: 64 to 256).
        latent_channels: Z, of each step's latents (public code: 3 to 64).
        canvas_channels: U (public code: 128 to 256).
        kernel_size: of the LSTMs, priors and posteriors (paper: 5).
        shares_cores: whether all steps have the same weights; without it each has its own, which the paper found
            better, and L times as many.
        coordinates: whether each step is also told where on the map a place is (row and column in [-1, 1]; not in the
            paper). A pose, and a representation that is pooled, are the same at every place, and without it only the
            map's edges tell places apart.
        scene_layers: units of each layer of an MLP on every place of the map, which makes of representation and
            viewpoint, and of the place's coordinates if there are any, what the steps are given; () for none, as in the
            paper. Where something is seen takes products of where it is and of where one looks, for which the few
            gates between a place and its pixels leave little room.

    Raises:
        UserError: a value is of a wrong kind or out of range.
    """

    def __init__(
        self,
        num_steps: int = 12,
        hidden_channels: int = 128,
        latent_channels: int = 3,
        canvas_channels: int = 128,
        kernel_size: int = 5,
        shares_cores: bool = False,
        coordinates: bool = False,
        scene_layers: tuple[int, ...] = (),
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, autocast=False)
        counts = {
            "num_steps": num_steps,
            "hidden_channels": hidden_channels,
            "latent_channels": latent_channels,
            "canvas_channels": canvas_channels,
            "kernel_size": kernel_size,
        }
        check_values("ConvDraw", counts, {argument: whole(1) for argument in counts})
        switches = {"shares_cores": shares_cores, "coordinates": coordinates}
        check_values("ConvDraw", switches, dict.fromkeys(switches, one_of(False, True)))
        check_values("ConvDraw", {"scene_layers": scene_layers}, {"scene_layers": sizes("layer", may_be_empty=True)})
        self.num_steps = num_steps
        self.hidden_channels = hidden_channels
        self.latent_channels = latent_channels
        self.canvas_channels = canvas_channels
        self.coordinates = coordinates
        self.scene_layers = tuple(
            keras.layers.Dense(units, activation="relu", name=f"scene_{index}")
            for index, units in enumerate(scene_layers)
        )
        of_core = (hidden_channels, latent_channels, canvas_channels, kernel_size)
        count = 1 if shares_cores else num_steps
        self.cores = tuple(DrawCore(*of_core, name=f"core_{index}") for index in range(count))
        self.colours = convolution(3, 1, "colours")

    def build(self, representation_shape: tuple[Any, ...], viewpoint_shape: tuple[Any, ...]) -> None:
        """Creates the weights for representations `(None, H / 4, W / 4, C)` and viewpoints `(None, Dv)`."""
        rows, columns, channels = representation_shape[1:]
        self.map_size = rows, columns
        shape = (None, rows, columns, channels + viewpoint_shape[-1] + (2 if self.coordinates else 0))
        for layer in self.scene_layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        for core in self.cores:
            core.build(shape)
        self.colours.build((None, SHRINKS_BY * rows, SHRINKS_BY * columns, self.canvas_channels))

    def call(
        self,
        representation: tf.Tensor,
        viewpoints: tf.Tensor,
        images: tf.Tensor | None = None,
        seed: tf.Tensor | None = None,
    ) -> DrawnViews:
        """Draws views.

        Args:
            representation: `[N, H / 4, W / 4, C]` float32, of the scene of each view.
            viewpoints: `[N, Dv]` float32.
            images: `[N, H, W, 3]` float32 in [0, 1], the views themselves, from which the latents are then inferred;
                None for views that nobody saw, whose latents come from the priors.
            seed: `[2]` int32 stateless seed of the latents' noise; None for their means.
        """
        rows, columns = self.map_size
        count = tf.shape(representation)[0]
        pose = laid_over(viewpoints, self.map_size, self.coordinates)
        scene = tf.concat([tf.cast(representation, tf.float32), pose], axis=-1)
        for layer in self.scene_layers:
            scene = layer(tf.cast(scene, self.compute_dtype))
        images = None if images is None else tf.cast(images, tf.float32)
        nothing = tf.zeros([count, rows, columns, self.hidden_channels])
        canvas = tf.zeros([count, SHRINKS_BY * rows, SHRINKS_BY * columns, self.canvas_channels])
        state = _State(nothing, nothing, nothing, nothing, canvas)
        priors: list[Posterior] = []
        posteriors: list[Posterior] = []
        for step in range(self.num_steps):
            noise = None
            if seed is not None:
                shape = [count, rows, columns, self.latent_channels]
                noise = tf.random.stateless_normal(shape, tf.random.fold_in(seed, step))
            state, prior, posterior = self.cores[step % len(self.cores)](state, scene, images, noise)
            priors.append(prior)
            posteriors += [] if posterior is None else [posterior]
        rgb = tf.cast(self.colours(tf.cast(state.canvas, self.compute_dtype)), tf.float32)
        return DrawnViews(rgb, tuple(priors), tuple(posteriors))


def _gaussian(parameters: tf.Tensor) -> Posterior:
    mean, log_scale = tf.split(tf.cast(parameters, tf.float32), 2, axis=-1)
    return Posterior(mean, clip_with_way_back(log_scale, *_LOG_SCALE_RANGE))
