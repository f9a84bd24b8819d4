"""Pictures of held-out clips taken apart and recomposed, for TensorBoard and for the run folder."""

import os

from simone_tf.errors import UserError, first_line
from simone_tf.pictures import figures
from simone_tf.pictures.colours import arrange_slots
from simone_tf.pictures.image_files import save_gif, save_png


class Pictures:
    """Draws the first held-out clips.

    Args:
        held_out: `HeldOut` of the model.
        count: number of clips.
    """

    def __init__(self, held_out, count):
        self._held_out = held_out
        self._count = count

    def draw(self, summaries, step):
        """Writes every clip's animated decomposition and recomposition to TensorBoard."""
        for index, parts in enumerate(self._held_out.first_clips(self._count)):
            for name, frames in animations(*parts).items():
                summaries.image(step, f"{name}/clip_{index}", frames)

    def save(self, folder):
        """Writes PNG sheets and GIF animations of every clip into `folder`.

        Raises:
            UserError: if a picture cannot be written.
        """
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"Cannot make the folder {folder}: {first_line(error)}; free or choose another place."
            ) from error
        for index, parts in enumerate(self._held_out.first_clips(self._count)):
            for name, sheet in sheets(*parts).items():
                save_png(os.path.join(folder, f"{name}_{index}.png"), sheet)
            for name, frames in animations(*parts).items():
                save_gif(os.path.join(folder, f"{name}_{index}.gif"), frames)


def _decomposition_arguments(clip, decomposition):
    arguments = {
        "video": clip["video"],
        "reconstruction": decomposition.reconstruction,
        "segmentation": decomposition.segments,
        "slot_rgb": decomposition.slot_rgb,
        "slot_masks": decomposition.slot_masks,
        "segments": clip.get("segments"),
    }
    return arguments | {"slots": arrange_slots(decomposition.slot_masks, decomposition.segments, clip.get("segments"))}


def _recomposition_arguments(clip, decomposition, next_clip, recomposition):
    return {
        "video_a": clip["video"],
        "video_b": next_clip["video"],
        "reconstruction": decomposition.reconstruction,
        "segmentation": decomposition.segments,
        "recomposed": recomposition.reconstruction,
        "recomposed_segmentation": recomposition.segments,
        "num_slots": len(decomposition.slot_masks),
        "segments": clip.get("segments"),
    }


def sheets(clip, decomposition, next_clip, recomposition):
    # An image's parts side by side: below one another they would be a column of many times its width.
    is_image = len(clip["video"]) == 1
    return {
        "decomposition": figures.decomposition_figure(
            **_decomposition_arguments(clip, decomposition), frames_down=is_image
        ),
        "recomposition": figures.recomposition_figure(
            **_recomposition_arguments(clip, decomposition, next_clip, recomposition), frames_down=is_image
        ),
    }


def animations(clip, decomposition, next_clip, recomposition):
    return {
        "decomposition": figures.decomposition_frames(**_decomposition_arguments(clip, decomposition)),
        "recomposition": figures.recomposition_frames(
            **_recomposition_arguments(clip, decomposition, next_clip, recomposition)
        ),
    }
