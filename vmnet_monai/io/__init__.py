"""Files: any image file, DICOM object or slice of a volume read as an array, and files written whole."""
