"""Finding a method, time steps and a read-out on the calibration images."""
