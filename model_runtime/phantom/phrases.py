"""The phrases of the synthetic reports; their fields are those of a finding."""

from __future__ import annotations

from model_runtime.api import Region

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}

# Several phrasings each; the fields are those of Finding.
POSITIVE: dict[str, tuple[str, ...]] = {
    "nodule": (
        "There is a {size} mm nodule in the {place}.",
        "A {size} mm nodule is seen in the {place}.",
    ),
    "mass": (
        "There is a {size} mm mass in the {place}.",
        "A {size} mm mass is seen in the {place}.",
    ),
    "consolidation": (
        "There is consolidation in the {place}.",
        "Consolidation is seen in the {place}.",
    ),
    "ground glass": (
        "There is ground glass opacity in the {place}.",
        "Ground glass opacity is seen in the {place}.",
    ),
    "pleural effusion": (
        "There is a {degree} {place} pleural effusion.",
        "A {degree} {place} pleural effusion is seen.",
    ),
    "pneumothorax": (
        "There is a {degree} {place} pneumothorax.",
        "A {degree} {place} pneumothorax is seen.",
    ),
    "cardiomegaly": ("The heart is enlarged.", "There is cardiomegaly."),
    "pericardial effusion": (
        "There is a {degree} pericardial effusion.",
        "A {degree} pericardial effusion is seen.",
    ),
    "emphysema": ("There is {degree} emphysema.", "{degree} emphysema is seen in both lungs."),
    "coronary calcification": (
        "There is {degree} coronary artery calcification.",
        "{degree} coronary artery calcification is seen.",
    ),
    "aortic aneurysm": (
        "There is an aneurysm of the ascending aorta of {size} mm.",
        "The ascending aorta is dilated to {size} mm.",
    ),
    "lymphadenopathy": (
        "There is mediastinal lymphadenopathy.",
        "Enlarged mediastinal lymph nodes are seen.",
    ),
    "hepatic cyst": (
        "There is a {size} mm cyst in the {place}.",
        "A {size} mm cyst is seen in the {place}.",
    ),
    "hepatic metastases": (
        "There are {number} hypodense liver lesions up to {size} mm, in keeping with metastases.",
        "{number} liver metastases are seen, the largest {size} mm.",
    ),
    "steatosis": ("There is {degree} hepatic steatosis.", "The liver shows {degree} steatosis."),
    "gallstones": ("There are gallstones.", "Stones are seen in the gallbladder."),
    "renal cyst": (
        "There is a {size} mm cyst of the {place} kidney.",
        "A {size} mm cyst is seen in the {place} kidney.",
    ),
    "renal stone": (
        "There is a {size} mm stone in the {place} kidney.",
        "A {size} mm stone is seen in the {place} kidney.",
    ),
    "hydronephrosis": (
        "There is {degree} {place} hydronephrosis.",
        "{degree} {place} hydronephrosis is seen.",
    ),
    "splenomegaly": (
        "The spleen is enlarged, measuring {size} mm.",
        "There is splenomegaly of {size} mm.",
    ),
    "ascites": ("There is {degree} volume ascites.", "{degree} volume ascites is seen."),
    "abdominal aortic aneurysm": (
        "There is an abdominal aortic aneurysm of {size} mm.",
        "The abdominal aorta is dilated to {size} mm.",
    ),
    "intracerebral haemorrhage": (
        "There is a {size} mm haemorrhage in the {place} lobe.",
        "A {size} mm haemorrhage is seen in the {place} lobe.",
    ),
    "subdural haematoma": (
        "There is a {place} subdural haematoma of {size} mm.",
        "A {place} subdural haematoma of {size} mm is seen.",
    ),
    "infarct": (
        "There is an infarct in the {place} lobe.",
        "An infarct is seen in the {place} lobe.",
    ),
    "hydrocephalus": (
        "There is {degree} hydrocephalus.",
        "The ventricles show {degree} enlargement.",
    ),
}

NEGATIVE: dict[Region, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = {
    Region.CHEST: (
        (("nodule", "mass"), ("No nodule or mass.", "No pulmonary nodule or mass is seen.")),
        (("consolidation", "ground glass"), ("No consolidation.", "No focal lung opacity.")),
        (("pleural effusion",), ("No pleural effusion.", "No pleural effusion is seen.")),
        (("pneumothorax",), ("No pneumothorax.", "No pneumothorax is seen.")),
        (("cardiomegaly",), ("The heart size is normal.", "Normal heart size.")),
        (("pericardial effusion",), ("No pericardial effusion.",)),
        (("lymphadenopathy",), ("No enlarged lymph nodes.", "No lymphadenopathy.")),
        (("aortic aneurysm",), ("The aorta is of normal calibre.",)),
    ),
    Region.ABDOMEN: (
        (
            ("hepatic cyst", "hepatic metastases", "steatosis"),
            ("The liver is normal.", "No liver lesion is seen."),
        ),
        (("gallstones",), ("No gallstones.", "The gallbladder is normal.")),
        (("splenomegaly",), ("The spleen is normal.", "The spleen is of normal size.")),
        (
            ("renal cyst", "renal stone", "hydronephrosis"),
            ("Both kidneys are normal.", "The kidneys are normal."),
        ),
        (("abdominal aortic aneurysm",), ("The aorta is of normal calibre.",)),
        (("ascites",), ("No ascites.", "No free fluid.")),
    ),
    Region.HEAD: (
        (
            ("intracerebral haemorrhage", "subdural haematoma"),
            ("No intracranial haemorrhage.", "No haemorrhage is seen."),
        ),
        (("infarct",), ("No infarct.", "No infarct is seen.")),
        (("hydrocephalus",), ("The ventricles are of normal size.",)),
    ),
}

SHORT: dict[str, str] = {
    "nodule": "{place} nodule",
    "mass": "{place} mass",
    "consolidation": "{place} consolidation",
    "ground glass": "{place} ground glass opacity",
    "pleural effusion": "{degree} {place} pleural effusion",
    "pneumothorax": "{degree} {place} pneumothorax",
    "hepatic cyst": "hepatic cyst",
    "renal cyst": "{place} renal cyst",
    "renal stone": "{place} renal stone",
    "hydronephrosis": "{place} hydronephrosis",
    "aortic aneurysm": "aneurysm of the ascending aorta",
    "intracerebral haemorrhage": "{place} haemorrhage",
    "subdural haematoma": "{place} subdural haematoma",
    "infarct": "{place} infarct",
    "lymphadenopathy": "mediastinal lymphadenopathy",
}
