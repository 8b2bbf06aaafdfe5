"""Convert trained ONNX networks to rate-coded spiking networks for SpiNNaker and NEST."""

__version__ = "0.1.0"
