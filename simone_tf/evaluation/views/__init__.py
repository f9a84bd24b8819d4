"""View synthesis (paper, section 4.1): views of a scene that a model has not seen, and how they are scored."""
