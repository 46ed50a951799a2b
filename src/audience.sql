-- What makes a type of the functions in audience.rs.

create type analytics.audience (
  input = analytics.audience_in,
  output = analytics.audience_out,
  receive = analytics.audience_recv,
  send = analytics.audience_send,
  internallength = variable,
  alignment = int4,
  storage = extended
);
comment on type analytics.audience is
$$distributions over one dimension (ages, countries, hours …), merged: sums of people and of shares with their base, and what was unknown; written as JSON
Tables store it as bytea: the casts both ways cost nothing, and every function checks what it reads (XX001 when the bytes are damaged or no audience).$$;

create cast (bytea as analytics.audience) without function;
create cast (analytics.audience as bytea) without function as assignment;
create cast (jsonb as analytics.audience) with function analytics.audience_from_jsonb(jsonb);
create cast (analytics.audience as jsonb) with function analytics.audience_to_jsonb(analytics.audience);

create aggregate analytics.audience_merge(jsonb) (
  sfunc = analytics_private.merge_document, stype = internal, sspace = 16384, finalfunc = analytics_private.merge_end, combinefunc = analytics_private.merge_combine,
  serialfunc = analytics_private.merge_serialize, deserialfunc = analytics_private.merge_deserialize, parallel = safe);
create aggregate analytics.audience_merge(jsonb, double precision) (
  sfunc = analytics_private.merge_weighted, stype = internal, sspace = 16384, finalfunc = analytics_private.merge_end, combinefunc = analytics_private.merge_combine,
  serialfunc = analytics_private.merge_serialize, deserialfunc = analytics_private.merge_deserialize, parallel = safe);
create aggregate analytics.audience_rollup(analytics.audience) (
  sfunc = analytics_private.merge_audience, stype = internal, sspace = 16384, finalfunc = analytics_private.merge_end, combinefunc = analytics_private.merge_combine,
  serialfunc = analytics_private.merge_serialize, deserialfunc = analytics_private.merge_deserialize, parallel = safe);

comment on aggregate analytics.audience_merge(jsonb) is
$$one audience of distributions over the same dimension, in any order: counts are added, shares are weighed by the size of their audience
distribution: [{"country": "US", "count": 3000}] with range, gender, city, hour or day in place of country and share, activity (0 to 1) or percentage in place of count; {"US": 3000}; {"US": 0.3}; Meta's breakdowns or whole answers; texts like 'Nigeria: 60.1%, India: 4.2%'. {"base": 5000, "distribution": …} says how many people it is about; shares without that all weigh the same.
NULL and empty distributions are counted as unknown, never as zeros; what cannot be read is left out and counted with the reason. NULL without any row. Errors: 54000 above 65536 keys, 22003 for sums above 3.4e20.
Example: select analytics.audience_share(analytics.audience_merge(countries), 'US') = 0.75 from (values ('{"US": 2, "FR": 2}'::jsonb), ('[{"country": "us", "count": 4}]')) as accounts (countries)$$;
comment on aggregate analytics.audience_merge(jsonb, double precision) is
$$audience_merge with the number of people each distribution is about; NULL is as without
weight: people; a share counts by it, a count keeps its value and is a share of it. It comes before a base in the document; a distribution of counts has at least as many people as they add up to.
Example: select round(analytics.audience_share(analytics.audience_merge(genders, followers), 'F')::numeric, 2) = 0.35 from (values ('{"female": 0.5, "male": 0.5}'::jsonb, 1000), ('{"F": 0.3, "M": 0.7}', 3000)) as accounts (genders, followers)$$;
comment on aggregate analytics.audience_rollup(analytics.audience) is
$$one audience of audiences: a month of its days. The same to the bit as merging all documents at once; NULL is left out
Example: select analytics.audience_share(analytics.audience_rollup(countries), 'US') = 0.75 from (values ('{"US": 2, "FR": 2}'::analytics.audience), ('{"US": 4}')) as days (countries)$$;

comment on function analytics.audience_share(analytics.audience, text) is
$$share of a key, 0 to 1: people with it by all people; NULL when no distribution lists it
key: in any form in which distributions have it (male or M, us or US). Where a distribution that does not list the key was merged too, the share is the least it can be.
Example: select analytics.audience_share('{"US": 3000, "FR": 1000}', 'us') = 0.75$$;
comment on function analytics.audience_base(analytics.audience) is
$$how many people the shares refer to, summed over all distributions; NULL when no distribution says
Somebody who is in several audiences counts in each.
Example: select analytics.audience_base('{"US": 3000, "FR": 1000}') = 4000$$;
comment on function analytics.audience_documents(analytics.audience) is
$$how many distributions the shares are made of
Example: select analytics.audience_documents('{"US": 3000, "FR": 1000}') = 1$$;
comment on function analytics.audience_top(analytics.audience, integer) is
$$the keys with the largest shares, at most n of them; all with NULL
count: people, as far as distributions with counts list the key, else NULL. share: 0 to 1. Errors: 22003 for a count above bigint.
Example: select array_agg(key order by place) = '{US,FR}' from analytics.audience_top('{"FR": 1000, "US": 3000, "DE": 5}', 2)$$;
alter function analytics.audience_top(analytics.audience, integer) rows 10;
comment on function analytics.affinity(analytics.audience, analytics.audience, double precision) is
$$how much more frequent each key is in an audience than in a baseline: share here divided by share there, largest first
least_share: keys with a smaller share here are left out. affinity: 2 is twice as frequent; NULL when the baseline does not know the key or has a share of 0, and of shares against activity.
Example: select affinity = 1.5 from analytics.affinity('{"US": 3, "FR": 1}', '{"US": 2, "FR": 2}') where key = 'US'$$;
alter function analytics.affinity(analytics.audience, analytics.audience, double precision) rows 50;
comment on function analytics.audience_in(cstring) is
$$the audience of a JSON text: as it is written out, or one distribution
Errors: 22P02 for anything else.
Example: select analytics.audience_base(analytics.audience_in('{"US": 3000}')) = 3000$$;
comment on function analytics.audience_out(analytics.audience) is
$$the audience as JSON text
Example: select analytics.audience_out('{"US": 3000}')::text::jsonb -> 'base' = '3000'$$;
comment on function analytics.audience_recv(internal) is
$$the audience of a binary message, checked to the last byte
Errors: 22P03 for bytes that are no audience. Called by the server only.
Example: select pg_typeof('{"US": 1}'::analytics.audience) = 'analytics.audience'::regtype$$;
comment on function analytics.audience_send(analytics.audience) is
$$the audience as bytes, as it is stored
Example: select get_byte(analytics.audience_send('{"US": 1}'), 0) = 1$$;
comment on function analytics.audience_from_jsonb(jsonb) is
$$the audience of one distribution, or of an audience as JSON; also a cast
Errors: 22023 for a document that is neither.
Example: select analytics.audience_base(analytics.audience_from_jsonb('{"US": 3000}')) = 3000$$;
comment on function analytics.audience_to_jsonb(analytics.audience) is
$$all that an audience holds, numbers exact; also a cast
Returns {measure: share or activity, weighting: base or equal, base, documents, left_out, unknown, empty, unreadable: {reason: documents}, kinds: {kind: {documents, base}}, keys: [{key, share, counts: {listed, sum} …}]}; kinds are counts, shares, shares_without_base, activity, activity_without_base.
Example: select analytics.audience_to_jsonb('{"US": 3000}') -> 'documents' = '1'$$;
