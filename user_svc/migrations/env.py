"""Bring the database of user_svc up to date."""

from chassis.database.migrations import run
from user_svc.models import Base

run("user_svc", Base.metadata)
