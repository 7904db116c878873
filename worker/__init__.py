"""The Celery half: claims units of an audit and lets the engine perform them."""
