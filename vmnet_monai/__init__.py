"""MONAI bundle parts for V-MNet: retinal vessels and diseases from one colour fundus photograph."""
