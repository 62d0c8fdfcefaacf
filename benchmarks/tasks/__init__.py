"""What is tuned: tables, surrogates and trained models, with their prior studies."""
