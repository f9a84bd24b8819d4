"""Writing an export: the SavedModel, its description and its warm-up requests, as one folder or not at all."""

import os

import numpy as np
import tensorflow as tf

import simone_tf
from simone_tf.errors import UserError, first_line
from simone_tf.files import file_sums, write_text
from simone_tf.models.scene_model import SceneModel
from simone_tf.one_writer import replacing_held
from simone_tf.serving import CHUNK_SIZE, serving_json, warmup
from simone_tf.serving.input_checks import CHECKED, UNCHECKED
from simone_tf.serving.saved_model import GRAPH, model_files
from simone_tf.serving.served_model import ServedModel
from simone_tf.serving.signatures import DEFAULT, signature_table
from simone_tf.serving.sizes import Sizes

# All that is ever in the folder.
_NAMES = {GRAPH, "variables", "assets", "assets.extra", "fingerprint.pb", serving_json.FILE}


def write_export(export_dir: str, model: SceneModel, sizes: Sizes, origin: dict, chunk_size: int = CHUNK_SIZE) -> None:
    """Writes a model as a SavedModel that needs TensorFlow only, in the place of an earlier export if there is one.

    Args:
        export_dir: the folder to be; the last part of its name is the version number for TensorFlow Serving.
        model: built, and holds the weights.
        sizes: its `Sizes`.
        origin: where the model comes from, put into `serving.json` as it is (config, metrics, training data, step).
        chunk_size: queries of all clips of a request together that are decoded at a time; bounds the memory.

    Raises:
        UserError: the folder holds something else than an export, or cannot be written; the model's weights are not
            all finite.
    """
    check_replaceable(export_dir)
    for variable in model.variables:
        if not np.isfinite(variable.numpy()).all():
            raise UserError(
                f"The model's weights are not all finite ({variable.path}), its training has diverged: nothing was "
                "exported; train again with a smaller learning rate, or take the best checkpoint."
            )
    table = signature_table(sizes)
    served = ServedModel(model, sizes, chunk_size)
    try:
        with replacing_held(export_dir, f"--export_dir={export_dir} is being written", "name another folder") as folder:
            tf.saved_model.save(served, folder, signatures=served.signatures())
            path = os.path.join(folder, *warmup.FILE.split("/"))
            os.makedirs(os.path.dirname(path))
            warmup.write_warmup_requests(path, table)
            description = {
                **serving_json.describe_sizes(sizes),
                "version": simone_tf.__version__,
                "tensorflow_version": tf.version.VERSION,
                "chunk_size": chunk_size,
                "serving_default": DEFAULT,
                "checked": CHECKED,
                "unchecked": UNCHECKED,
                "signatures": serving_json.describe_signatures(table),
                **origin,
                "files": file_sums(folder, model_files(folder)),
            }
            write_text(os.path.join(folder, serving_json.FILE), serving_json.to_text(description))
            # Again, for the folder may have been filled meanwhile.
            check_replaceable(export_dir)
    except (tf.errors.OpError, OSError) as error:
        raise UserError(
            f"--export_dir={export_dir} cannot be written ({first_line(error)}); free space or choose another folder."
        ) from error


def check_replaceable(export_dir: str) -> None:
    """Makes sure that nothing but an earlier export would be lost.

    Raises:
        UserError: there is a file of that name, or a folder that is not an export, or one with other files in it.
    """
    if not os.path.lexists(export_dir):
        return
    if not os.path.isdir(export_dir):
        raise UserError(f"--export_dir={export_dir} is a file: name a folder that is new, or an earlier export.")
    try:
        names = set(os.listdir(export_dir))
    except OSError as error:
        raise UserError(
            f"--export_dir={export_dir} cannot be read ({first_line(error)}); choose another folder."
        ) from error
    if not names:
        return
    versions = sorted(int(name) for name in names if name.isdecimal())
    if versions and serving_json.FILE not in names:
        raise UserError(
            f"--export_dir={export_dir} holds versions of a model: name the folder of one version in it, such as "
            f"{os.path.join(export_dir, str(versions[-1] + 1))}."
        )
    if not serving_json.is_export(export_dir):
        raise UserError(
            f"--export_dir={export_dir} holds files that are not an export of simone_tf; name a new folder, such as "
            f"{os.path.join(export_dir, '1')}."
        )
    others = sorted(names - _NAMES)
    if others:
        raise UserError(
            f"--export_dir={export_dir} holds {others[0]}, which is no part of an export and would be lost: move it "
            "away, or name a new folder."
        )
