"""Ways to ask a model for an image, one a file. Each states its threat model."""
