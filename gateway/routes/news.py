"""The news."""

from gateway import answers, clients, parameters
from gateway.api import Call, api


class News:
    """Read the news."""

    news: clients.News

    @api("GET", "news", scope="read", takes=parameters.NewsQuery, answers=answers.NewsPage)
    def get_news(self, call: Call[parameters.NewsQuery]) -> answers.NewsPage:
        """Tell what the people whom the caller follows did."""
        return answers.news(self.news.get_news(call.username, **call.params))
