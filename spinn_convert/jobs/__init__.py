"""What the commands do, from the user's files to the folder written."""
