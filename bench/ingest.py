"""Payloads a second into the database: ingest_instagram against a Python service that does the same work."""

import statistics
import time

from psycopg.pq import ExecStatus

from figures import DB_URL, Table, connect, run_sql
from payloads import Variants, templates
from python_service import Service

ROUNDS = 7
PAYLOADS = 40  # a round and contestant


class Extension:
    """Through libpq alone, as lean a client as the sidecar is."""

    def __init__(self, url):
        self.raw = connect(url).pgconn
        self.raw.prepare(b"ingest", b"select analytics_private.ingest_instagram($1::json)")

    def ingest(self, text):
        result = self.raw.exec_prepared(b"ingest", [text.encode()])
        if result.status != ExecStatus.TUPLES_OK:
            raise SystemExit(result.error_message.decode())


def rate(contestant, texts):
    started = time.perf_counter()
    for text in texts:
        contestant.ingest(text)
    return len(texts) / (time.perf_counter() - started)


def main():
    run_sql("ingest.sql")
    contestants = {"extension": Extension(DB_URL), "python": Service(DB_URL, tuned=False), "tuned": Service(DB_URL, tuned=True)}
    table = Table()
    number = 0
    for name, answer in templates().items():
        variants = Variants(answer)
        first = {who: [] for who in contestants}
        again = {who: [] for who in contestants}
        for round in range(ROUNDS):
            if round == 1:  # what came before only warmed up; in a running service the tables have been analyzed too
                with connect() as connection:
                    connection.execute("vacuum analyze")
            for who, contestant in contestants.items():
                texts = [variants.make(number + position) for position in range(PAYLOADS)]
                number += PAYLOADS
                first[who].append(rate(contestant, texts))
                texts = [variants.recaptured(text, position) for position, text in enumerate(texts)]
                again[who].append(rate(contestant, texts))
        size = f"{name}, {len(variants.posts)} posts, {len(variants.text) // 1000} kB"
        for what, rates in ((size, first), (f"{size}, captured again", again)):
            median = {who: statistics.median(values[1:]) for who, values in rates.items()}
            target = "5x, aim 7x" if rates is first else ""
            for who, title in (("python", "SQLAlchemy 2 + psycopg 3"), ("tuned", "same, payload sent as text")):
                table.add(what, f"{median['extension']:.0f}/s", title, f"{median[who]:.0f}/s",
                          f"{median['extension'] / median[who]:.1f}x", target if who == "python" else "")
    check()
    table.show()


def check():
    """Both stored the same posts; otherwise the figures compare nothing."""
    with connect() as connection:
        ours, theirs = (connection.execute(f"""
            select count(*), sum(likes_count), sum(comments_count), (select count(*) from {schema}.mentions),
              (select sum(comments_analyzed) from {schema}.comment_sentiment), (select count(*) from {schema}.profile_history)
            from {schema}.profile_posts""").fetchone() for schema in ("analytics", "plain"))
        # Two services wrote to "plain".
        if theirs != tuple(number and number * 2 for number in ours):
            raise SystemExit(f"not the same work: {ours}, and by two services {theirs}")


main()
