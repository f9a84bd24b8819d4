"""What can be read from the latents: attributes, positions, cameras."""
