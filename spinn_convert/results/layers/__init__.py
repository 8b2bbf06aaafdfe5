"""Layer by layer: the rates of the SNN beside the activations of the ANN, and what differs."""
