"""How each vendor's phones behave, as data: file names, their case, events, where secrets stand.

A file in the wrong case or an Event a phone does not know is the classic silent failure of a phone migration, and every
vendor differs. So nothing here is an ``if``: a new family is a new entry, with the source it was taken from.

Sources, by short name: *wazo* github.com/wazo-platform/wazo-provd-plugins; *fusionpbx* github.com/fusionpbx/fusionpbx
(``resources/templates/provision``, ``event_notify/index.lua``); *asterisk* ``configs/samples/pjsip_notify.conf.sample``;
*manual* the vendor's administration or provisioning guide.
"""

from __future__ import annotations

import difflib
import functools
import re

from engine.model.errors import Permanent
from engine.model.values import dataclass


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One file made for one phone. ``name`` may hold ``{mac}`` (lower case), ``{MAC}`` (upper case) and ``{model}``;
    ``template`` is relative to ``templates/``."""

    name: str
    template: str


@dataclass(frozen=True, slots=True)
class Family:
    """Phones that are provisioned alike. ``source`` says where the facts come from."""

    vendor: str
    name: str
    title: str
    pattern: re.Pattern[str]
    """Matches a squeezed model (upper case, no blanks, hyphens or underscores); its group is the model in file names."""
    models: tuple[str, ...]
    """Models met in the field, for suggestions; others that match ``pattern`` are taken too."""
    files: tuple[ConfigFile, ...]
    """What is written, in writing order: settings before whatever makes the phone read them."""
    asks_for: tuple[str, ...]
    """All names the phone asks its server for, in its order."""
    overridden_by: tuple[str, ...]
    """The phone's own files, which win over ours: a local setting there survives every resync."""
    event: str
    """Event of a NOTIFY that makes it fetch its files again, without a reboot where it can."""
    reboot_event: str
    """Event of a NOTIFY that makes it reboot."""
    asterisk_notify: str
    """Section of Asterisk's ``pjsip_notify.conf`` as shipped that sends this ``event``."""
    form: str
    """``lines`` (key = value), ``elements`` (XML) or ``attributes`` (XML)."""
    secret_keys: tuple[str, ...]
    """Keys whose values are never shown; ``*`` stands for a line number."""
    user_agent: str
    """A piece of the User-Agent it registers with."""
    note: str
    """What an operator has to know."""
    source: str


@dataclass(frozen=True, slots=True)
class Model:
    """A phone model that was recognised. ``code`` is how file names and templates spell it."""

    family: Family
    code: str

    def file_names(self, mac: str) -> tuple[str, ...]:
        """Names of the files made for this phone, in writing order. ``mac``: bare, any case."""
        return tuple([self._fill(entry.name, mac) for entry in self.family.files])

    def asks_for(self, mac: str) -> tuple[str, ...]:
        """Every name the phone asks its server for, in its order."""
        return tuple(self._fill(name, mac) for name in self.family.asks_for)

    def _fill(self, name: str, mac: str) -> str:
        return name.replace("{mac}", mac.lower()).replace("{MAC}", mac.upper()).replace("{model}", self.code)


_YEALINK = Family(
    vendor="yealink", name="t-series", title="Yealink SIP phone",
    pattern=re.compile(r"(?:YEALINK)?(?:SIP)?((?:T|CP|W|VP|AX)\d{2,3}[A-Z]{0,2}\d?)"),
    models=(
        "T19PE2", "T21PE2", "T23G", "T27G", "T29G", "T30P", "T31P", "T31G", "T33G", "T40G", "T41S", "T42S", "T43U", "T46S",
        "T46U", "T48S", "T48U", "T53", "T53W", "T54W", "T57W", "T58W", "T73U", "T74U", "T85W", "T87W", "CP920", "CP960",
        "W60B", "W70B", "AX83H",
    ),
    files=(ConfigFile("{mac}.cfg", "provisioning/yealink/phone.cfg.j2"),),
    asks_for=("{mac}.boot", "y000000000000.boot", "{mac}.cfg"),
    overridden_by=("{mac}-local.cfg",),
    event="check-sync;reboot=false", reboot_event="check-sync;reboot=true", asterisk_notify="snom-check-cfg",
    form="lines",
    secret_keys=(
        "account.*.password", "static.security.user_password", "security.user_password",
        "static.auto_provision.server.password", "auto_provision.server.password", "ldap.password",
        "remote_phonebook.data.*.password", "static.network.802_1x.md5_password",
    ),
    user_agent="Yealink",
    note="The first line must be exactly #!version:1.0.0.1. An unchanged file is fetched but not applied. Obeys NOTIFY "
         "only from a proxy it trusts (sip.trust_ctrl).",
    source="wazo plugins/wazo_yealink; fusionpbx yealink/ and event_notify; manual: Auto Provisioning Guide V8x",
)

_POLY = Family(
    vendor="poly", name="ucs", title="Poly VVX, CCX, Edge E or SoundPoint IP",
    pattern=re.compile(r"(?:POLYCOM|POLY)?((?:VVX|CCX|EDGEE|SOUNDPOINTIP|SOUNDSTATIONIP|IP|TRIO)\d{2,4}[A-Z]?)"),
    models=(
        "VVX150", "VVX201", "VVX250", "VVX301", "VVX311", "VVX350", "VVX401", "VVX411", "VVX450", "VVX501", "VVX601", "CCX400",
        "CCX500", "CCX505", "CCX600", "CCX700", "EdgeE100", "EdgeE220", "EdgeE320", "EdgeE350", "EdgeE400", "EdgeE450",
        "EdgeE500", "EdgeE550", "IP331", "IP335", "IP450", "IP550", "IP650", "Trio8500", "Trio8800",
    ),
    files=(
        ConfigFile("{mac}-settings.cfg", "provisioning/poly/settings.cfg.j2"),
        ConfigFile("{mac}.cfg", "provisioning/poly/master.cfg.j2"),
    ),
    asks_for=("{mac}.cfg", "{mac}-settings.cfg", "{mac}-phone.cfg", "{mac}-web.cfg"),
    overridden_by=("{mac}-web.cfg", "{mac}-phone.cfg"),
    event="check-sync", reboot_event="check-sync", asterisk_notify="polycom-check-cfg",
    form="attributes",
    secret_keys=(
        "reg.*.auth.password", "device.auth.localAdminPassword", "device.auth.localUserPassword", "device.prov.password",
        "device.prov.redundantPassword", "httpd.cfg.password", "apps.push.password", "dir.corp.password", "qbc.connect.password",
    ),
    user_agent="Poly",
    note="Without its own <mac>.cfg it takes 000000000000.cfg. It reboots on check-sync only when a setting needs it, or when "
         "voIpProt.SIP.specialEvent.checkSync.alwaysReboot is 1.",
    source="wazo plugins/wazo_polycom; fusionpbx polycom/vvx and event_notify; asterisk; manual: UC Software 5.9/6.4",
)

_GRANDSTREAM = Family(
    vendor="grandstream", name="gs", title="Grandstream GXP, GRP, GXV or HT",
    pattern=re.compile(r"(?:GRANDSTREAM)?((?:GXP|GRP|GXV|GHP|HT|DP|WP)\d{3,4}[A-Z]{0,2}\d?)"),
    models=(
        "GXP1610", "GXP1615", "GXP1620", "GXP1625", "GXP1628", "GXP1630", "GXP1760", "GXP1780", "GXP2130", "GXP2135", "GXP2140",
        "GXP2160", "GXP2170", "GRP2602", "GRP2612", "GRP2613", "GRP2614", "GRP2615", "GRP2616", "GRP2624", "GRP2634", "GXV3370",
        "GXV3480", "HT801", "HT802", "HT812", "HT814", "DP750", "WP820",
    ),
    files=(ConfigFile("cfg{mac}.xml", "provisioning/grandstream/phone.xml.j2"),),
    asks_for=("cfg{mac}", "cfg{mac}.xml", "cfg.xml"),
    overridden_by=(),
    event="resync", reboot_event="check-sync;reboot=true", asterisk_notify="sipura-check-cfg",
    form="elements",
    secret_keys=(
        "P34", "P406", "P506", "P606", "P1706", "P1806", "P2", "P196", "P1361", "P1359", "P8024", "P7903",
    ),
    user_agent="Grandstream",
    note="An <mac> element must match the phone or be left out. Models and firmware differ in whether cfg<mac> or "
         "cfg<mac>.xml is asked for first.",
    source="wazo plugins/wazo_grandstream; fusionpbx grandstream/ and event_notify; manual: GXP21xx/GRP26xx template",
)

_CISCO_SPA = Family(
    vendor="cisco", name="spa", title="Cisco SPA",
    pattern=re.compile(r"(?:CISCO)?(SPA\d{3,4}[A-Z]?\d?)"),
    models=("SPA112", "SPA122", "SPA301", "SPA303", "SPA501G", "SPA502G", "SPA504G", "SPA508G", "SPA509G", "SPA512G", "SPA514G",
            "SPA525G", "SPA525G2", "SPA942", "SPA962"),
    files=(ConfigFile("spa{mac}.cfg", "provisioning/cisco/spa.xml.j2"),),
    asks_for=("spa{mac}.cfg",),
    overridden_by=(),
    event="resync", reboot_event="reboot_now", asterisk_notify="sipura-check-cfg",
    form="elements",
    secret_keys=("Password_*_", "Admin_Passwd", "User_Password", "Web_Login_Admin_Password", "SIP_Password_*_"),
    user_agent="Cisco/SPA",
    note="From the factory it asks for /spa$PSN.cfg (one file per model). Its Profile_Rule must be /spa$MA.cfg for a file per "
         "phone; $MA is the MAC in lower case. Resyncs only while no call is up; may ask for a digest (Auth_Resync-Reboot).",
    source="wazo plugins/wazo_cisco_spa; asterisk sipura-check-cfg, linksys-cold-restart; manual: SPA Provisioning Guide",
)

_CISCO_MPP = Family(
    vendor="cisco", name="mpp", title="Cisco multiplatform phone (3PCC)",
    pattern=re.compile(r"(?:CISCO)?(?:CP)?((?:68|78|88|98)\d{2}[A-Z]{0,2}?)(?:3PCC|MPP)?"),
    models=("6821", "6841", "6851", "6861", "6871", "7811", "7821", "7832", "7841", "7861", "8811", "8832", "8841", "8845",
            "8851", "8861", "8865", "8875", "9841", "9851", "9861", "9871"),
    files=(ConfigFile("Cisco/CP-{model}-3PCC/{mac}.cfg", "provisioning/cisco/mpp.xml.j2"),),
    asks_for=("Cisco/CP-{model}-3PCC/{mac}.cfg",),
    overridden_by=(),
    event="check-sync", reboot_event="reboot_now", asterisk_notify="cisco-check-cfg",
    form="elements",
    secret_keys=("Password_*_", "Admin_Password", "User_Password", "SIP_Password_*_", "XSI_Password", "Auth_Password_*_"),
    user_agent="Cisco-CP-",
    note="From the factory it asks for /$PSN.xml; DHCP option 66 or Profile_Rule must lead it to "
         "/Cisco/$PN/$MA.cfg. TFTP cannot make that folder: it has to be there. Resyncs only while no call is up; may ask "
         "for a digest (Auth_Resync-Reboot).",
    source="wazo, 3PCC plugin (file names); asterisk cisco-check-cfg, linksys-cold-restart; manual: 8800 MPP Provisioning Guide",
)

_SNOM = Family(
    vendor="snom", name="d-series", title="Snom desk phone",
    pattern=re.compile(r"(?:SNOM)?((?:D[C]?)?\d{3}[A-Z]?)"),
    models=("D120", "D305", "D315", "D335", "D345", "D375", "D385", "D710", "D712", "D713", "D715", "D717", "D725", "D735",
            "D745", "D765", "D785", "D812", "D815", "D862", "D865", "320", "360", "370", "720", "760", "821", "870"),
    files=(ConfigFile("snom{model}-{MAC}.htm", "provisioning/snom/phone.xml.j2"),),
    asks_for=("snom{model}.htm", "snom{model}-{MAC}.htm"),
    overridden_by=(),
    event="check-sync;reboot=false", reboot_event="check-sync;reboot=true", asterisk_notify="snom-check-cfg",
    form="elements",
    secret_keys=("user_pass", "http_pass", "admin_mode_password", "webserver_admin_password", "webserver_user_password",
                 "ldap_password", "ieee8021x_eap_md5_password"),
    user_agent="snom",
    note="The MAC in the name is in upper case. Snom's redirect service (SRAPS) wins over a local server after a factory reset.",
    source="wazo plugins/wazo_snom; fusionpbx snom/ and event_notify; asterisk snom-check-cfg",
)

FAMILIES: tuple[Family, ...] = (_YEALINK, _POLY, _GRANDSTREAM, _CISCO_SPA, _CISCO_MPP, _SNOM)
VENDORS: tuple[str, ...] = tuple(dict.fromkeys(family.vendor for family in FAMILIES))
_ALSO_CALLED = {"polycom": "poly", "linksys": "cisco"}


@functools.lru_cache(maxsize=4096)
def model_of(vendor: str, model: str) -> Model:
    """Recognises a vendor and model as people write them (``SIP-T46S``, ``vvx 411``, ``CP-8841-3PCC``).

    Raises ``Permanent`` with the nearest known names.
    """
    known = _families_of(vendor)
    squeezed = re.sub(r"[\s_-]", "", model).upper()
    for family in known:
        match = family.pattern.fullmatch(squeezed)
        if match is not None:
            return Model(family, _spelled(match[1], family))
    raise Permanent(_unknown_model(vendor, model, squeezed, known))


def _families_of(vendor: str) -> list[Family]:
    name = vendor.strip().lower()
    name = _ALSO_CALLED.get(name, name)
    known = [family for family in FAMILIES if family.vendor == name]
    if known:
        return known
    near = difflib.get_close_matches(name, [*VENDORS, *_ALSO_CALLED], n=1)
    hint = f" Did you mean {_ALSO_CALLED.get(near[0], near[0])}?" if near else ""
    raise Permanent(f"phones of vendor {vendor!r} are not known; known are {', '.join(VENDORS)}.{hint}")


def _spelled(code: str, family: Family) -> str:
    """As the list of known models spells it: ``EDGEE350`` is ``EdgeE350``."""
    return next((known for known in family.models if known.upper() == code), code)


def _unknown_model(vendor: str, model: str, squeezed: str, known: list[Family]) -> str:
    other = next((family.vendor for family in FAMILIES if family.pattern.fullmatch(squeezed)), None)
    if other is not None:
        return f"{model!r} is not a model of {vendor} but of {other}; one of the two columns is wrong."
    models = {name.upper(): name for family in known for name in family.models}
    near = [models[match] for match in difflib.get_close_matches(squeezed, models, n=3, cutoff=0.5)]
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known are {', '.join(models.values())}."
    titles = " or ".join(family.title for family in known)
    return f"{model!r} is not a model of {vendor} ({titles}). {hint}"
