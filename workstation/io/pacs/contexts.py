"""What is proposed and what is accepted: storage classes and transfer syntaxes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydicom import uid
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import (
    AllStoragePresentationContexts,
    PresentationContext,
    build_context,
    build_role,
)

VERIFICATION = uid.UID("1.2.840.10008.1.1")
FIND = uid.UID("1.2.840.10008.5.1.4.1.2.2.1")
MOVE = uid.UID("1.2.840.10008.5.1.4.1.2.2.2")
GET = uid.UID("1.2.840.10008.5.1.4.1.2.2.3")
LIMIT = 128
NATIVE: tuple[str, ...] = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian)
COMPRESSED: tuple[str, ...] = (
    uid.JPEGLosslessSV1,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
    uid.RLELossless,
    uid.HTJ2KLossless,
    uid.JPEGLossless,
    uid.JPEG2000,
    uid.JPEGLSNearLossless,
    uid.JPEGExtended12Bit,
    uid.JPEGBaseline8Bit,
)
# Deflated syntaxes are left out: a few bytes of them can grow to gigabytes.
SYNTAXES = (*NATIVE, uid.ExplicitVRBigEndian, *COMPRESSED)
STORAGE = frozenset(str(context.abstract_syntax) for context in AllStoragePresentationContexts)
_IMAGES = (
    uid.CTImageStorage, uid.EnhancedCTImageStorage, uid.LegacyConvertedEnhancedCTImageStorage,
    uid.MRImageStorage, uid.PositronEmissionTomographyImageStorage,
    uid.SecondaryCaptureImageStorage,
)  # fmt: skip
_OTHERS = (
    uid.ComputedRadiographyImageStorage, uid.DigitalXRayImageStorageForPresentation,
    uid.UltrasoundImageStorage, uid.EnhancedMRImageStorage, uid.EnhancedPETImageStorage,
    uid.MultiFrameTrueColorSecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    uid.BasicTextSRStorage, uid.EnhancedSRStorage, uid.ComprehensiveSRStorage,
    uid.Comprehensive3DSRStorage, uid.XRayRadiationDoseSRStorage,
    uid.KeyObjectSelectionDocumentStorage, uid.GrayscaleSoftcopyPresentationStateStorage,
    uid.SegmentationStorage, uid.RTStructureSetStorage, uid.RTDoseStorage,
    uid.EncapsulatedPDFStorage, uid.RawDataStorage, uid.SpatialRegistrationStorage,
)  # fmt: skip


def retrieval_contexts(
    model: str, classes: Iterable[str], *, together: bool = False
) -> tuple[list[PresentationContext], list[SCP_SCU_RoleSelectionNegotiation]]:
    """Propose a retrieval by C-GET, and a context for each way an instance may be stored.

    One context holds one compressed syntax, so that the peer need not convert anything;
    ``together`` puts all of a class into one context, for peers that look at its first one only.
    """
    wanted = sorted(set(classes) & STORAGE)
    images, others = (wanted, ()) if wanted else (_IMAGES, _OTHERS)
    contexts = [build_context(model)]
    if together:
        contexts += [build_context(one, [*COMPRESSED, *NATIVE]) for one in (*images, *others)]
    else:
        contexts += [build_context(one, list(NATIVE)) for one in (*images, *others)]
        contexts += [build_context(one, syntax) for syntax in COMPRESSED for one in images]
    contexts = contexts[:LIMIT]
    proposed = dict.fromkeys(str(one.abstract_syntax) for one in contexts[1:])
    return contexts, [build_role(one, scp_role=True) for one in proposed]


def receiving_contexts() -> list[PresentationContext]:
    """List what a storage SCP accepts."""
    return [build_context(one, list(SYNTAXES)) for one in sorted(STORAGE)]


def sending_contexts(pairs: Sequence[tuple[str, str]]) -> list[PresentationContext]:
    """Propose each class with its syntax; uncompressed ones also as implicit little endian."""
    contexts = [build_context(sop_class, syntax) for sop_class, syntax in pairs]
    explicit = [one for one, syntax in pairs if syntax == uid.ExplicitVRLittleEndian]
    implicit = {one for one, syntax in pairs if syntax == uid.ImplicitVRLittleEndian}
    plain = [one for one in dict.fromkeys(explicit) if one not in implicit]
    return (contexts + [build_context(one, uid.ImplicitVRLittleEndian) for one in plain])[:LIMIT]
