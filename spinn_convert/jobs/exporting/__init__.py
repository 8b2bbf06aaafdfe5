"""What `export` writes: PyNN scripts, and files of NIR."""
