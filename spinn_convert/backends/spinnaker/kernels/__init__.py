"""Layers of kernels instead of lists of synapses, on boards."""
