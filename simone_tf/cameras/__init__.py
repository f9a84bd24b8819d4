"""Cameras as numbers: what their poses are, which is near which, and paths of them around a scene."""
