"""The user's files: images, archives of arrays, and the folders that results go to."""
