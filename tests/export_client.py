"""A process that has TensorFlow and nothing else of ours, and asks an export."""

import os
import subprocess
import sys

import numpy as np

# What a client has: TensorFlow and NumPy. With -I neither the working directory nor PYTHONPATH is searched.
CLIENT = """
import sys
sys.modules.update({"simone_tf": None, "keras": None, "tensorflow_probability": None, "gin": None})
import numpy as np
import tensorflow as tf
export_dir, given, answers = sys.argv[1:]
model = tf.saved_model.load(export_dir)
asked, found = np.load(given), {}
for case in {name.split("/")[0] for name in asked.files}:
    signature = case.split("-")[0]
    inputs = {name.split("/")[1]: tf.constant(asked[name]) for name in asked.files if name.split("/")[0] == case}
    for name, value in model.signatures[signature](**inputs).items():
        found[case + "/" + name] = value.numpy()
assert not any(name.startswith("simone_tf.") for name in sys.modules)
np.savez(answers, **found)
"""


def ask(export_dir, inputs, folder):
    """Asks an export from a process without the library.

    Args:
        export_dir: the export.
        inputs: dict of "<signature>-<case>/<input>" -> array.
        folder: where files may be written.

    Returns:
        dict of "<signature>-<case>/<output>" -> array.
    """
    np.savez(folder / "asked.npz", **inputs)
    line = [sys.executable, "-I", "-c", CLIENT, str(export_dir), str(folder / "asked.npz"), str(folder / "found.npz")]
    done = subprocess.run(
        line, cwd=folder, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with np.load(folder / "found.npz") as found:
        return dict(found)
