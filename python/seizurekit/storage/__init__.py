"""Where stores are kept: local folders and object stores behind one interface."""
