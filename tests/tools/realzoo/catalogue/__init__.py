"""Every case: networks out of public packages, one module a kind."""

from realzoo.case import Case
from realzoo.catalogue import pictures, sounds, tables, texts

CASES: tuple[Case, ...] = (*pictures.CASES, *sounds.CASES, *texts.CASES, *tables.CASES)
