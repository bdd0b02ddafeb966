"""What the tasks say of their targets before anything is written: calibrations, headers, shapes, certifications."""
