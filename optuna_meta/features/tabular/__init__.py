"""Tables: in come X and y, out go named numbers from simple counts to landmarkers."""
