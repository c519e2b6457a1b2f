"""Bring the database of social_graph_svc up to date."""

from chassis.database.migrations import run
from social_graph_svc.models import Base

run("social_graph_svc", Base.metadata)
