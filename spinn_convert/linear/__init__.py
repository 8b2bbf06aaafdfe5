"""Linear maps between populations: four operators, chains of them, and their synapses."""
