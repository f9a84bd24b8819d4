"""How the report names what a model calls by a name of its own."""

VIEW_TASKS = {
    "between": "views between seen frames",
    "beyond": "views beyond the seen frames",
    "sweep": "views all around the scene",
}
"""The tasks of `views.tasks`."""

VIEWS = {
    "context": "seen frames, drawn",
    "unseen": "unseen views, drawn",
    "all": "both together",
    "nearest": "nearest seen frame instead",
    "mean_image": "mean image instead",
}
"""What the scores of `views.measure_views` are of."""

VIEW_SCORES = {
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    "nats_per_pixel": "nats per pixel",
    "video_ari_foreground": "video ARI-F",
}
"""Those of them that are shown, in this order."""


def kl_in_words(measure: str) -> str:
    """`object_kl`, the KL of the model's latents `object`, as a title: "KL of an object latent, nats"."""
    latent = measure.removesuffix("_kl").replace("_", " ")
    return f"KL of {'an' if latent[:1] in 'aeiou' else 'a'} {latent} latent, nats"


def degrees(angle: float) -> str:
    """An angle as one from -180 to 180 degrees: "+90°", "0°", "-180°"."""
    whole = round((angle + 180.0) % 360.0 - 180.0)
    return f"{whole:+d}°" if whole else "0°"
