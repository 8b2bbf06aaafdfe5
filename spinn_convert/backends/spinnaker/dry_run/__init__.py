"""Map a network to virtual boards, to find out what it takes."""
