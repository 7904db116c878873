"""What a mitigation cost: drift, prompt alignment, diversity, distances between distributions. One measure a file."""
