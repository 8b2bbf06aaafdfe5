"""What a board is made of: chips, their memory as the boot software leaves it, cores, links."""
