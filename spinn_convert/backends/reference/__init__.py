"""The reference simulator: exact integers, event-driven."""
