"""The training step of a run as StableHLO, for devices without TensorFlow, and its state on the way back.

step.mlir      a module of one function: (inputs..., state...) -> (measures, state...)
state.npz      the variables of the step by name: weights, optimizer, averaged weights, step number
manifest.json  order, shapes and types of arguments and results, sums of the other files
config.gin     every binding of the run

Shapes are static and the module names no platform. Its noise and its choice of pixels are a function of the run's seed,
a constant in it, and of the step number, which is part of the state.
"""

import math
import os
import re
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from simone_tf.config import gin_files
from simone_tf.errors import UserError, first_line
from simone_tf.files import file_sums, read_json, write_json, write_text
from simone_tf.npz import save_npz
from simone_tf.one_writer import replacing_held
from simone_tf.runs.settings import RunSettings
from simone_tf.runs.weights import named_variables
from simone_tf.training.step import TrainingStep

MODULE, STATE, MANIFEST = "step.mlir", "state.npz", "manifest.json"
FORMAT, FORMAT_VERSION = "simone_tf lowered step", 1

_MAX_MANIFEST_BYTES = 2**24
_NOT_IN_GRAPH = "input_wait_seconds"


def write_lowered_step(folder: str, training_step: TrainingStep, settings: RunSettings) -> None:
    """Lowers a step and writes it, with its state as it is now, into a new folder.

    Args:
        folder: the folder to be.
        training_step: built `TrainingStep` of one replica.
        settings: `RunSettings` of the configuration that is in use.

    Raises:
        UserError: the folder is there and holds something else, it cannot be written, or the step cannot be lowered.
    """
    if os.path.isdir(folder) and os.listdir(folder) and not os.path.isfile(os.path.join(folder, MANIFEST)):
        raise UserError(f"--out={folder} holds files that are no lowered step: name a new folder.")
    shapes = input_shapes(training_step, settings)
    text, order = lowered(training_step, shapes)
    state = state_variables(training_step)
    try:
        with replacing_held(folder, f"--out={folder} is being written", "name another folder") as unfinished:
            write_text(os.path.join(unfinished, MODULE), text)
            save_npz(os.path.join(unfinished, STATE), {name: state[name].numpy() for name in order})
            gin_files.write_operative_config(unfinished)
            manifest = {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "step": int(training_step.step.numpy()),
                "seed": training_step.seed,
                "inputs": [
                    {"name": name, "shape": list(shape), "dtype": input_dtype(name)} for name, shape in shapes.items()
                ],
                "state": order,
                "measures": list(measure_names(training_step)),
                "files": file_sums(unfinished, (MODULE, STATE, gin_files.CONFIG_FILE)),
            }
            write_json(os.path.join(unfinished, MANIFEST), manifest)
    except OSError as error:
        raise UserError(f"--out={folder} cannot be written ({first_line(error)}): choose another folder.") from error


def lowered(training_step: TrainingStep, shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, list[str]]:
    """The StableHLO text of a step and the names of its state in the order of arguments and results.

    Raises:
        UserError: an operation of the step has no form in StableHLO, or a variable is only read.
    """
    run = step_function(training_step, shapes)
    names = {id(variable.handle): name for name, variable in state_variables(training_step).items()}
    specs = [tf.TensorSpec(shape, input_dtype(name)) for name, shape in shapes.items()]
    try:
        order = [names[id(tensor)] for tensor in run.get_concrete_function().captured_inputs]
        text = run.experimental_get_compiler_ir(*specs)(stage="stablehlo")
    except KeyError:
        raise UserError("The step reads a tensor that is no part of its state, so that it cannot be lowered.") from None
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise UserError(f"The step cannot be lowered to StableHLO: {first_line(error)}.") from error
    head = text.split("\n  func", 1)[0]
    aliases = re.findall(r"parameter_number = (\d+) : i64}, output_index = array<i64: (\d+)>", head)
    first = len(shapes)
    if aliases != [(str(first + index), str(1 + index)) for index in range(len(order))]:
        raise UserError("The step has variables that it reads and does not change: it cannot be lowered.")
    return _pure(text), order


def step_function(training_step: TrainingStep, shapes: Mapping[str, tuple[int, ...]]):
    """One step as one XLA-compiled `tf.function` of the inputs (video as uint8) that gives `measure_names` `[M]`."""
    names = measure_names(training_step)

    @tf.function(
        jit_compile=True,
        input_signature=[tf.TensorSpec(shape, input_dtype(name)) for name, shape in shapes.items()],
        autograph=False,
    )
    def run(*values):
        batch = dict(zip(shapes, values, strict=True))
        batch["video"] = tf.cast(batch["video"], tf.float32) * (1.0 / 255.0)
        measured = training_step.take(batch)
        return tf.stack([measured[name] for name in names])

    return run


def measure_names(training_step: TrainingStep) -> tuple[str, ...]:
    """What a lowered step tells, in its order."""
    return tuple(name for name in training_step.metrics if name != _NOT_IN_GRAPH)


def input_shapes(training_step: TrainingStep, settings: RunSettings) -> dict[str, tuple[int, ...]]:
    """The model's inputs, and the shape of each for all clips of a step."""
    leading = (settings.batch_size, settings.num_frames)
    given = training_step.model.given
    return {
        name: (*leading, *settings.frame_size, 3) if name == "video" else (*leading, given[name])
        for name in training_step.model.inputs
    }


def state_variables(training_step: TrainingStep) -> dict[str, tf.Variable]:
    """Everything that a step reads and changes, by names that follow the model's attributes."""
    weights = named_variables(training_step.model)
    name_of = {id(variable): name for name, variable in weights.items()}
    found = {f"weights/{name}": variable.value for name, variable in weights.items()}
    # In the optimizer's own order, which is the same for the same settings.
    for index, variable in enumerate(training_step.optimizer.variables):
        found[f"optimizer/{index:04d}"] = variable.value
    average = training_step.average
    if average is not None:
        found["average/updates"] = average.updates
        for shadow, variable in zip(average.averages, training_step.model.trainable_variables, strict=True):
            found[f"average/{name_of[id(variable)]}"] = shadow
    scale = training_step.loss_scale
    if scale is not None:
        found |= {"loss_scale/factor": scale.factor, "loss_scale/good_steps": scale.good_steps}
    return found | {"step": training_step.step}


def assign_state(path: str, training_step: TrainingStep) -> None:
    """Gives a step the state that a file holds.

    Raises:
        UserError: the file is missing or damaged, or its names, shapes or types are not those of the step; the step is
            left as it was.
    """
    variables = state_variables(training_step)
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
        lacking = sorted(set(variables) ^ set(sizes))
        if lacking:
            raise ValueError(f"{lacking[0]} is in one of file and step only")
        for name, variable in variables.items():
            expected = math.prod(variable.shape) * variable.dtype.size
            if not expected <= sizes[name] <= expected + 2**12:
                raise ValueError(f"{name} has {sizes[name]} bytes, {expected} are wanted")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in variables}
        for name, variable in variables.items():
            if arrays[name].shape != tuple(variable.shape) or arrays[name].dtype != variable.dtype.as_numpy_dtype:
                raise ValueError(f"{name} is {arrays[name].dtype} {list(arrays[name].shape)}")
            if not np.isfinite(arrays[name]).all():
                raise ValueError(f"{name} holds numbers that are not finite: the training has diverged")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise UserError(
            f"{path} is not the state of this step ({first_line(error)}): name the file and the run that "
            "belong together."
        ) from error
    for name, variable in variables.items():
        variable.assign(arrays[name])


def read_manifest(folder: str) -> dict:
    """The manifest of a lowered step, its config compared with the sum in it.

    Raises:
        UserError: the folder holds no lowered step, or a damaged one.
    """
    path = os.path.join(folder, MANIFEST)
    try:
        manifest = read_json(path, _MAX_MANIFEST_BYTES)
        if manifest.get("format") != FORMAT or manifest.get("format_version") != FORMAT_VERSION:
            raise ValueError(f'its "format" is not "{FORMAT}" of version {FORMAT_VERSION}')
        stated = manifest["files"][gin_files.CONFIG_FILE]
        if stated != file_sums(folder, (gin_files.CONFIG_FILE,))[gin_files.CONFIG_FILE]:
            raise ValueError(f"{gin_files.CONFIG_FILE} is not the file that was written with it")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not that of a lowered step ({first_line(error)}): lower the step again.") from error
    return manifest


def input_dtype(name: str) -> str:
    """The type in which a lowered step is given an input."""
    return "uint8" if name == "video" else "float32"


def _pure(text: str) -> str:
    """StableHLO alone: without the copies that TensorFlow puts on changed variables, and XLA's notes on the module."""
    text = re.sub(r"mhlo\.copy (%\S+) : (tensor<\S+>)", r"stablehlo.reshape \1 : (\2) -> \2", text)
    return re.sub(r"^module @\S+ attributes \{.*\} \{$", "module @simone_step {", text, count=1, flags=re.MULTILINE)
