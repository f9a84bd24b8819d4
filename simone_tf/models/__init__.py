"""Models: plain Keras 3 layers that know nothing of gin, files or strategies."""
