"""The ONNX file: read, checked, cut into a spiking core and what the host computes."""
