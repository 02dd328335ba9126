"""Vendor data: file names with the right case, models as people write them, errors that help."""

from __future__ import annotations

import re

import pytest

from engine.actions.phone.vendors import FAMILIES, VENDORS, Family, model_of
from engine.model.errors import Permanent

MAC = "0004139a9bfc"


@pytest.mark.parametrize(
    ("vendor", "model", "code", "files"),
    [
        ("yealink", "T46S", "T46S", ("0004139a9bfc.cfg",)),
        ("Yealink", "sip-t46s", "T46S", ("0004139a9bfc.cfg",)),
        ("poly", "VVX 411", "VVX411", ("0004139a9bfc-settings.cfg", "0004139a9bfc.cfg")),
        ("polycom", "Edge E350", "EdgeE350", ("0004139a9bfc-settings.cfg", "0004139a9bfc.cfg")),
        ("grandstream", "GXP2170", "GXP2170", ("cfg0004139a9bfc.xml",)),
        ("grandstream", "grp-2614", "GRP2614", ("cfg0004139a9bfc.xml",)),
        ("cisco", "SPA504G", "SPA504G", ("spa0004139a9bfc.cfg",)),
        ("cisco", "CP-8841-3PCC", "8841", ("Cisco/CP-8841-3PCC/0004139a9bfc.cfg",)),
        ("cisco", "8841", "8841", ("Cisco/CP-8841-3PCC/0004139a9bfc.cfg",)),
        ("snom", "snomD785", "D785", ("snomD785-0004139A9BFC.htm",)),
        ("snom", "720", "720", ("snom720-0004139A9BFC.htm",)),
    ],
)
def test_models_as_people_write_them_get_their_vendors_file_names(
    vendor: str, model: str, code: str, files: tuple[str, ...]
) -> None:
    """Spelling of the model does not matter; spelling of the file name is the vendor's, case included."""
    found = model_of(vendor, model)
    assert found.code == code
    assert found.file_names(MAC) == files
    assert found.file_names(MAC.upper()) == files


@pytest.mark.parametrize(
    ("vendor", "model", "message"),
    [
        ("yelink", "T46S", "Did you mean yealink?"),
        ("avaya", "J179", "known are yealink, poly, grandstream, cisco, snom"),
        ("yealink", "VVX411", "not a model of yealink but of poly; one of the two columns is wrong"),
        ("snom", "D78", "Did you mean D785"),
        ("cisco", "SPA50", "Did you mean SPA50"),
    ],
)
def test_an_unknown_phone_is_refused_with_the_nearest_known(vendor: str, model: str, message: str) -> None:
    """The operator reads which word is wrong and what was probably meant."""
    with pytest.raises(Permanent, match=re.escape(message)):
        model_of(vendor, model)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_is_complete(family: Family) -> None:
    """No field is left empty that another part relies on; every known model is recognised as its own family's."""
    assert all((family.source, family.event, family.secret_keys, family.files, family.user_agent, family.asterisk_notify))
    assert {file.name for file in family.files} <= set(family.asks_for)
    for model in family.models:
        assert model_of(family.vendor, model).family is family
        assert model_of(family.vendor, model).code == model


def test_the_five_vendors_are_there() -> None:
    """What the inventory's schema admits is what is known here."""
    assert VENDORS == ("yealink", "poly", "grandstream", "cisco", "snom")
