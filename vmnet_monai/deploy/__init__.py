"""V-MNet as a MONAI Deploy application: a folder of DICOM photographs in, DICOM results out."""
