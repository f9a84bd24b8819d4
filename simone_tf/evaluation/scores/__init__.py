"""Scores of one clip: segmentation, overlap, image quality."""
