"""Mapping to boards without one: what a network takes there."""
