"""Whether a package predicts what its original does: rows of a sample and made-up ones, both asked, and compared."""
