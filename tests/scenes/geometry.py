"""Pinhole projection and ray tracing, worked out apart from the generator."""

import math

import numpy as np


def axes(camera):
    """Right, up and forward unit vectors of a pose `[7]`."""
    sin_yaw, cos_yaw, sin_pitch, cos_pitch = camera[3:].astype(np.float64)
    forward = np.array([cos_pitch * cos_yaw, cos_pitch * sin_yaw, sin_pitch])
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return right, np.cross(right, forward), forward


def project(points, camera, preset):
    """Pinhole projection of `[N, 3]` to (row, column) in pixels, `[N, 2]`; pixel (i, j) has its centre at +0.5.

    Points behind the camera are nowhere: NaN.
    """
    right, up, forward = axes(camera)
    offset = points.astype(np.float64) - camera[:3]
    focal = preset.size / 2 / math.tan(math.radians(preset.field_of_view) / 2)
    depth = offset @ forward
    depth = np.where(depth > 0, depth, np.nan)
    return np.stack(
        [preset.size / 2 - focal * (offset @ up) / depth, preset.size / 2 + focal * (offset @ right) / depth], 1
    )


def traced_spheres(centers, radius, camera, preset):
    """Number of the nearest sphere seen through each pixel centre, 0 where there is none: `[H, W]`."""
    right, up, forward = axes(camera)
    half = math.tan(math.radians(preset.field_of_view) / 2)
    offset = (np.arange(preset.size) + 0.5) / preset.size * 2 - 1
    rays = forward + half * (offset[None, :, None] * right - offset[:, None, None] * up)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    nearest, seen = np.full(rays.shape[:2], np.inf), np.zeros(rays.shape[:2], int)
    for k, center in enumerate(centers, start=1):
        to_center = center.astype(np.float64) - camera[:3]
        along = rays @ to_center
        inside = radius**2 - (to_center @ to_center - along**2)
        distance = np.where(inside >= 0, along - np.sqrt(np.maximum(inside, 0)), np.inf)
        seen = np.where(distance < nearest, k, seen)
        nearest = np.minimum(distance, nearest)
    return seen


def present(clip):
    """Number of objects of a clip: positions are zero for the others."""
    return int((np.abs(clip["object_positions"]).sum(axis=(0, 2)) > 0).sum())


def centroid(segment):
    """Mean (row, column) of the pixels of a mask `[H, W]`."""
    return np.argwhere(segment).mean(axis=0) + 0.5


def touches_border(segment):
    """Whether a mask `[H, W]` reaches the edge of the picture."""
    return segment[[0, -1]].any() or segment[:, [0, -1]].any()
