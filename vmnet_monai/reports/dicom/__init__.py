"""Results as DICOM objects of the study that the image belongs to."""
