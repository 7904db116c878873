"""Endpoints: HTTP in, a use case, HTTP out. Nothing here decides anything."""
