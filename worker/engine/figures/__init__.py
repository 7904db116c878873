"""Charts of our own: a few shapes, written as SVG or painted as PNG."""
