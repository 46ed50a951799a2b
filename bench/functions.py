"""What one call costs, over an empty loop."""

from figures import Table, claims, connect

CALLS = 20_000
ROUNDS = 15
USER = "00000000-0000-4000-8000-000000000001"
CAPTION = "Morning light over the harbour with @friend and @other.one, what a lovely day! #sea #light"
EXPRESSIONS = {
    "may_read_profile, open": "analytics_private.may_read_profile(open_profile)",
    "may_read_profile, closed": "analytics_private.may_read_profile(closed_profile)",
    "user_id": "analytics_private.user_id()",
    "engagement_rate_by_followers": "analytics.engagement_rate_by_followers(n, 7, 1000)",
    "extract_mentions": "analytics.extract_mentions(caption)",
    "extract_hashtags": "analytics.extract_hashtags(caption)",
    "sentiment": "analytics.sentiment(caption)",
    "uuidv7": "analytics.uuidv7()",
    "gen_random_uuid, for comparison": "gen_random_uuid()",
    "lower(caption), for comparison": "lower(caption)",
}


def prepare(connection):
    connection.execute(f"""
        insert into auth.users (id, email) values ('{USER}', 'user@example.org');
        insert into analytics.profiles (username, captured_at) values ('open', now()), ('closed', now());
        select set_config('request.jwt.claims', '{claims(USER)}', false)""")
    connection.execute("select analytics.unlock_profile('open')")
    connection.execute("set max_parallel_workers_per_gather = 0; set jit = off")


def nanoseconds(connection, expression):
    """The least of all rounds: whatever else the machine does only adds."""
    query = f"""
        select count({expression})
        from (select n, '{CAPTION}' || n % 7 as caption, (select id from analytics.profiles where username = 'open') as open_profile,
                (select id from analytics.profiles where username = 'closed') as closed_profile
              from generate_series(1, {CALLS}) as n offset 0) calls"""
    return min(connection.execute("explain (analyze, timing off, summary on, format json) " + query).fetchone()[0][0]["Execution Time"]
               for _ in range(ROUNDS)) * 1e6 / CALLS


def main():
    with connect() as connection:
        prepare(connection)
        nothing = nanoseconds(connection, "n")
        table = Table()
        for what, expression in EXPRESSIONS.items():
            table.add(what, f"{nanoseconds(connection, expression) - nothing:.0f} ns")
        table.show()


main()
