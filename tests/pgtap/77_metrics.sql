-- Numbers of accounts over time: every capture is kept, nothing unknown is a number, and every number can be traced.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('olga@example.com') as owner, pg_temp.sign_up('ed@example.com') as editor, pg_temp.sign_up('ana@example.com') as analyst, pg_temp.sign_up('sam@example.com') as stranger \gset
select pg_temp.personal_workspace(:'owner') as studio, pg_temp.personal_workspace(:'stranger') as elsewhere \gset
insert into analytics.workspace_members (workspace_id, user_id, role) values (:'studio', :'editor', 'editor'), (:'studio', :'analyst', 'analyst');
select analytics_private.set_plan(w, 'premium') from unnest(array[:'studio', :'elsewhere']::uuid[]) w \g /dev/null

create function pg_temp.account(number integer) returns uuid language sql immutable as $$ select ('0195c3a0-0000-7000-8000-' || 900000000000 + number)::uuid $$;
insert into analytics.social_accounts (workspace_id, id, platform, handle, created_by)
values (:'studio', pg_temp.account(1), 'instagram', 'one', :'owner'), (:'studio', pg_temp.account(2), 'tiktok', 'two', :'owner'), (:'elsewhere', pg_temp.account(3), 'instagram', 'three', :'stranger'),
  (:'studio', pg_temp.account(4), 'instagram', 'four', :'owner');
create function pg_temp.state_of(statement text) returns text language sql as $$ select coalesce(pg_temp.error_of(statement) ->> 'state', 'fine') $$;
-- One capture of one metric.
create function pg_temp.put(metric text, measured_at timestamptz, value bigint, captured_at timestamptz default null, number integer default 1) returns text language sql as $$
  select analytics.record_metrics(pg_temp.account(number), metrics => array[metric], measured_at => array[measured_at], metric_values => array[value],
    captured_at => coalesce(captured_at, measured_at + interval '1 hour')) ->> 'recorded'
$$;
-- A value a day from a day on; null: no capture of that day.
create function pg_temp.days(metric text, first_day timestamptz, day_values bigint[], number integer default 1) returns void language sql as $$
  select pg_temp.put(metric, first_day + (place - 1) * interval '1 day', value, null, number) from unnest(day_values) with ordinality as v (value, place) where value is not null
$$;

-- Recording ------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'editor');
select is(analytics.record_metrics(pg_temp.account(1), '[{"metric": "views", "measured_at": "2026-03-01", "captured_at": "2026-03-02T06:00:00Z", "value": 100},
  {"metric": "views", "measured_at": "2026-03-01", "captured_at": "2026-03-04T06:00:00+0000", "value": "120"},
  {"metric": "reach", "measured_at": 1772323200, "captured_at": "2026-03-02T06:00:00Z", "value": null, "reason": "too few followers"}]') - 'account_id' - 'first_measured_at' - 'last_measured_at' - 'first_captured_at' - 'last_captured_at',
  '{"recorded": 3, "repeated": 0}', 'captures are stored, a restated value beside the first');
select is(analytics.record_metrics(pg_temp.account(1), '[{"metric": "views", "measured_at": "2026-03-01", "captured_at": "2026-03-02T06:00:00Z", "value": 100},
  {"metric": "views", "measured_at": "2026-03-01", "captured_at": "2026-03-02T06:00:00Z", "value": 100}]') ->> 'repeated', '2', 'what is there already is not stored again');
select is(analytics.record_metrics(pg_temp.account(1), '[]') ->> 'recorded', '0', 'an empty list is nothing');
select is(pg_temp.error_of($$select pg_temp.put('views', '2026-03-01', 99, '2026-03-02 06:00Z')$$) ->> 'state', 'PT409', 'another value for the same capture is a conflict');
select is(pg_temp.error_of($$select analytics.record_metrics(pg_temp.account(1), '[{"metric": "saves", "measured_at": "2026-03-01", "captured_at": "2026-03-02", "value": 1},
  {"metric": "saves", "measured_at": "2026-03-01", "captured_at": "2026-03-02", "value": 2}]')$$) ->> 'state', 'PT409', 'and so are two values for one capture in one list');
select is((e ->> 'state') || ' ' || coalesce(nullif(e ->> 'detail', '')::jsonb -> 'positions' ->> 0, nullif(e ->> 'detail', '')::jsonb ->> 'field', ''), t.expected, t.expected || ': ' || t.statement)
from (values
  ($$select analytics.record_metrics(pg_temp.account(1), '[{"metric": "stars", "measured_at": "2026-03-01", "value": 1}]')$$, 'PT400 metric'),
  ($$select analytics.record_metrics(pg_temp.account(2), '[{"metric": "reach", "measured_at": "2026-03-01", "value": 1}]')$$, 'PT400 metric'),
  ($$select analytics.record_metrics(pg_temp.account(1), '[{"metric": "views", "measured_at": "2026-03-01", "value": 1}, {"metric": "views", "measured_at": "2026-03-02", "value": 1.5}]')$$, 'PT400 2'),
  ($$select analytics.record_metrics(pg_temp.account(1), '[{"metric": "views", "measured_at": "2026-03-01", "captured_at": "2026-02-01", "value": 1}]')$$, 'PT400 1'),
  ($$select analytics.record_metrics(pg_temp.account(1), '[{"metric": "views", "measured_at": "2199-03-01", "captured_at": "2199-03-01", "value": 1}]')$$, 'PT400 1'),
  ($$select analytics.record_metrics(pg_temp.account(1), '[{"metric": "views", "measured_at": "2026-03-01", "value": -1}]')$$, 'PT400 1'),
  ($$select analytics.record_metrics(pg_temp.account(1), '[{"metric": "views", "measured_at": "2026-03-01", "value": 1000000000000001}]')$$, 'PT400 1'),
  ($$select analytics.record_metrics(pg_temp.account(1), '{"metric": "views"}')$$, 'PT400 '),
  ($$select analytics.record_metrics(pg_temp.account(1))$$, 'PT400 '),
  ($$select analytics.record_metrics(pg_temp.account(1), '[]', metrics => '{}')$$, 'PT400 '),
  ($$select analytics.record_metrics(pg_temp.account(1), metrics => '{views}', measured_at => '{2026-03-01,2026-03-02}', metric_values => '{1}')$$, 'PT400 '),
  ($$select analytics.record_metrics(pg_temp.account(1), metrics => '{{views}}', measured_at => '{{2026-03-01}}', metric_values => '{{1}}')$$, 'PT400 '),
  ($$select analytics.record_metrics(pg_temp.account(1), metrics => '{NULL}', measured_at => '{2026-03-01}', metric_values => '{1}')$$, 'PT400 metric'),
  ($$select analytics.record_metrics(pg_temp.account(1), metrics => '{views}', measured_at => '{NULL}', metric_values => '{1}')$$, 'PT400 1'),
  ($$select analytics.record_metrics(pg_temp.account(1), '[]', captured_at => 'infinity')$$, 'PT400 captured_at'),
  ($$select analytics.record_metrics(pg_temp.account(1), '[]', source => 'Not a word!')$$, 'PT400 source'),
  ($$select analytics.record_metrics(pg_temp.account(3), '[]')$$, 'PT404 '),
  ($$select analytics.record_metrics(gen_random_uuid(), '[]')$$, 'PT404 '),
  ($$select analytics.record_metrics(null, '[]')$$, 'PT404 ')) t (statement, expected), lateral pg_temp.error_of(t.statement) e;
select is((select count(*) from analytics.metrics_snapshots), 3::bigint, 'a refused list leaves nothing');
select pg_temp.act_as(:'analyst');
select is(pg_temp.state_of($$select analytics.record_metrics(pg_temp.account(1), '[]')$$), 'PT403', 'analysts do not record');
select pg_temp.act_with('', 'anon');
select is(pg_temp.state_of($$select analytics.record_metrics(pg_temp.account(1), '[]')$$), 'PT401', 'nor does nobody');
select pg_temp.act_as_superuser();
select is((select array_agg(l.action || ' ' || (l.metadata ->> 'recorded')) from analytics.audit_logs l where l.action = 'metrics.recorded' and l.workspace_id = :'studio'), '{"metrics.recorded 3"}', 'one audit record for a call that stored something');
select pg_temp.act_as(:'editor');
select is(pg_temp.state_of($$insert into analytics.metrics_snapshots values (gen_random_uuid(), gen_random_uuid(), 'views', now(), now(), 1, null, 'x')$$), '42501', 'nobody writes captures directly');
select is(pg_temp.state_of($$update analytics.top_content set reach = 1$$), '42501', 'nor posts');

-- A list of thousands goes another way than one of a few, and says the same.
create function pg_temp.many(how_many integer, offset_by integer default 0, twice boolean default false, wrong boolean default false) returns text language sql as $$
  select json_agg(json_build_object('metric', 'replies', 'measured_at', '2025-06-01'::timestamptz + n * interval '1 minute', 'captured_at', '2025-07-01', 'value', case when wrong and n = 7 then -5 else n end) order by n)::text
  from (select generate_series(offset_by, offset_by + how_many - 1) union all select offset_by + 3 where twice) m (n)
$$;
select pg_temp.act_as(:'editor');
select is(analytics.record_metrics(pg_temp.account(4), pg_temp.many(3000)) ->> 'recorded', '3000', 'thousands at once');
select is((select jsonb_build_array(a -> 'recorded', a -> 'repeated') from analytics.record_metrics(pg_temp.account(4), pg_temp.many(3000, 1000)) a), '[1000, 2000]', 'of which some are there');
select is((select jsonb_build_array(a -> 'recorded', a -> 'repeated') from analytics.record_metrics(pg_temp.account(4), pg_temp.many(2000, 4000, twice => true)) a), '[2000, 1]', 'or come twice');
select is(pg_temp.state_of($$select analytics.record_metrics(pg_temp.account(4), replace(pg_temp.many(2000, 6000), '"value" : 6003', '"value" : null'))$$), 'fine', 'unknown ones too');
select is(pg_temp.state_of($$select analytics.record_metrics(pg_temp.account(4), replace(pg_temp.many(2000), '"value" : 1003', '"value" : 9'))$$), 'PT409', 'another value is a conflict');
select is(pg_temp.state_of($$select analytics.record_metrics(pg_temp.account(4), pg_temp.many(2000, wrong => true))$$), 'PT400', 'a bad one refuses all');
select pg_temp.act_as(:'owner');
select analytics.remove_account(pg_temp.account(4), true) \g /dev/null
select pg_temp.act_as_superuser();
insert into analytics.social_accounts (workspace_id, id, platform, handle, created_by) values (:'studio', pg_temp.account(4), 'instagram', 'four', :'owner');

-- As it was known ------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'analyst');
select results_eq($$select value, captured_at, captures from analytics.metrics(pg_temp.account(1), '2026-03-01', '2026-03-02', metrics => '{views}')$$,
  $$values (120::bigint, '2026-03-04 06:00Z'::timestamptz, 2::bigint)$$, 'the newest capture counts');
select results_eq($$select value, captures from analytics.metrics(pg_temp.account(1), '2026-03-01', '2026-03-02', '2026-03-03', '{views}')$$, $$values (100::bigint, 1::bigint)$$, 'as known before it was restated');
select is_empty($$select from analytics.metrics(pg_temp.account(1), '2026-03-01', '2026-03-02', '2026-03-01 12:00Z') where value is not null$$, 'and nothing before the first');
select results_eq($$select metric, value, reason from analytics.metrics(pg_temp.account(1), '2026-03-01', '2026-03-02', metrics => '{impressions,likes,reach,follows,views}')$$,
  $$values ('reach', null::bigint, 'too few followers'), ('views', 120, null), ('follows', null, 'not captured in this period; the platform answers nothing below 100 followers'),
    ('impressions', null, 'withdrawn by the platform on 2025-04-21; use views'), ('likes', null, 'not captured in this period')$$,
  'what has no value says why, and breaks nothing else');
select is((select reason from analytics.metrics(pg_temp.account(2), '2026-03-01', '2026-03-02', metrics => '{reach}')), 'not offered by the API for accounts', 'a platform that never had a metric says so');
select results_eq($$select metric, value, reason from analytics.metrics(pg_temp.account(2), '2026-03-01', '2026-03-02', metrics => '{views,followers}')$$,
  $$values ('followers', null::bigint, 'not captured in this period'), ('views', null, 'not offered by tiktok')$$, 'what only others have is unknown, and no mistake');
select is((select reason from analytics.metrics(pg_temp.account(1), '2025-01-01', '2025-02-01', metrics => '{views}')), 'offered by the platform since 2025-04-21', 'and one that had it later too');
select is((select reason from analytics.metrics(pg_temp.account(1), '2025-01-01', '2025-02-01', metrics => '{impressions}')), 'not captured in this period; withdrawn by the platform on 2025-04-21, use views', 'before it was withdrawn it could have been captured');
select is(pg_temp.state_of(t.s), t.expected, t.s) from (values
  ($$select * from analytics.metrics(pg_temp.account(3))$$, 'PT404'), ($$select * from analytics.metrics(pg_temp.account(1), metrics => '{stars}')$$, 'PT400'),
  ($$select * from analytics.metrics(pg_temp.account(1), '2026-03-02', '2026-03-01')$$, 'PT400'), ($$select * from analytics.metrics(pg_temp.account(1), '-infinity', now())$$, 'PT400')) t (s, expected);
select pg_temp.act_as(:'stranger');
select is_empty('select from analytics.metrics_snapshots', 'a stranger sees no capture');
select is(pg_temp.state_of($$select * from analytics.growth(pg_temp.account(1))$$), 'PT404', 'and no growth');

-- Time lines -----------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'editor');
select pg_temp.days('followers', '2026-03-02 12:00Z', array[1000, 1010, null, null, 1050, 1040]) \g /dev/null
select pg_temp.days('views', '2026-03-02', array[10, 20, 30, 40, 50, 60, 70, 80]) \g /dev/null
select pg_temp.days('reach', '2026-03-02', array[5, 6, 7]), pg_temp.put(m, '2026-03-20', 3) from unnest('{likes,comments,shares}'::text[]) m \g /dev/null
select pg_temp.act_as(:'analyst');
select results_eq($$select bucket_start::date, value, is_filled, reason from analytics.metric_series(pg_temp.account(1), 'followers', '2026-03-02', '2026-03-08')$$,
  $$values ('2026-03-02'::date, 1000::bigint, false, null), ('2026-03-03', 1010, false, null), ('2026-03-04', null, false, 'not captured in this period'),
    ('2026-03-05', null, false, 'not captured in this period'), ('2026-03-06', 1050, false, null), ('2026-03-07', 1040, false, null)$$, 'a gap is a gap');
select results_eq($$select value, is_filled, measured_at from analytics.metric_series(pg_temp.account(1), 'followers', '2026-03-03', '2026-03-06', fill => 'previous')$$,
  $$values (1010::bigint, false, '2026-03-03 12:00Z'::timestamptz), (1010, true, '2026-03-03 12:00Z'), (1010, true, '2026-03-03 12:00Z')$$, 'filled only when asked for, and marked');
select results_eq($$select bucket_start::date, value, reason from analytics.metric_series(pg_temp.account(1), 'views', '2026-03-02', '2026-03-16', 'week')$$,
  $$values ('2026-03-02'::date, 280::bigint, null), ('2026-03-09', null, '1 of 7 days are known')$$, 'a week is the sum of its days, if all are known');
select results_eq($$select value, reason from analytics.metric_series(pg_temp.account(1), 'reach', '2026-03-02', '2026-03-05', 'week')$$,
  $$values (null::bigint, 'people of several days cannot be added up')$$, 'reach is never added up');
select results_eq($$select bucket_start::date, value from analytics.metric_series(pg_temp.account(1), 'followers', '2026-03-02', '2026-03-05', 'month')$$,
  $$values ('2026-03-01'::date, 1040::bigint)$$, 'a level of a month is its last, the whole month''s');
select results_eq($$select bucket_start::date, value, reason from analytics.metric_series(pg_temp.account(1), 'reach', '2026-03-02', '2026-03-10', 'week')$$,
  $$values ('2026-03-02'::date, null::bigint, 'people of several days cannot be added up'), ('2026-03-09', null, 'not captured in this period')$$, 'a week of one day is no day');
-- The clock goes forward on 2026-03-29 in Berlin and back on 2026-10-25.
select results_eq($$select bucket_start from analytics.metric_series(pg_temp.account(1), 'followers', '2026-03-28 23:00Z', '2026-03-30 22:00Z', 'day', 'Europe/Berlin')$$,
  $$values ('2026-03-28 23:00Z'::timestamptz), ('2026-03-29 22:00Z')$$, 'a day of 23 hours');
select results_eq($$select bucket_start from analytics.metric_series(pg_temp.account(1), 'followers', '2026-10-24 22:00Z', '2026-10-26 23:00Z', 'day', 'Europe/Berlin')$$,
  $$values ('2026-10-24 22:00Z'::timestamptz), ('2026-10-25 23:00Z')$$, 'and one of 25');
select is((select count(*) from analytics.metric_series(pg_temp.account(1), 'followers', '2026-10-24 22:00Z', '2026-10-25 23:00Z', 'hour', 'Europe/Berlin')), 25::bigint, 'has 25 hours');
select is(pg_temp.state_of(format('select * from analytics.metric_series(pg_temp.account(1), %s)', t.arguments)), 'PT400', 'refused: ' || t.arguments) from (values
  ($$'stars'$$), ($$null$$), ($$bucket => 'year'$$), ($$bucket => null$$), ($$timezone => 'Mars/Olympus'$$), ($$timezone => null$$), ($$timezone => '../etc/passwd'$$), ($$fill => 'linear'$$), ($$fill => null$$),
  ($$since => '1000-01-01'$$), ($$since => '2026-01-01', until => '2026-01-01'$$), ($$until => 'infinity'$$)) t (arguments);

-- Growth ---------------------------------------------------------------------------------------------------------------

-- Published: 500 to 2000 in two weeks is 100 % a week.
select pg_temp.act_as(:'editor');
select pg_temp.put('following', '2026-05-01', 500), pg_temp.put('following', '2026-05-15', 2000) \g /dev/null
select pg_temp.act_as(:'analyst');
select results_eq($$select net, net_rate, weekly_rate, gained, days, days_with_captures from analytics.growth(pg_temp.account(1), '2026-05-01', '2026-05-15', 'following')$$,
  $$values (1500::bigint, 300::double precision, 100::double precision, null::bigint, 14, 2)$$, 'net and compound weekly growth');
select results_eq($$select start_value, start_measured_at, end_value, net, previous_net, change, days, days_with_captures, reason from analytics.growth(pg_temp.account(1), '2026-03-03 13:00Z', '2026-03-07 13:00Z')$$,
  $$values (1010::bigint, '2026-03-03 12:00Z'::timestamptz, 1040::bigint, 30::bigint, null::bigint, null::bigint, 5, 2,
    '2 of 5 days have a capture; the period before is not known; who came and who left is not known for every day, and no complete follower lists cover the period')$$, 'gaps are told, not filled');
select results_eq($$select net, previous_net, change from analytics.growth(pg_temp.account(1), '2026-03-03 12:00Z', '2026-03-04')$$, $$values (null::bigint, 10::bigint, null::bigint)$$,
  'one capture is no change; the period before is its own');
select results_eq($$select start_value, net, reason like '%not captured in this period%' from analytics.growth(pg_temp.account(1), '2020-01-01', '2020-02-01')$$, $$values (null::bigint, null::bigint, true)$$, 'nothing known is nothing said');
select pg_temp.act_as(:'editor');
select pg_temp.days('follows', '2026-03-02', array[20, 20, 5, 5, 40]), pg_temp.days('unfollows', '2026-03-02', array[10, 10, 5, 5, 0]) \g /dev/null
select pg_temp.act_as(:'analyst');
select results_eq($$select gained, lost, round(gross_rate::numeric, 4), round(churn_rate::numeric, 4) from analytics.growth(pg_temp.account(1), '2026-03-02', '2026-03-07')$$,
  $$values (90::bigint, 30::bigint, 9.0::numeric(10,4), 3.0::numeric(10,4))$$, 'gross and churn from the days'' follows and unfollows');
select is((select gained from analytics.growth(pg_temp.account(1), '2026-03-02', '2026-03-08')), null, 'unless one of them is missing');
select is((select gained from analytics.growth(pg_temp.account(1), '2026-03-02 12:00Z', '2026-03-07')), null, 'or the period is not of whole days');
-- From complete lists.
select pg_temp.act_as(:'editor');
select analytics.record_followers(pg_temp.account(4), p, '2026-03-01'::timestamptz + d * interval '1 day', is_complete => c) from (values ('["a","b","c"]', 0, true), ('["a","b","d","e"]', 3, true), ('["a","e"]', 7, true)) l (p, d, c) \g /dev/null
select pg_temp.put('followers', '2026-03-01', 3, null, 4), pg_temp.put('followers', '2026-03-08', 2, null, 4) \g /dev/null
select pg_temp.act_as(:'analyst');
select results_eq($$select gained, lost, net from analytics.growth(pg_temp.account(4), '2026-03-01', '2026-03-08 00:00:01Z')$$, $$values (2::bigint, 3::bigint, -1::bigint)$$, 'gained and lost from complete lists at both ends');
select is((select gained from analytics.growth(pg_temp.account(4), '2026-03-01', '2026-03-08 00:00:01Z', as_known_at => '2026-03-07')), null, 'of lists that were known');
-- One more every midnight: each week gains seven, and no week differs from the one before.
select pg_temp.act_as(:'editor');
select pg_temp.put('following', '2026-01-01'::timestamptz + n * interval '1 day', 100 + n) from generate_series(0, 21) n \g /dev/null
select pg_temp.act_as(:'analyst');
select results_eq($$select start_value, end_value, net, previous_net, change, days_with_captures from analytics.growth(pg_temp.account(1), '2026-01-08', '2026-01-15', 'following')$$,
  $$values (107::bigint, 114::bigint, 7::bigint, 7::bigint, 0::bigint, 7)$$, 'periods that follow each other leave no day out');
select is(pg_temp.state_of($$select * from analytics.growth(pg_temp.account(1), metric => 'views')$$), 'PT400', 'what is counted by day does not grow');

-- Totals ---------------------------------------------------------------------------------------------------------------

select results_eq($$select metric, value, mean_per_day, days, days_known, previous_value, change_rate, reason from analytics.metric_totals(pg_temp.account(1), '2026-03-06', '2026-03-10', '{views,reach,likes}')$$,
  $$values ('views', 260::bigint, 65::double precision, 4, 4, 100::bigint, 160::double precision, null), ('reach', null, null, 4, 0, null, null, 'not captured in this period'),
    ('likes', null, null, 4, 0, null, null, 'not captured in this period')$$, 'sums of whole periods, and the change');
select results_eq($$select value, mean_per_day, reason from analytics.metric_totals(pg_temp.account(1), '2026-03-02', '2026-03-05', '{reach}')$$,
  $$values (null::bigint, 6::double precision, 'people of several days cannot be added up')$$, 'reach has a mean a day and no sum');
select results_eq($$select value, days_known, reason from analytics.metric_totals(pg_temp.account(1), '2026-03-06', '2026-03-11', '{views}')$$, $$values (null::bigint, 4, '4 of 5 days are known')$$, 'a day that is missing is not zero');
select is(pg_temp.state_of($$select * from analytics.metric_totals(pg_temp.account(1), metrics => '{followers}')$$), 'PT400', 'a level is not added up');
select pg_temp.act_as(:'editor');
select pg_temp.days('saves', '2025-08-01', array_fill(100::bigint, array[100])) \g /dev/null
select pg_temp.act_as(:'analyst');
select results_eq($$select value, days, previous_value, change_rate from analytics.metric_totals(pg_temp.account(1), '2025-09-30 22:00Z', '2025-10-31 23:00Z', '{saves}', 'Europe/Berlin')$$,
  $$values (3100::bigint, 31, 3100::bigint, 0::double precision)$$, 'the period before has as many days, also over a change of the clock');
select results_eq($$select value, days, previous_value from analytics.metric_totals(pg_temp.account(1), '2025-09-10 12:00Z', '2025-09-15 12:00Z', '{saves}')$$, $$values (400::bigint, 4, 400::bigint)$$, 'only whole days count, each in one period');
select results_eq($$select days, value, reason from analytics.metric_totals(pg_temp.account(1), '2025-09-10 12:00Z', '2025-09-10 18:00Z', '{saves}')$$, $$values (0, null::bigint, 'the period has no whole day')$$, 'or there is none');
-- The third of May of a platform is the third of May wherever it is read.
select pg_temp.act_as(:'editor');
select pg_temp.put('link_clicks', '2026-05-03', 7), pg_temp.put('link_clicks', '2026-05-04 08:00Z', 8), pg_temp.put('link_clicks', '2026-05-04 22:00Z', 9) \g /dev/null
select pg_temp.act_as(:'analyst');
select results_eq(format($$select to_char(bucket_start at time zone %1$L, 'MM-DD'), value from analytics.metric_series(pg_temp.account(1), 'link_clicks', timestamp '2026-05-03' at time zone %1$L, timestamp '2026-05-06' at time zone %1$L, timezone => %1$L)$$, z),
  $$values ('05-03', 7::bigint), ('05-04', 8), ('05-05', 9)$$, 'days of a platform in ' || z) from unnest('{UTC,America/New_York,Europe/Berlin,Pacific/Auckland,Pacific/Honolulu,Asia/Tokyo}'::text[]) z;
-- Asked for in vain later on the day: the level is the one that was known.
select pg_temp.act_as(:'editor');
select pg_temp.put('posts', '2026-05-01 06:00Z', 10), pg_temp.put('posts', '2026-05-01 12:00Z', null), pg_temp.put('posts', '2026-05-02 12:00Z', null) \g /dev/null
select pg_temp.act_as(:'analyst');
select results_eq($$select value, reason from analytics.metric_series(pg_temp.account(1), 'posts', '2026-05-01', '2026-05-03')$$, $$values (10::bigint, null), (null, 'asked for and not answered')$$, 'a failure hides no level');

-- Anomalies ------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'editor');
select pg_temp.days('shares', '2026-01-01', (select array_agg(case n when 40 then 900 when 45 then null else 100 + n * 37 % 11 end order by n) from generate_series(1, 60) n)) \g /dev/null
select pg_temp.act_as(:'analyst');
select results_eq($$select bucket_start::date, value, score > 20, reason like 'shares stood out above: 900 on 2026-02-09, where the 39 known days before it let expect 10%' from analytics.anomalies(pg_temp.account(1), 'shares', '2026-01-20', '2026-03-01')$$,
  $$values ('2026-02-09'::date, 900::bigint, true, true)$$, 'the day that stands out, and why');
select results_eq($$select bucket_start, reason from analytics.anomalies(pg_temp.account(1), 'shares', '2026-01-05', '2026-01-10')$$,
  $$values (null::timestamptz, 'too little is known to judge: 9 days of the eight weeks before and the period, at least 14 before a day are needed')$$, 'too little is said to be too little');
select is_empty($$select from analytics.anomalies(pg_temp.account(1), 'shares', '2026-02-20', '2026-03-01')$$, 'no row when nothing stands out');
select is_empty($$select from analytics.anomalies(pg_temp.account(1), 'shares', '2026-02-10 06:00Z', '2026-02-10 18:00Z') where bucket_start is not null$$, 'days outside of the period are not judged');
select is(pg_temp.state_of(format($$select * from analytics.anomalies(pg_temp.account(1), threshold => %s)$$, t)), 'PT400', 'refused threshold ' || t) from unnest(array['0', 'null', '-1']) t;
select is(pg_temp.state_of(format($$select * from analytics.anomalies(pg_temp.account(1), threshold => '%s')$$, t)), 'PT400', 'refused threshold ' || t) from unnest('{NaN,infinity}'::text[]) t;

-- Posts ----------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'editor');
select is(analytics.record_posts(pg_temp.account(1), '[{"id": "p1", "posted_at": "2026-03-03T18:00:00Z", "caption": "By the #Sea with @bob", "media_type": "IMAGE", "likes": 400, "comments": 50, "shares": 40, "saves": 10, "reach": 10000, "url": "https://example.org/p1"},
  {"id": 2, "posted_at": "2026-03-09T00:00:00Z", "likes": -1, "comments": 6}, {"id": 2, "posted_at": "2026-03-09T00:00:00Z", "likes": -1, "comments": 6}]', '2026-03-10') - 'account_id',
  '{"new": 2, "posts": 2, "recorded": 2, "repeated": 1}', 'posts are stored, each capture once');
select results_eq($$select platform_post_id::text, media_type::text, hashtags, mentions, likes_count, comments_count, followers_count, engagement_rate, engagement_rate_by_followers, engagement_rate_by_views from analytics.top_content order by 1$$,
  $$values ('2', null, '{}'::text[], '{}'::text[], null::bigint, 6::bigint, null::bigint, null::double precision, null::double precision, null::double precision),
    ('p1', 'photo', '{sea}', '{bob}', 400, 50, 1010, 5, 450 * 100.0 / 1010, null)$$, 'with the rates that are known, by the followers of the day');
select is(analytics.record_posts(pg_temp.account(1), '[{"id": "p1", "posted_at": "2026-03-03T18:00:00Z", "likes": 500, "comments": 50, "shares": 40, "saves": 10, "reach": 12000, "extra_data": {"plays": 3}}]', '2026-03-11') - 'account_id',
  '{"new": 0, "posts": 1, "recorded": 1, "repeated": 0}', 'a later capture of a post');
select is(analytics.record_posts(pg_temp.account(1), '[{"id": "p1", "posted_at": "2026-03-03T18:00:00Z", "likes": 450, "comments": 50, "shares": 40, "saves": 10, "reach": 11000}]', '2026-03-10 12:00Z') ->> 'recorded', '1', 'one that comes late');
select is(analytics.record_posts(pg_temp.account(1), '[{"id": "p1", "posted_at": "2026-03-03T18:00:00Z", "likes": 450, "comments": 50, "shares": 40, "saves": 10, "reach": 11000}]', '2026-03-10 12:00Z') ->> 'repeated', '1', 'and comes again');
select results_eq($$select likes_count, engagement_rate, caption, captured_at, extra_data from analytics.top_content where platform_post_id = 'p1'$$,
  $$values (500::bigint, 5::double precision, 'By the #Sea with @bob', '2026-03-11'::timestamptz, '{"plays": 3}'::jsonb)$$, 'the newest capture is shown, what describes the post stays');
select is(pg_temp.state_of($$select analytics.record_posts(pg_temp.account(1), '[{"id": "p1", "posted_at": "2026-03-03T18:00:00Z", "likes": 451, "comments": 50, "shares": 40, "saves": 10, "reach": 11000}]', '2026-03-10 12:00Z')$$), 'PT409',
  'other counts for the same moment are a conflict');
select is(analytics.record_posts(pg_temp.account(1), '[{"id": "h", "posted_at": "2026-03-01", "captured_at": "2026-03-05", "likes": 30}, {"id": "h", "posted_at": "2026-03-01", "captured_at": "2026-03-02", "likes": 10}]') - 'account_id',
  '{"new": 1, "posts": 1, "recorded": 2, "repeated": 0}', 'a list may have the history of a post');
select results_eq($$select t.likes_count, array(select p.likes_count from analytics.post_analytics p where p.platform_post_id = 'h' order by p.captured_at) from analytics.top_content t where t.platform_post_id = 'h'$$,
  $$values (30::bigint, '{10,30}'::bigint[])$$, 'of which the newest is shown, wherever it stands');
select results_eq($$select likes_count from analytics.post_analytics where platform_post_id = 'p1' order by captured_at$$, $$values (400::bigint), (450), (500)$$, 'and all are kept');
select is(pg_temp.state_of(format('select analytics.record_posts(pg_temp.account(1), %L)', t)), 'PT400', 'refused: ' || t) from unnest(array['{}', '[1]', '[{"id": "x"}]', '[{"id": "x", "posted_at": "2199-01-01"}]',
  '[{"id": "", "posted_at": "2026-01-01"}]', '[{"id": "x", "posted_at": "2026-01-01", "url": "javascript:alert(1)"}]', '[{"id": "x", "posted_at": "2026-01-01", "likes": "many"}]',
  '[{"id": "x", "posted_at": "2026-01-01", "captured_at": "2025-01-01"}]', '[{"id": "x", "posted_at": "2026-01-01", "extra_data": {"a": "\u0000"}}]']) t;
select is(pg_temp.state_of($$select analytics.record_posts(pg_temp.account(1), null)$$), 'PT400', 'refused: no list');

-- Audiences ------------------------------------------------------------------------------------------------------------

select is(analytics.record_audience(pg_temp.account(1), '{"genders": {"F": 30, "M": 10}, "countries": [{"country": "us", "count": 5}, {"country": "DE", "count": 9}], "age_ranges": {"18-24": 0.25, "25-34": 0.75},
  "cities": {"data": []}, "active_hours": [{"hour": 14, "activity": 0.85}], "active_days": null}', snapshot_date => '2026-03-09', base => 40, captured_at => '2026-03-10') - 'account_id',
  '{"recorded": true, "snapshot_date": "2026-03-09"}', 'an audience is stored');
select is((select to_jsonb(i) - 'workspace_id' - 'social_account_id' from analytics.audience_insights i), '{"audience": "followers", "captured_at": "2026-03-10T00:00:00+00:00", "snapshot_date": "2026-03-09", "base": 40, "facets": null,
  "age_ranges": [{"range": "25-34", "share": 0.75}, {"range": "18-24", "share": 0.25}], "genders": [{"gender": "female", "count": 30}, {"gender": "male", "count": 10}],
  "countries": [{"country": "DE", "count": 9}, {"country": "US", "count": 5}], "cities": null, "active_hours": [{"hour": "14", "activity": 0.85}], "active_days": null, "source": "manual"}'::jsonb,
  'in S4''s form, shares as shares, what is empty as unknown');
select is(analytics.record_audience(pg_temp.account(1), '{"genders": {"F": 30, "M": 10}, "countries": [{"country": "DE", "count": 9}, {"country": "US", "count": 5}], "age_ranges": {"25-34": 0.75, "18-24": 0.25},
  "active_hours": [{"hour": 14, "activity": 0.85}]}', snapshot_date => '2026-03-09', base => 40, captured_at => '2026-03-10') ->> 'recorded', 'false', 'the same again is stored once');
select is(pg_temp.state_of($$select analytics.record_audience(pg_temp.account(1), '{"genders": {"F": 31, "M": 10}}', captured_at => '2026-03-10')$$), 'PT409', 'others for the same moment are a conflict');
select is(pg_temp.state_of(format('select analytics.record_audience(pg_temp.account(1), %s)', t)), 'PT400', 'refused: ' || t) from unnest(array['null', $$'[]'$$, $$'{'$$, $$'{"colours": {}}'$$, $$'{"genders": 7}'$$,
  $$'{"genders": {"F": -1}}'$$, $$'{"genders": {"F": 1e400}}'$$, $$'{}', 'fans'$$, $$'{}', base => -1$$, $$'{}', snapshot_date => '2199-01-01'$$, $$repeat('[', 100000)$$]) t;

-- Removed on request ---------------------------------------------------------------------------------------------------

select pg_temp.act_as_superuser();
select is(analytics_private.erase_person('bob', 'case 1') ->> 'account_posts', '1', 'a person is taken out of captions and mentions');
select results_eq($$select caption, mentions from analytics.top_content where platform_post_id = 'p1'$$, $$values ('By the #Sea with @[removed]', '{}'::text[])$$, 'and nothing else is changed');
select pg_temp.act_as(:'editor');
select analytics.record_posts(pg_temp.account(1), '[{"id": "p1", "posted_at": "2026-03-03T18:00:00Z", "caption": "By the #Sea with @bob", "likes": 501, "comments": 50, "shares": 40, "saves": 10, "reach": 12000}]', '2026-03-12') \g /dev/null
select results_eq($$select caption, mentions, likes_count from analytics.top_content where platform_post_id = 'p1'$$, $$values ('By the #Sea with @[removed]', '{}'::text[], 501::bigint)$$, 'later captures do not bring him back');
select pg_temp.act_as_superuser();
select is(analytics_private.erase_follower('tiktok', 'bob', 'case 2'), '{"platform_users": 0, "account_posts": 0, "events": 0}', 'on other platforms too');

-- S4's shape -----------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'analyst');
select results_eq($$select followers_count, reach, impressions, profile_views, extra_data from analytics.account_snapshots where social_account_id = pg_temp.account(1) and "timestamp" >= '2026-03-02' and "timestamp" < '2026-03-03' order by "timestamp"$$,
  $$values (null::bigint, 5::bigint, null::bigint, null::bigint, '{"views": 10, "follows": 20, "unfollows": 10}'::jsonb), (1000, null, null, null, '{}')$$, 'account_snapshots has a column for each usual metric');
select is((select engagement_count from analytics.account_snapshots where social_account_id = pg_temp.account(1) and "timestamp" = '2026-03-20'), 9::bigint, 'engagement_count is likes, comments and shares');

-- Explain --------------------------------------------------------------------------------------------------------------

select results_eq($$select e ->> 'formula', e -> 'value', e -> 'inputs' ->> 'start_value', e -> 'rows' -> 'metrics_snapshots' ->> 'rows', e -> 'rows' -> 'metrics_snapshots' ->> 'last_captured_at'
  from analytics.explain('growth.net_rate', pg_temp.account(1), '2026-05-01', '2026-05-15', 'following') e$$,
  $$values ('(end_value - start_value) / start_value * 100', '300'::jsonb, '500', '2', '2026-05-15T01:00:00+00:00')$$, 'a number with its formula, inputs and rows');
select is(analytics.explain('top_content.engagement_rate', pg_temp.account(1), '2026-03-01', '2026-04-01') #>> '{rows,top_content,shown,1,reach}', '12000', 'a rate of posts with the posts');
select is_empty($$select number from analytics.number_formulas f where pg_temp.state_of(format('select analytics.explain(%L, pg_temp.account(1))', f.number)) <> 'fine' and not f.tables && '{profile_posts,profile_history,comment_sentiment,related_profiles,mentions}'$$, 'every number of accounts can be explained');
select is(pg_temp.state_of(t.s), t.expected, t.s) from (values ($$select analytics.explain('growth.magic', pg_temp.account(1))$$, 'PT400'), ($$select analytics.explain(null, pg_temp.account(1))$$, 'PT400'),
  ($$select analytics.explain('growth.net', pg_temp.account(3))$$, 'PT404'), ($$select analytics.explain('growth.net')$$, 'PT404')) t (s, expected);
select is(analytics.explain('engagement_stats.ratio_of_sums') ->> 'denominator', 'reach, followers or views of the posts with a rate', 'of an aggregate the formula');
-- Whatever a function returns as a number has a formula.
select is_empty($$
  select p.proname || '.' || a.name from pg_catalog.pg_proc p, unnest(p.proargnames, p.proargmodes, p.proallargtypes) a (name, mode, type)
  where p.pronamespace = 'analytics'::regnamespace and p.proowner = 'analytics_owner'::regrole and a.mode = 't' and a.type in ('bigint'::regtype, 'integer'::regtype, 'double precision'::regtype, 'numeric'::regtype)
    -- Which row it is, not how much.
    and a.name not in ('place', 'weekday', 'hour')
    and not exists (select from analytics.number_formulas f where f.number = p.proname || '.' || a.name)$$, 'every number that a function returns has a formula');

-- Partitions -----------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'editor');
select pg_temp.put('following', '2004-05-01', 1), pg_temp.put('following', date_trunc('month', now()) - interval '20 months', 2) \g /dev/null
select pg_temp.act_as_superuser();
select analytics_private.ensure_partitions() \g /dev/null
select results_eq($$select m.tableoid = 'analytics_private.metrics_snapshots_default'::regclass from analytics.metrics_snapshots m where m.metric = 'following' and m.value < 5 order by m.measured_at$$,
  $$values (true), (false)$$, 'nobody makes partitions of long ago for everybody');

-- Going with the account -----------------------------------------------------------------------------------------------

select pg_temp.act_as(:'owner');
select analytics.remove_account(pg_temp.account(4)) \g /dev/null
select is(pg_temp.state_of($$select pg_temp.put('followers', '2026-03-09', 3, null, 4)$$), 'PT409', 'nothing is recorded for a disconnected account');
select is((select count(*) from analytics.metrics_snapshots where social_account_id = pg_temp.account(4)), 2::bigint, 'which keeps its history');
select analytics.remove_account(pg_temp.account(1), true), analytics.remove_account(pg_temp.account(4), true) \g /dev/null
select pg_temp.act_as_superuser();
select is((select count(*) from analytics.metrics_snapshots where workspace_id = :'studio') + (select count(*) from analytics.top_content) + (select count(*) from analytics.post_analytics) + (select count(*) from analytics.audience_insights), 0::bigint, 'unless that is deleted with it');

select * from finish();
rollback;
