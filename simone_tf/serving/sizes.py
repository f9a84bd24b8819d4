"""The numbers that the tensors of an exported model are shaped by, and what follows from them."""

from typing import NamedTuple

from simone_tf.models.scene_model import DecodesQueries, Latent, SceneModel, object_latents, viewpoint_latents


class Sizes(NamedTuple):
    """What a model is given and infers, in numbers."""

    num_frames: int  # T
    frame_size: tuple[int, int]  # (H, W) in pixels
    num_slots: int  # K
    latents: dict[str, Latent]  # by name
    given: dict[str, int]  # fields besides video -> C, numbers of each frame
    decodes_queries: bool  # whether single pixels can be decoded

    @property
    def viewpoint_latents(self) -> tuple[str, ...]:
        """Names of the latents that describe a frame whatever is in it."""
        return viewpoint_latents(self.latents)

    @property
    def object_latents(self) -> tuple[str, ...]:
        """Names of the latents of which every slot has its own."""
        return object_latents(self.latents)

    @property
    def recomposes(self) -> bool:
        """Whether the viewpoint is apart from the scene, so that it can be another clip's."""
        return bool(self.viewpoint_latents or self.given)

    @property
    def renders_views(self) -> bool:
        """Whether a scene can be drawn from viewpoints that it was not seen from, see `SceneModel.renders_views`."""
        return bool(self.given) and not any("frame" in latent.axes for latent in self.latents.values())

    @property
    def latent_shapes(self) -> dict[str, tuple[int, ...]]:
        """By name, the shape `[*axes, D]` of one clip's latents."""
        counts = {"slot": self.num_slots, "frame": self.num_frames}
        return {name: (*(counts[axis] for axis in latent.axes), latent.size) for name, latent in self.latents.items()}

    @property
    def given_shapes(self) -> dict[str, tuple[int, int]]:
        """By name, the shape `[T, C]` of what the model is given besides one clip's video."""
        return {name: (self.num_frames, size) for name, size in self.given.items()}


def sizes_of(model: SceneModel, num_frames: int, frame_size: tuple[int, int]) -> Sizes:
    """The sizes of a built model that was trained on windows of `num_frames` frames of `frame_size`."""
    height, width = frame_size
    return Sizes(
        num_frames,
        (height, width),
        model.num_slots,
        dict(model.latents),
        dict(model.given),
        isinstance(model, DecodesQueries),
    )
