"""Texts and sentence pairs: in come strings, out go named numbers of lengths, words and labels."""
