"""NeRF-VAE (Kosiorek et al., 2021): one latent for a scene, decoded as a radiance field through which rays are sent."""

PARTS = {
    "PinholeCamera": "simone_tf.models.nerf_vae.pinhole_camera:PinholeCamera",
    "RadianceField": "simone_tf.models.nerf_vae.radiance_field:RadianceField",
    "RayEncoder": "simone_tf.models.nerf_vae.ray_encoder:RayEncoder",
}
"""Name in configurations -> where it is, of the parts that only NeRF-VAE has; see `models.MODELS`."""
