"""croissant.json: the data set for machines, as Croissant 1.1 with the responsible-AI and provenance vocabularies."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from hfv_builder.release.dataset import Dataset
from hfv_builder.release.layout import METADATA
from hfv_builder.release.metadata import DESCRIPTIONS, NAMES, SCHEMA

FILE = "croissant.json"
CONFORMS_TO = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "prov": "http://www.w3.org/ns/prov#",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
TYPES = {"string": "sc:Text", "bool": "sc:Boolean", "int64": "sc:Integer", "int32": "sc:Integer", "double": "sc:Float"}
LABELS = "labels"


def croissant(dataset: Dataset, sums: Mapping[str, str], stages: Iterable[str]) -> str:
    """Return the file's text.

    Args:
        sums: SHA-256 of every metadata.parquet, by path relative to the release.
        stages: what was done to make the data set, a sentence each.
    """
    settings = dataset.settings
    content: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS_TO),
        "name": dataset.name.name,
        "alternateName": settings.title,
        "description": settings.description,
        "license": settings.licence_url,
        "url": settings.url,
        "version": dataset.name.version,
        "datePublished": settings.date_published,
        "inLanguage": list(settings.language),
        "keywords": list(settings.keywords),
        "citeAs": settings.citation.strip(),
        "isLiveDataset": False,
        "creator": [_creator(vars(creator)) for creator in settings.creators],
    }
    content |= _responsible(dataset, stages)
    content["distribution"] = [_metadata_file(path, sums[path]) for path in sorted(sums) if path.endswith(METADATA)]
    if dataset.media != "none":
        content["distribution"] += [_media_files(folder, dataset.sharded) for folder in dataset.by_folder]
    content["recordSet"] = [_labels(), *(_clips(folder) for folder in dataset.by_folder)]
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _responsible(dataset: Dataset, stages: Iterable[str]) -> dict[str, Any]:
    rai = dataset.settings.rai
    return {
        "rai:dataLimitations": rai.limitations,
        "rai:dataBiases": rai.biases,
        "rai:personalSensitiveInformation": rai.personal_sensitive_information,
        "rai:dataUseCases": rai.use_cases,
        "rai:dataSocialImpact": rai.social_impact,
        "rai:hasSyntheticData": bool((~dataset.rows["is_real"].astype(bool)).any()),
        "rai:dataAnnotationProtocol": (
            "Inside each generator clips are ranked by three anomaly scores; a clip gets the label of its smallest "
            "rank, and reviewers may confirm, change or reject it."
        ),
        "rai:machineAnnotationTools": [f"hfv-builder, profile {dataset.profile}"],
        "prov:wasDerivedFrom": [
            {"@type": "prov:Entity", "@id": source.url or f"urn:source:{generator}", "prov:label": source.name}
            for generator, source in sorted(dataset.sources.items())
        ],
        "prov:wasGeneratedBy": [
            {"@type": "prov:Activity", "@id": f"#step-{number}", "prov:label": stage}
            for number, stage in enumerate(stages, 1)
        ],
    }


def _creator(facts: Mapping[str, str]) -> dict[str, Any]:
    creator: dict[str, Any] = {
        "@type": "sc:Person" if facts["affiliation"] else "sc:Organization",
        "name": facts["name"],
    }
    if facts["affiliation"]:
        creator["affiliation"] = {"@type": "sc:Organization", "name": facts["affiliation"]}
    return creator | ({"url": facts["url"]} if facts["url"] else {})


def _metadata_file(path: str, sha256: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "description": "A row per clip of this folder.",
        "contentUrl": path,
        "encodingFormat": "application/x-parquet",
        "sha256": sha256,
    }


def _media_files(folder: str, sharded: bool) -> dict[str, Any]:
    kind, files = ("application/x-tar", "*.tar") if sharded else ("video/mp4", "**/*.mp4")
    return {
        "@type": "cr:FileSet",
        "@id": f"{folder}/clips",
        "name": f"{folder}/clips",
        "description": "The clips of this folder; their checksums are in SHA256SUMS.",
        "encodingFormat": kind,
        "includes": f"{folder}/{files}",
    }


def _labels() -> dict[str, Any]:
    fields = {"id": "sc:Integer", "name": "sc:Text"}
    return {
        "@type": "cr:RecordSet",
        "@id": LABELS,
        "name": LABELS,
        "description": "The classes, with the ids of the HFV paper.",
        "dataType": "sc:Enumeration",
        "key": {"@id": f"{LABELS}/id"},
        "field": [
            {"@type": "cr:Field", "@id": f"{LABELS}/{name}", "name": name, "dataType": kind}
            for name, kind in fields.items()
        ],
        "data": [{f"{LABELS}/id": number, f"{LABELS}/name": name} for number, name in enumerate(NAMES)],
    }


def _clips(folder: str) -> dict[str, Any]:
    """Return the record set of a folder; `box`, which is no plain value, is left to readers of Parquet."""
    name = folder.removeprefix("data/")
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"The clips of {folder}.",
        "key": {"@id": f"{name}/clip_id"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{field.name}",
                "name": field.name,
                "description": DESCRIPTIONS[field.name],
                "dataType": TYPES[str(field.type)],
                "source": {"fileObject": {"@id": f"{folder}/{METADATA}"}, "extract": {"column": field.name}},
                **({"references": {"field": {"@id": f"{LABELS}/id"}}} if field.name == "label" else {}),
            }
            for field in SCHEMA
            if not pa.types.is_struct(field.type)
        ],
    }
