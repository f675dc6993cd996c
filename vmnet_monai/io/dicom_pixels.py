"""Converts the stored pixels of a DICOM photograph to an 8-bit image."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.encaps import get_frame
from pydicom.multival import MultiValue
from pydicom.pixels import apply_color_lut, convert_color_space, get_decoder
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit, RLELossless
from skimage.color import ycbcr2rgb

from vmnet_monai.errors import UnreadableImageError
from vmnet_monai.io.codestream import MAX_SCANS, check_codestream, count_scans

__all__ = ["PHOTOMETRIC_INTERPRETATIONS", "frame_image"]

PHOTOMETRIC_INTERPRETATIONS = {
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "PALETTE COLOR": 1,
    "RGB": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_PARTIAL_422": 3,
    "YBR_ICT": 3,
    "YBR_RCT": 3,
}
"""Photometric interpretation (PS3.3 C.7.6.3.1.2) -> number of samples per pixel."""


def frame_image(dataset: Dataset, index: int, frames: int) -> Image.Image:
    """Decode a frame to 8 bits, by its depth and windows.

    Colour keeps the upper eight of its ``BitsStored`` bits. Grey goes through DICOM's grey scale (PS3.3 C.7.6.3.1.2,
    C.11.1, C.11.2): the modality table or rescaling, the first VOI table or window, and the inversion of MONOCHROME1;
    of the result, spread over the range that these leave, as many bits as the last table has, or else ``BitsStored``,
    are kept, and of these the upper eight. Fewer than eight bits are spread over 0 to 255.

    Args:
        dataset: a photograph that was checked (:func:`vmnet_monai.io.dicom.check_image_object`), with pixels.
        index: number of the frame, from 0.
        frames: number of frames of the dataset.

    Returns:
        An image of mode RGB or L.

    Raises:
        UnreadableImageError: for the kinds that are not read.
        Exception: whatever the decoders raise on damaged data; it may show what the file holds.
    """
    samples, photometric, depth = _samples(dataset, index, frames)
    if samples.ndim == 3:
        return Image.fromarray(_colour(samples, photometric, depth))
    if photometric == "PALETTE COLOR":
        return Image.fromarray(_palette_colour(samples, dataset))
    return Image.fromarray(_grey(samples, dataset, depth))


def _samples(dataset: Dataset, index: int, frames: int) -> tuple[NDArray[Any], str, int]:
    """Decoded samples, (H, W) or (H, W, 3), their photometric interpretation, and their number of bits."""
    syntax, photometric = dataset.file_meta.TransferSyntaxUID, dataset.PhotometricInterpretation
    if syntax in (JPEGBaseline8Bit, JPEGExtended12Bit) and dataset.BitsStored <= 8:
        samples, photometric = _jpeg_samples(dataset, index, frames)
        return samples, photometric, 8
    if syntax.is_encapsulated and syntax != RLELossless:
        frame = _encapsulated_frame(dataset, index, frames)
        check_codestream(frame, dataset.Columns, dataset.Rows, dataset.SamplesPerPixel)
    options: dict[str, Any] = {
        "number_of_frames": frames,
        "pixel_representation": dataset.get("PixelRepresentation", 0),
    }
    if dataset.SamplesPerPixel > 1:  # colour is unsigned, whatever the header says
        options |= {"pixel_representation": 0, "planar_configuration": dataset.get("PlanarConfiguration", 0)}
    if photometric == "YBR_PARTIAL_422" and not syntax.is_encapsulated:  # sampled alike, which is all that is undone
        options["photometric_interpretation"] = "YBR_FULL_422"
    samples, properties = get_decoder(syntax).as_array(dataset, index=index, raw=True, **options)
    if photometric != "YBR_PARTIAL_422":
        photometric = properties["photometric_interpretation"]
    return samples, photometric, dataset.BitsStored


def _jpeg_samples(dataset: Dataset, index: int, frames: int) -> tuple[NDArray[np.uint8], str]:
    """Decode a frame of JPEG as the same JPEG file would be decoded, whatever else is installed.

    pydicom 3.0 converts frames with Adobe's marker twice, or not at all, depending on the decoders that it finds.
    """
    frame = _encapsulated_frame(dataset, index, frames)
    if count_scans(frame) > MAX_SCANS:
        raise UnreadableImageError(f"a JPEG must have at most {MAX_SCANS} scans, this one has more: export it again.")
    with Image.open(BytesIO(frame), formats=("JPEG",)) as jpeg:
        if jpeg.size != (dataset.Columns, dataset.Rows):
            raise UnreadableImageError(
                f"the header says {dataset.Columns} x {dataset.Rows} pixels and the JPEG in it has {jpeg.width} x "
                f"{jpeg.height}: export it again."
            )
        if jpeg.mode == "L":
            return np.array(jpeg), str(dataset.PhotometricInterpretation)
        # Without a marker the JPEG does not say what its samples are, and the header does. Nobody subsamples RGB.
        marked = "jfif" in jpeg.info or "adobe" in jpeg.info
        sampling = {layer[1:3] for layer in getattr(jpeg, "layer", ())}
        if dataset.PhotometricInterpretation == "RGB" and not marked and len(sampling) == 1:
            jpeg.draft("YCbCr", jpeg.size)  # leaves the samples as they are
            return np.array(jpeg), "RGB"
        return np.array(jpeg.convert("RGB")), "RGB"


def _encapsulated_frame(dataset: Dataset, index: int, frames: int) -> bytes:
    """The compressed bytes of a frame."""
    offsets = (
        (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths) if "ExtendedOffsetTable" in dataset else None
    )
    frame: bytes = get_frame(dataset.PixelData, index, number_of_frames=frames, extended_offsets=offsets)
    return frame


def _colour(samples: NDArray[Any], photometric: str, depth: int) -> NDArray[np.uint8]:
    colours = _upper_eight(samples, depth)
    if photometric in ("YBR_FULL", "YBR_FULL_422"):
        return convert_color_space(colours, photometric, "RGB")
    if photometric == "YBR_PARTIAL_422":  # ITU-R BT.601 with footroom, which is what scikit-image means by YCbCr
        return np.round(ycbcr2rgb(colours.astype(np.float64)).clip(0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(colours)  # the decoders of JPEG 2000 have undone YBR_ICT and YBR_RCT


def _palette_colour(samples: NDArray[Any], dataset: Dataset) -> NDArray[np.uint8]:
    count, first, depth = dataset.RedPaletteColorLookupTableDescriptor
    count = count or 2**16
    if not dataset.file_meta.TransferSyntaxUID.is_little_endian or (depth == 8 and count > 2**8):
        raise UnreadableImageError(
            "a palette must have entries of 16 bits or at most 256 of 8 bits, and not be big endian, this one has "
            f"{count} of {depth} bits: export the photograph as RGB."
        )
    # pydicom maps values beyond the palette's end to its beginning.
    inside = samples.astype(np.int32).clip(first, first + count - 1)
    colours = apply_color_lut(inside, dataset)[..., :3]
    is_narrow = depth == 8 and colours.max() < 2**8  # 8 bits that are stored as 16
    return _upper_eight(colours, 8 if is_narrow else 8 * colours.itemsize)


def _grey(samples: NDArray[Any], dataset: Dataset, depth: int) -> NDArray[np.uint8]:
    low, high = (-(2.0 ** (depth - 1)), 2.0 ** (depth - 1) - 1) if samples.dtype.kind == "i" else (0.0, 2.0**depth - 1)
    values: NDArray[Any] = samples.astype(np.float32).clip(low, high)
    if dataset.get("ModalityLUTSequence"):
        values, depth = _look_up(values, dataset.ModalityLUTSequence[0], dataset)
        low, high = 0.0, 2.0**depth - 1
    elif dataset.get("RescaleSlope") is not None and dataset.get("RescaleIntercept") is not None:
        slope, intercept = float(dataset.RescaleSlope), float(dataset.RescaleIntercept)
        if slope == 0 or not np.isfinite([slope, intercept]).all():
            raise UnreadableImageError(
                "RescaleSlope must not be 0, and both it and RescaleIntercept finite: export the photograph again."
            )
        values = values * np.float32(slope) + np.float32(intercept)
        low, high = sorted((low * slope + intercept, high * slope + intercept))
    if dataset.get("VOILUTSequence"):
        values, depth = _look_up(values, dataset.VOILUTSequence[0], dataset)
        low, high = 0.0, 2.0**depth - 1
    elif window := _window(dataset):
        values, low, high = window(values), 0.0, 1.0
    fractions = ((values - np.float32(low)) / np.float32(high - low)).clip(0, 1)
    grey = _upper_eight(np.round(fractions * (2**depth - 1)).astype(np.int32), depth)
    is_inverted = dataset.PhotometricInterpretation == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"
    return 255 - grey if is_inverted else grey


def _look_up(values: NDArray[Any], table: Dataset, dataset: Dataset) -> tuple[NDArray[Any], int]:
    """Apply a lookup table, values beyond its ends as at its ends; also its number of bits.

    pydicom 3.0 maps values above 255 to the beginning of a table whose entries have 8 bits.
    """
    count, first, depth = table.LUTDescriptor
    entries = table.LUTData
    if isinstance(entries, bytes):
        order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
        entries = np.frombuffer(entries, f"{order}u2")
    places = np.round(values).astype(np.int32) - first
    return np.asarray(entries)[places.clip(0, (count or 2**16) - 1)].astype(np.float32), depth


def _window(dataset: Dataset) -> Callable[[NDArray[Any]], NDArray[Any]] | None:
    """The first window as a function to 0 at its lower end and 1 at its upper; None where there is none with a width.

    PS3.3 C.11.2.1.2 and C.11.2.1.3. pydicom 3.0 inverts images whose RescaleSlope is negative.
    """
    centre, width = _first_number(dataset, "WindowCenter"), _first_number(dataset, "WindowWidth")
    function = dataset.get("VOILUTFunction") or "LINEAR"
    if centre is None or width is None or width <= (1 if function == "LINEAR" else 0):
        return None
    if function == "SIGMOID":
        return lambda values: 1 / (1 + np.exp(-4 * (values - centre) / width))
    if function == "LINEAR":
        return lambda values: (values - (centre - 0.5)) / (width - 1) + 0.5
    return lambda values: (values - centre) / width + 0.5


def _first_number(dataset: Dataset, keyword: str) -> float | None:
    value = dataset.get(keyword)
    number = value[0] if isinstance(value, MultiValue) and value else value
    return float(number) if number is not None and np.isfinite(float(number)) else None


def _upper_eight(samples: NDArray[Any], depth: int) -> NDArray[np.uint8]:
    """The upper eight of ``depth`` bits; fewer are spread over 0 to 255."""
    samples = samples.clip(0, 2**depth - 1)
    if depth > 8:
        return (samples >> (depth - 8)).astype(np.uint8)
    if depth == 8:
        return samples.astype(np.uint8)
    return np.round(samples * (255 / (2**depth - 1))).astype(np.uint8)
