"""From layers and calibration images to a spiking network."""
