"""Anchors: teachers, the content key, the store, the collector."""
