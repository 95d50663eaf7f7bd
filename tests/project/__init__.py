"""The project as a whole: its tree, its layers, its package, its README."""
