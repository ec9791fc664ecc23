"""How subnetworks are found: one method a file, one signature for all."""
