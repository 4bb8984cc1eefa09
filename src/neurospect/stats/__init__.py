"""Tests on arrays: arrays in, tables out."""
