"""How the commands and blocks of the documentation are run in the tests: shortened, or left out and why."""


def _params(*bindings):
    return tuple(f"--gin_param={binding}" for binding in bindings)


SMALL = _params(
    "num_steps = 2",
    "batch_size = 2",
    "training_batches.cache = False",
    "train.microbatch_size = None",
    "train.steps_per_loop = 2",
    "train.num_held_out_clips = 2",
    "train.evaluation_batch_size = 2",
    "train.num_pictures = 1",
)
SMALL_SIMONE = (
    *SMALL,
    *_params(
        "Encoder.width = 20",
        "Encoder.conv_channels = 4",
        "Transformer.num_layers = 1",
        "Transformer.num_heads = 1",
        "Transformer.head_size = 4",
        "Transformer.mlp_size = 8",
        "LatentHead.hidden_size = 8",
        "PixelDecoder.hidden_size = 8",
        "PixelDecoder.num_hidden_layers = 1",
    ),
)
SMALL_QUICKSTART = (*SMALL_SIMONE, *_params("warmup_steps = 1", "RandomQueries.num_pixels = 16"))
SMALL_VIEWS = (*SMALL_QUICKSTART, *_params("ViewEncoder.width = 20", "ViewEncoder.conv_channels = 4"))
SMALL_PAPER = (*SMALL_SIMONE, *_params("StridedQueries.stride = 16", "train.num_pictures = 0"))

# Beginning of a command -> flags that are added to it. The first that fits counts.
SHORTENED = (
    (r"python -m simone_tf\.train .*--gin_file=blobs\.gin", (*SMALL, *_params("warmup_steps = 1"))),
    (r"python -m simone_tf\.train --gin_file=gin/quickstart(_long)?\.gin", SMALL_QUICKSTART),
    (
        r"python -m simone_tf\.train --gin_file=gin/slot_attention/quickstart\.gin",
        (*SMALL, *_params("warmup_steps = 1")),
    ),
    (r"python -m simone_tf\.train --gin_file=mine\.gin", (*SMALL, *_params("warmup_steps = 1"))),
    (r"python -m simone_tf\.train --gin_file=gin/simone_vs/quickstart_views\.gin", SMALL_VIEWS),
    (
        r"python -m simone_tf\.train --gin_file=gin/(gqn|nerf_vae)/quickstart_views\.gin",
        (*SMALL, *_params("warmup_steps = 1", "train.num_pictures = 0")),
    ),
    (r"python -m simone_tf\.train --gin_file=gin/playroom\.gin", SMALL_PAPER),
    (r"python -m simone_tf\.train --run_dir=", _params("num_steps = 4")),
    (r"python -m simone_tf\.evaluate ", ("--num_clips=4", "--num_probe_clips=20", "--num_pictures=1")),
    (r"python -m simone_tf\.export ", ()),
    (r"python -m simone_tf\.decompose .*--adapt=", ("--adapt=0.001",)),
    (r"python -m simone_tf\.decompose ", ()),
    (
        r"python tools/sweep\.py .*simone_vs",
        (*SMALL_VIEWS, "--seeds=0", "--evaluate_flag=--num_clips=2", "--evaluate_flag=--num_probe_clips=0"),
    ),
    (
        r"python tools/sweep\.py ",
        (*SMALL_QUICKSTART, "--seeds=0", "--evaluate_flag=--num_clips=2", "--evaluate_flag=--num_probe_clips=2"),
    ),
    (r"python tools/lower_step\.py ", (*SMALL_QUICKSTART, "--num_clips=4")),
    (r"python tools/run_lowered_step\.py ", ("--steps=2", "--steps_per_call=2")),
    (r"python tools/import_state\.py ", ()),
    (r"python tools/compare_runs\.py ", ()),
    (r"python tools/pack_pretrained\.py ", ()),
    (r"python tools/inspect_records\.py ", ()),
    (r"python tools/import_video\.py ", ()),
    (r"python tools/make_dataset\.py ", ("--num_clips=1", "--frames=4", "--size=24", "--workers=1")),
    (r"python tools/score_long_videos\.py .*--bench", ("--part=8",)),
    (r"python tools/score_long_videos\.py ", ("--num_clips=1",)),
    (
        r"python tools/benchmark\.py --gin_file=",
        (*SMALL_PAPER, "--steps=1", "--part=training"),
    ),
    # In this process, where the rounds can be short.
    (r"python tools/benchmark\.py --input ", ("--part=input",)),
    (r"python tools/benchmark\.py --serving ", ("--part=serving",)),
    (r"saved_model_cli (show|run) ", ()),
)
LEFT_OUT = (
    (r"(\.venv/bin/)?pip install|python3\.11 -m venv", "installs; continuous integration installs the same extras"),
    (r"\.venv/bin/pre-commit ", "a hook of the user's own clone"),
    (r"bash tools/run_tests\.sh", "it is what runs this test"),
    (r"python3\.11 tools/check_lower_bounds\.py", "installs an environment; run by hand, with its result on the page"),
    (
        r"python tools/compile_for_tpu\.py ",
        "compiles for minutes, by what CI does not install; see test_compile_for_tpu.py",
    ),
    (
        r"python tools/benchmark\.py --memory ",
        "starts five processes of minutes each; see tests/tools/test_benchmark.py",
    ),
    (r"python tools/crash_test\.py ", "ends a training 25 times; tests/tools/test_crash_test.py does it three times"),
    (r"python tools/figure3\.py ", "trains three models; see tests/tools/test_figure3.py"),
    (r"python tools/table1\.py ", "trains four models; tests/tools/test_table1.py does it with two steps of each"),
    (r"python tests/fuzz_files\.py", "takes long; tests/test_fuzz_files.py runs a short one"),
    (r"python -m simone_tf\.decompose .*--camera_path", "needs a trained model and the camera; see test_fly_around.py"),
    (r"python tools/launch_local\.py", "starts two workers; tests/test_train_workers.py does, with tiny ones"),
    (r"python tools/measure_scaling\.py", "takes minutes; tests/tools/test_measure_scaling.py runs a short one"),
    (r"tensorboard ", "a server that runs until it is ended"),
    (r"tensorflow_model_server ", "a server that is not to be had from PyPI; the page says that it is unverified"),
)
LEFT_OUT_PYTHON = (
    (r"dispatcher\.join\(\)", "waits for ever; run by tests/data/pipeline/test_service.py"),
    (r"render_uint8", "needs an export of a model that is given the camera; see test_served_views.py"),
    (r"localhost:850[01]", "asks TensorFlow Serving, which is not to be had from PyPI"),
)
