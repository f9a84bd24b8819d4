"""A video of any length, taken apart window by window."""

FITS = ("crop", "pad")
"""How frames of another aspect are brought to the model's, see `fitting.Fitting`; known without TensorFlow."""

CAMERA_PATHS = ("circle",)
"""Names of the flights around a scene."""
