"""How the bundled model and descriptor are made, from a package registry's images to safetensors.

glyphs → codec → denoiser → descriptor → assemble. Every file is one station, and ``make demo-model``
runs them in that order.
"""
