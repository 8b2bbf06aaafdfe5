"""What a SpiNNaker core computes: plans of its numbers, and its integers in software."""
