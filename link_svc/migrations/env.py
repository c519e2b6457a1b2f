"""Bring the database of link_svc up to date."""

from chassis.database.migrations import run
from link_svc.models import Base

run("link_svc", Base.metadata)
