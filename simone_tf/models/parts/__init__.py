"""What models share: transformer, latents, decoder, likelihood, queries."""
