"""Tells whether clips have what a model is given, before anything is computed."""

import numpy as np

from simone_tf.data.formats.reader import ClipReader
from simone_tf.errors import UserError
from simone_tf.models.scene_model import SceneModel


def check_inputs(model: SceneModel, clips: ClipReader) -> None:
    """Looks whether clips have what a model is given besides video.

    Raises:
        UserError: they lack a field, have another number of values in it than the model takes, or such as it refuses.
    """
    where = f"{clips.data_dir} (split {clips.split!r})"
    for name, size in model.given.items():
        needed = f"The model ({type(model).__name__}) is given `{name}` with {size} numbers of each frame, "
        if name not in clips.fields:
            raise UserError(
                f"{needed}but {where} has no `{name}`: it has {', '.join(clips.fields)}; choose a dataset that has it."
            )
        first = clips.first_clip((name,))[name]
        found = first.shape[-1]
        if found != size:
            raise UserError(
                f"{needed}but in {where} it has {found}: choose a dataset whose `{name}` has {size}, or make the model "
                f"for {found}."
            )
        try:
            model.check_given({name: np.asarray(first)})
        except UserError as error:
            raise UserError(f"The first clip of {where}: {error}") from error
