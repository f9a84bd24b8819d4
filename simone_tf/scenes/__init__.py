"""Procedural 3-D scenes rendered with exact masks, camera poses and object positions."""
