"""What came out: the file's own outputs, scores, reports, recordings."""
