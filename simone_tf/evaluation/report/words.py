"""How the report names what a model calls by a name of its own."""


def kl_in_words(measure: str) -> str:
    """`object_kl`, the KL of the model's latents `object`, as a title: "KL of an object latent, nats"."""
    latent = measure.removesuffix("_kl").replace("_", " ")
    return f"KL of {'an' if latent[:1] in 'aeiou' else 'a'} {latent} latent, nats"
