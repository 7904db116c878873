"""The bundled model and descriptor: their weights, their images, and the recipe that makes them."""
