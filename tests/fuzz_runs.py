"""Fuzzed: records and their sidecar, checkpoints, exports, a pretrained model. What needs TensorFlow loads it late."""

import pathlib
import shutil
from collections.abc import Callable, Iterable

import numpy as np

from fuzz_subjects import ANY, COUNT, EXACT, HEIGHT, WIDTH, Subject, moving_square, sum_of

HERE = pathlib.Path(__file__).parent


def records() -> list[Subject]:
    def clips() -> Iterable[dict]:
        for seed in range(5):
            video = np.roll(moving_square()[:4], 3 * seed, axis=2)
            yield {"video": video, "segments": (video[..., 0] > 200).astype(np.uint8)}

    def read(folder: pathlib.Path, on_corrupt: str = "raise") -> dict:
        from simone_tf.data.formats.records import ClipRecords

        return _all_clips(ClipRecords(str(folder), "train", on_corrupt=on_corrupt), 4)

    def made(compression: str) -> Callable[[pathlib.Path], None]:
        def make(folder: pathlib.Path) -> None:
            from simone_tf.data.formats.sidecar import write_sidecar
            from simone_tf.data.formats.write_records import shard_name, write_shard

            names = [shard_name("train", index, 2) for index in range(2)]
            some = list(clips())
            counts = {
                name: write_shard(folder / name, part, compression)
                for name, part in zip(names, (some[:3], some[3:]), strict=True)
            }
            write_sidecar(
                folder,
                "train",
                {
                    "num_clips": 5,
                    "shards": counts,
                    "frames": 4,
                    "height": HEIGHT,
                    "width": WIDTH,
                    "fields": ["video", "segments"],
                    "generator": "",
                },
            )

        return make

    def make_tetrominoes(folder: pathlib.Path) -> None:
        source = HERE / "data" / "files" / "tetrominoes_mini.tfrecords"
        shutil.copyfile(source, folder / "tetrominoes_train.tfrecords")

    def read_tetrominoes(folder: pathlib.Path) -> dict:
        from simone_tf.data.formats.tetrominoes import Tetrominoes

        return _all_clips(Tetrominoes(str(folder), "train"), 1)

    shards = tuple(f"train-{index:05d}-of-00002.tfrecord" for index in range(2))
    return [
        Subject("records", made(""), read, EXACT, shards),
        Subject("records_gzip", made("GZIP"), read, EXACT, shards),
        Subject("records_zlib", made("ZLIB"), read, EXACT, shards),
        Subject("records_skip", made(""), lambda folder: read(folder, "skip"), EXACT, shards),
        Subject("sidecar", made(""), read, COUNT, ("dataset.json",)),
        Subject("tetrominoes", make_tetrominoes, read_tetrominoes, EXACT),
    ]


def _all_clips(reader, num_frames: int) -> dict:
    from simone_tf.data.pipeline.batches import evaluation_batches
    from simone_tf.data.pipeline.explain import data_faults_told

    fields = ("video", "segments")
    with data_faults_told(reader, fields, num_frames):
        batches = evaluation_batches(reader, batch_size=2, num_frames=num_frames, fields=fields)
        clips = [
            np.concatenate([batch[name].numpy()[index].ravel() for name in fields])
            for batch in batches
            for index in np.flatnonzero(batch["clip_mask"])
        ]
    return sum_of(clips)


def checkpoints() -> list[Subject]:
    def parts():
        import keras
        import tensorflow as tf

        model = keras.layers.Dense(4)
        model.build((None, 3))
        return {"model": model, "step": tf.Variable(0, dtype=tf.int64)}

    def make(folder: pathlib.Path) -> None:
        from simone_tf.training.checkpoints import Checkpoints

        trained = parts()
        checkpoints = Checkpoints(str(folder), trained)
        for step in (3, 6):
            trained["step"].assign(step)
            trained["model"].kernel.assign(np.random.default_rng(step).normal(size=(3, 4)))
            checkpoints.save(step)

    def state(trained) -> dict:
        return sum_of([trained["step"].numpy(), *(variable.numpy() for variable in trained["model"].variables)])

    def read_for_training(folder: pathlib.Path) -> dict:
        from simone_tf.training.checkpoints import Checkpoints

        trained = parts()
        Checkpoints(str(folder), trained).restore_latest()
        return state(trained)

    def read_for_evaluation(folder: pathlib.Path) -> dict:
        from simone_tf.training.checkpoints import restore_weights

        trained = parts()
        _, step = restore_weights(str(folder), trained["model"])
        trained["step"].assign(step)
        return state(trained)

    names = ("ckpt-6.index", "ckpt-6.data-00000-of-00001", "checkpoint")
    damaged = tuple(f"checkpoints/{name}" for name in names)
    return [
        Subject("checkpoint_training", make, read_for_training, EXACT, damaged),
        Subject("checkpoint_evaluation", make, read_for_evaluation, EXACT, damaged),
    ]


def exports() -> list[Subject]:
    def make(folder: pathlib.Path) -> None:
        from simone_tf.serving.sizes import sizes_of
        from simone_tf.serving.write_export import write_export

        from small_models import SMALL_MODELS

        model = SMALL_MODELS["SIMONe"]()
        model.build((None, 2, 8, 16, 3))
        write_export(str(folder / "1"), model, sizes_of(model, 2, (8, 16)), {"step": 7, "metrics": None})

    def read(folder: pathlib.Path) -> dict:
        import tensorflow as tf

        from simone_tf.serving.saved_model import load_export

        decode = load_export(str(folder / "1")).loaded.signatures["decode"]
        inputs = decode.structured_input_signature[1]
        answers = decode(**{name: tf.ones([1, *spec.shape[1:]], spec.dtype) for name, spec in inputs.items()})
        return sum_of(answers[name].numpy() for name in sorted(answers))

    def make_pretrained(folder: pathlib.Path) -> None:
        from simone_tf.runs.pretrained import find_pretrained

        shutil.copytree(find_pretrained("quickstart"), folder / "mine")

    def read_pretrained(folder: pathlib.Path) -> dict:
        from simone_tf.runs.load import load_pretrained

        return sum_of(variable.numpy() for variable in load_pretrained(str(folder / "mine")).model.variables)

    binaries = ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001")
    return [
        Subject("serving_json", make, read, ANY, ("1/serving.json",)),
        Subject("export", make, read, EXACT, tuple(f"1/{name}" for name in binaries)),
        Subject("pretrained", make_pretrained, read_pretrained, EXACT, ("mine/weights.npz", "mine/card.json")),
    ]
