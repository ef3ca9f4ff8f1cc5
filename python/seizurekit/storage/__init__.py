"""Where stores lie: local folders and object stores behind one interface."""
