"""What docker/ ships: files that agree with the code, images that adopt a program as it is."""
