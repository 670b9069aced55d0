"""Traffic that tests make themselves: packets, and the files that hold them."""
