"""Starting: launcher, supervisor, bootstrap, settings, guard and the explaining commands."""
