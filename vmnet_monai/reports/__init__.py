"""A prediction as files to read: HTML, PDF and DICOM."""
