"""Trains with a lowered step on whatever device JAX finds; needs jax and NumPy, neither TensorFlow nor simone_tf.

    python tools/run_lowered_step.py lowered/quickstart --clips=clips.npz --steps=20000 --out=lowered/trained

The clips lie in the device's memory and batches are drawn there: every clip once per epoch, with a random window of
the step's length, mirrored, recoloured or reversed where the flags say so. <out>/state.npz and <out>/measures.npz are
written every --save_seconds and at the end, and at Ctrl-C; the same command goes on from them. tools/import_state.py
makes a run folder of them. --random_clips measures speed without data.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import pathlib
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jaxlib.mlir.dialects import stablehlo

# Counters and the step number are 64 bits wide.
jax.config.update("jax_enable_x64", True)

MODULE, STATE, MANIFEST, MEASURES = "step.mlir", "state.npz", "manifest.json", "measures.npz"


class LoweredStep:
    """What `tools/lower_step.py` wrote.

    Attributes:
        manifest: the content of manifest.json.
        state: first value of every variable by name, in the order of the step's arguments.
    """

    def __init__(self, folder: pathlib.Path):
        """Reads a folder; ValueError where a file is not the one that was written."""
        self.manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        for name, sums in self.manifest["files"].items():
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != sums["sha256"]:
                raise ValueError(f"{folder / name} is not the file that {MANIFEST} describes: copy the folder again.")
        self.state = read_state(folder / STATE, self.manifest["state"])
        self._text = (folder / MODULE).read_text(encoding="utf-8")

    def function(self):
        """JAX's view of the module: (inputs..., state...) -> (measures, state...)."""
        state = [{"shape": value.shape, "dtype": value.dtype} for value in self.state.values()]
        return jax_function(self._text, self.manifest["inputs"], state, len(self.manifest["measures"]))


def jax_function(text: str, inputs: list[dict], state: list[dict], num_measures: int):
    """A lowered step as a function of JAX: (inputs..., state...) -> (measures, state...).

    Args:
        text: the module, StableHLO.
        inputs, state: shape and dtype of each argument.
        num_measures: M, measures that it tells, `[M]` float32.
    """

    # JAX has no public way to wrap a module that was made elsewhere: it is put into the export of a function of
    # the same signature.
    def same_signature(*values):
        return (jnp.zeros(num_measures, jnp.float32), *values[len(inputs) :])

    arguments = [jax.ShapeDtypeStruct(one["shape"], one["dtype"]) for one in (*inputs, *state)]
    exported = export.export(
        jax.jit(same_signature, keep_unused=True),
        platforms=["cpu"],
        disabled_checks=[export.DisabledSafetyCheck.platform()],
    )(*arguments)
    module = stablehlo.serialize_portable_artifact_str(text, stablehlo.get_minimum_version())
    return dataclasses.replace(exported, fun_name="simone_step", mlir_module_serialized=module).call


def read_state(path: pathlib.Path, names: list[str]) -> dict[str, np.ndarray]:
    """The arrays of these names."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in names}


class Batches:
    """Draws batches of clips that lie on the device.

    Args:
        clips: input name -> array `[N, T', ...]` of at least as many frames and clips as a batch has.
        inputs: the manifest's inputs.
        seed: of all choices.
        choices: whether clips are taken in their order, mirrored, recoloured, reversed; by name.
    """

    def __init__(self, clips, inputs, seed, **choices):
        self.clips = clips
        self.shapes = {one["name"]: one["shape"] for one in inputs}
        self.size, self.frames = inputs[0]["shape"][:2]
        self.count, self.stored_frames = clips[inputs[0]["name"]].shape[:2]
        self.key = jax.random.key(seed)
        self.choices = choices

    def at(self, clips, step):
        """The batch of a step, a function of seed and step; `clips` are handed in, so that they are no constants."""
        per_epoch = self.count // self.size
        epoch, place = step // per_epoch, step % per_epoch
        order = jnp.arange(self.count)
        start = jnp.zeros(self.size, jnp.int64)
        keys = jax.random.split(jax.random.fold_in(self.key, step), 5)
        if not self.choices["in_order"]:
            order = jax.random.permutation(jax.random.fold_in(jax.random.fold_in(self.key, 2**31 - 1), epoch), order)
            start = jax.random.randint(keys[0], [self.size], 0, self.stored_frames - self.frames + 1)
        chosen = jax.lax.dynamic_slice(order, [place * self.size], [self.size])
        times = start[:, None] + jnp.arange(self.frames)
        batch = {name: values[chosen[:, None], times] for name, values in clips.items()}
        video = batch["video"]
        if self.choices["mirror"]:
            video = _for_half(keys[1], video, video[:, :, :, ::-1])
        if self.choices["reverse_time"]:
            video = _for_half(keys[2], video, video[:, ::-1])
        if self.choices["permute_colours"]:
            channels = jax.vmap(lambda key: jax.random.permutation(key, 3))(jax.random.split(keys[3], self.size))
            video = jnp.take_along_axis(video, channels[:, None, None, None, :], axis=-1)
        return [(batch | {"video": video})[name] for name in self.shapes]


def _for_half(key, one, other):
    coins = jax.random.bernoulli(key, 0.5, one.shape[:1])
    return jnp.where(coins[:, None, None, None, None], other, one)


def steps_in_one_call(function, batches: Batches, count: int, num_measures: int):
    """`count` steps as one function, compiled: (clips, first step, state) -> (measures `[count, M]`, state)."""

    def run(clips, first, state):
        def body(index, carried):
            rows, state = carried
            measures, *state = function(*batches.at(clips, first + index), *state)
            return rows.at[index].set(measures), tuple(state)

        return jax.lax.fori_loop(0, count, body, (jnp.zeros([count, num_measures], jnp.float32), state))

    return jax.jit(run, donate_argnums=2)


def read_clips(path: str, inputs: list[dict]) -> dict[str, np.ndarray]:
    """The arrays of a file of clips; ValueError where one does not fit an input."""
    with np.load(path, allow_pickle=False) as file:
        clips = {one["name"]: file[one["name"]] for one in inputs}
    for one in inputs:
        values, (size, frames, *rest) = clips[one["name"]], one["shape"]
        if str(values.dtype) != one["dtype"] or list(values.shape[2:]) != rest or values.shape[1] < frames:
            raise ValueError(
                f"{path}: {one['name']} is {values.dtype} {list(values.shape)}, wanted is {one['dtype']} "
                f"[N, {frames} or more, {', '.join(map(str, rest))}]."
            )
        if len(values) < size:
            raise ValueError(f"{path} has {len(values)} clips, a batch has {size}: give more.")
    return clips


def save(out: pathlib.Path, names, state, measures, rows) -> None:
    """Writes state and measures, each in one piece."""
    out.mkdir(parents=True, exist_ok=True)
    for path, arrays in (
        (out / STATE, dict(zip(names, map(np.asarray, state), strict=True))),
        (out / MEASURES, {"names": np.array(measures), "values": np.concatenate(rows)}),
    ):
        with open(f"{path}.new", "wb") as file:
            np.savez(file, **arrays)
        os.replace(f"{path}.new", path)


def train(folder: pathlib.Path, out: pathlib.Path, flags) -> None:
    """Trains from the folder's state, or that of `out`, to step `flags.steps`."""
    lowered = LoweredStep(folder)
    manifest, inputs = lowered.manifest, lowered.manifest["inputs"]
    names, measures = manifest["state"], manifest["measures"]
    rows = [np.zeros([0, len(measures)], np.float32)]
    if (out / STATE).exists():
        lowered.state = read_state(out / STATE, names)
        with np.load(out / MEASURES, allow_pickle=False) as file:
            rows = [file["values"]]
    if flags.random_clips:
        rng = np.random.default_rng(flags.seed)
        clips = {one["name"]: rng.integers(0, 256, one["shape"]).astype(one["dtype"]) for one in inputs}
    else:
        clips = read_clips(flags.clips, inputs)
    batches = Batches(
        clips,
        inputs,
        flags.seed,
        in_order=flags.in_order,
        mirror=flags.mirror,
        reverse_time=flags.reverse_time,
        permute_colours=flags.permute_colours,
    )
    step = int(lowered.state["step"])
    per_call = min(flags.steps_per_call, max(1, flags.steps - step))
    run = steps_in_one_call(lowered.function(), batches, per_call, len(measures))
    clips, state = jax.device_put(clips), tuple(jax.device_put(list(lowered.state.values())))
    print(f"jax {jax.__version__} on {jax.devices()[0].device_kind}, from step {step} on", flush=True)
    begin = saved = time.monotonic()
    first = step
    try:
        while step < flags.steps:
            if flags.steps - step < per_call:
                per_call = flags.steps - step
                run = steps_in_one_call(lowered.function(), batches, per_call, len(measures))
            values, state = run(clips, jnp.asarray(step, jnp.int64), state)
            rows.append(np.asarray(values))
            step += per_call
            if not np.isfinite(rows[-1]).all():
                sys.exit(f"Before step {step} a measure is not finite: nothing was saved of it; lower the rate.")
            now = time.monotonic()
            print(f"step {step}/{flags.steps}  {measures[0]} {rows[-1][-1, 0]:.4f}  {now - begin:.1f} s", flush=True)
            if now - saved > flags.save_seconds:
                save(out, names, state, measures, rows)
                saved = now
    except KeyboardInterrupt:
        print(f"Interrupted at step {step}; the same command goes on from there.", file=sys.stderr)
        save(out, names, state, measures, rows)
        sys.exit(130)
    save(out, names, state, measures, rows)
    if step > first:
        seconds = (time.monotonic() - begin) / (step - first)
        print(f"{step - first} steps, {1000 * seconds:.2f} ms each with compiling; {out / STATE}", flush=True)


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="what tools/lower_step.py wrote")
    parser.add_argument("--clips", help="npz file: for each input of the step an array [N, T or more, ...]")
    parser.add_argument("--random_clips", action="store_true", help="noise in place of clips, to measure speed")
    parser.add_argument("--steps", type=int, required=True, help="step at which the training ends")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for state and measures")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of clips")
    parser.add_argument("--in_order", action="store_true", help="clips in their order, from their first frame on")
    parser.add_argument("--mirror", action="store_true", help="half of the clips left to right")
    parser.add_argument("--reverse_time", action="store_true", help="half of the clips backwards")
    parser.add_argument("--permute_colours", action="store_true", help="colour channels in random order")
    parser.add_argument("--steps_per_call", type=int, default=100, help="steps between two looks of the host")
    parser.add_argument("--save_seconds", type=float, default=120.0)
    flags = parser.parse_args(argv)
    if bool(flags.clips) == flags.random_clips:
        parser.error("give --clips or --random_clips")
    try:
        train(flags.folder, flags.out, flags)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
