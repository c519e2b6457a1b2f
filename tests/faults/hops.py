"""The system with a proxy on each hop between two parts, and what is done to hops."""

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path

from tests.e2e.system import System
from tests.faults import proxy
from tests.faults.own_environments import ENVIRONMENTS
from tests.faults.proxy import Fault, Proxy

FAULTS: dict[str, Callable[[random.Random], Fault]] = {
    "refuse": lambda chance: proxy.refuse,
    "black hole": lambda chance: proxy.black_hole,
    "reset": lambda chance: proxy.reset,
    "delay": lambda chance: proxy.delayed(chance.choice([0.05, 3.0])),
    "drip": lambda chance: proxy.dripping(0.05),
    "cut": lambda chance: proxy.cut_after(chance.choice([0, 1, 9, 40, 300, 2000])),
}
HOPS = (
    "gateway-NATS",
    "link_svc-NATS",
    "user_svc-NATS",
    "social_graph_svc-NATS",
    "link_svc-PostgreSQL",
    "user_svc-PostgreSQL",
    "social_graph_svc-PostgreSQL",
    "news_svc-Valkey",
    "gateway-news_svc",
)


class ProxiedSystem(System):
    """The system with a proxy on each hop."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        postgres, nats, valkey, grpc = (
            self.port(key)
            for key in (
                "EMBEDDED.POSTGRES_PORT",
                "EMBEDDED.NATS_PORT",
                "EMBEDDED.VALKEY_PORT",
                "GRPC_BIND_PORT",
            )
        )
        ports = (*[nats] * 4, *[postgres] * 3, valkey, grpc)
        self.hops = {name: Proxy(port) for name, port in zip(HOPS, ports, strict=True)}
        at = {name: f"127.0.0.1:{hop.port}" for name, hop in self.hops.items()}
        own = {
            "gateway": {
                "AMQP_URI": f"nats://{at['gateway-NATS']}",
                "NEWS_GRPC_TARGET": f"http://{at['gateway-news_svc']}",
            },
            **{
                name: {
                    "AMQP_URI": f"nats://{at[f'{name}-NATS']}",
                    "NATS_URL": f"nats://{at[f'{name}-NATS']}",
                    f"{key}_DB_URI": f"postgresql://{name}@{at[f'{name}-PostgreSQL']}/{name}",
                }
                for name, key in (
                    ("link_svc", "LINK"),
                    ("user_svc", "USER"),
                    ("social_graph_svc", "SOCIAL_GRAPH"),
                )
            },
            "news_svc": {"REDIS_URL": f"redis://{at['news_svc-Valkey']}/0"},
        }
        self.env |= {ENVIRONMENTS: json.dumps(own), "TOKEN_CACHE_SECONDS": "0.001"}
        self.command = [sys.executable, "-m", "tests.faults.own_environments"]
