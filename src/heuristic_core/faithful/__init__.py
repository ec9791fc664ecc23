"""The set of faithful subnetworks: its extremes, its members, and what its members need."""
