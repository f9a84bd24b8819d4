"""simone_tf: unsupervised video decomposition into objects and viewpoint, in TensorFlow."""

import os

# Before TensorFlow is imported: its notes on missing GPUs and CPU instructions bury what the commands say.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"
