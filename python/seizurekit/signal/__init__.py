"""The preprocessing chain, from a recording's samples to 19 z-scored channels at 256 Hz."""
