"""Digests, recipe ids, records and audit: where every file came from."""
