"""One file per library, named as it is imported; files with an underscore serve several of them."""
