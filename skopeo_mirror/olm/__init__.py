"""What is asked for: image lists, image sets, catalogs."""
