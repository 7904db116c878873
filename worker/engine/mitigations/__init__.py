"""Ways to make a model forget, one paper a file."""
