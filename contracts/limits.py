"""How large things may be at most: what the services enforce and the public API says.

The tables repeat the limits of a link, so that to raise one takes a migration; config.yaml may only
lower what a request asks for. See docs/adr/0021.
"""

URL_LENGTH = 2048
TITLE_LENGTH = 512
DESCRIPTION_LENGTH = 4096
TAG_LENGTH = 64
TAGS = 32

REGEX_LENGTH = 256
QUERY_LENGTH = 512
QUERY_TERMS = 32
QUERY_DEPTH = 8
PAGE_SIZE = 10
LARGEST_PAGE = 100
BULK_CHANGES = 100
