"""The spiking network as records, what goes in and comes out, and its file."""
