"""Boxes instead of classes: what a detector finds, how it is scored, and pictures of it."""
