"""Ways to tell from a prompt alone that a model has memorized something, one paper a file. Higher is more memorized."""
