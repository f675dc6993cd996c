"""DICOM: photographs are read from it, results are written as it."""
