"""Neurons that a spike resets to a calibrated constant: IF_curr_delta."""
