-- Plans and quotas: periods, the lazy reset, limits, what is told.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('ada@example.com') as ada, pg_temp.sign_up('bob@example.com') as bob \gset
select pg_temp.personal_workspace(:'ada') as adas, pg_temp.personal_workspace(:'bob') as bobs \gset
create function pg_temp.subscribe(workspace uuid, plan text, anchor timestamptz, status text default 'active') returns void language sql as $$
  insert into analytics.subscriptions (workspace_id, plan_name, status, anchor_at) values (workspace, plan, status, anchor)
  on conflict on constraint subscriptions_pkey do update set plan_name = excluded.plan_name, anchor_at = excluded.anchor_at, status = excluded.status
$$;
-- Used and left of the posts at a moment.
create function pg_temp.state(workspace uuid, moment timestamptz) returns text language sql volatile as $$
  select format('%s of %s', s.used, coalesce(s.allowed::text, 'any')) from analytics_private.quota_state(workspace, 'posts', moment) s
$$;
create function pg_temp.charge(workspace uuid, units bigint, moment timestamptz) returns timestamptz language sql as $$
  select analytics_private.charge_units(workspace, 'posts', units, analytics_private.period_start(analytics_private.quota_anchor(workspace), moment), false)
$$;

-- Periods -------------------------------------------------------------------------------------------------------------------

select results_eq(format('select analytics_private.period_start(%L, m), analytics_private.period_end(%1$L, m) from unnest(%L::timestamptz[]) m', anchor, array[moment]),
  format('values (%L::timestamptz, %L::timestamptz)', f, t), format('of %s the period of %s', coalesce(anchor, 'the calendar'), moment))
from (values
  ('2026-01-31 10:00+00', '2026-02-27 00:00+00', '2026-01-31 10:00+00', '2026-02-28 10:00+00'),
  ('2026-01-31 10:00+00', '2026-02-28 09:59:59.999999+00', '2026-01-31 10:00+00', '2026-02-28 10:00+00'),
  ('2026-01-31 10:00+00', '2026-02-28 10:00+00', '2026-02-28 10:00+00', '2026-03-31 10:00+00'),
  ('2028-01-31 10:00+00', '2028-02-29 10:00+00', '2028-02-29 10:00+00', '2028-03-31 10:00+00'),
  ('2024-02-29 00:00+00', '2025-02-28 00:00+00', '2025-02-28 00:00+00', '2025-03-29 00:00+00'),
  ('2026-11-30 08:00+00', '2020-02-29 08:00+00', '2020-02-29 08:00+00', '2020-03-30 08:00+00'),
  (null, '2026-11-21 12:00+00', '2026-11-01 00:00+00', '2026-12-01 00:00+00'),
  (null, '2026-12-31 23:59:59.999999+00', '2026-12-01 00:00+00', '2027-01-01 00:00+00'),
  ('infinity', '2026-11-21 12:00+00', '2026-11-01 00:00+00', '2026-12-01 00:00+00'),
  (null, '294276-12-31 23:59:59.999999+00', '294276-12-01 00:00+00', 'infinity'),
  (null, '4714-11-24 00:00+00 BC', '-infinity', '4714-12-01 00:00+00 BC'),
  (null, 'infinity', 'infinity', 'infinity'),
  ('2026-01-31 10:00+00', '-infinity', '-infinity', '-infinity')
) v (anchor, moment, f, t);
select is(analytics_private.period_start('2026-01-31', null), null, 'no moment has no period');
-- The session's time zone plays no part.
set local timezone = 'America/New_York';
select is(analytics_private.period_start(null, '2026-11-30 22:00-05'), '2026-12-01 00:00+00', 'months are those of UTC in every time zone');
set local timezone = 'UTC';
-- PostgreSQL's own months, added to the anchor in one step.
create temp table anchors as select timestamptz '2023-01-01 00:00+00' + make_interval(days => n, secs => n * 7919 % 86400) as anchor from generate_series(0, 1500) n;
select is_empty($$
  select a.anchor, k, s from anchors a, generate_series(-30, 30) k, lateral (select a.anchor + make_interval(months => k), a.anchor + make_interval(months => k + 1)) b (s, e)
  where analytics_private.period_start(a.anchor, s) <> s or analytics_private.period_end(a.anchor, s) <> e
    or analytics_private.period_start(a.anchor, e - interval '1 microsecond') <> s
$$, '91 561 periods are those that PostgreSQL counts from the anchor');

-- The lazy reset ------------------------------------------------------------------------------------------------------------

select pg_temp.subscribe(:'adas', 'free', '2026-01-31 10:20:30.123456+00');
select is(pg_temp.charge(:'adas', 10, '2026-02-01 00:00+00'), '2026-01-31 10:20:30.123456+00', 'all of a quota is taken, from the period of that moment');
select is(pg_temp.charge(:'adas', 1, '2026-02-28 10:20:30.123455+00'), null, 'in its last microsecond there is none left');
select is(pg_temp.state(:'adas', '2026-02-28 10:20:30.123455+00'), '10 of 10', 'and none is shown');
select is(pg_temp.state(:'adas', '2026-02-28 10:20:30.123456+00'), '0 of 10', 'a microsecond later all are back, and nothing was written');
select is((select used from analytics.quota_counters where workspace_id = :'adas'), 10::bigint, 'indeed');
select is(pg_temp.charge(:'adas', 1, '2026-02-28 10:20:30.123456+00'), '2026-02-28 10:20:30.123456+00', 'and can be taken');
select results_eq(format('select period_start, used from analytics.quota_counters where workspace_id = %L', :'adas'), $$values (timestamptz '2026-02-28 10:20:30.123456+00', 1::bigint)$$, 'which writes the new period');
select is(pg_temp.charge(:'adas', 9, '2026-02-01 00:00+00'), '2026-02-28 10:20:30.123456+00', 'a clock that is behind charges the period that has begun');
select is(pg_temp.charge(:'adas', 1, '2026-02-01 00:00+00'), null, 'and gets no second quota');
select is(pg_temp.charge(:'adas', 11, '2027-02-01 00:00+00'), null, 'more than the quota is refused in a fresh period too');
select is(pg_temp.state(:'adas', '2027-02-01 00:00+00'), '0 of 10', 'and takes nothing');

-- Limits and plans ------------------------------------------------------------------------------------------------------------

delete from analytics.quota_counters;
select pg_temp.subscribe(:'adas', 'free', now() - interval '5 days');
select is(analytics_private.try_take_units(:'adas', 'posts', 4), now() - interval '5 days', 'units are charged to the period that runs');
select is(analytics_private.try_take_units(:'adas', 'posts', 7), null, 'too many are refused');
select is(analytics_private.try_take_units(:'adas', 'posts', 6) is not null, true, 'the rest can be taken');
select pg_temp.subscribe(:'adas', 'standard', now() - interval '5 days');
select is(pg_temp.state(:'adas', clock_timestamp()), '10 of 125', 'a larger plan adds to what is left');
select isnt(analytics_private.try_take_units(:'adas', 'posts', 100), null, 'and is used at once');
select pg_temp.subscribe(:'adas', 'free', now() - interval '5 days');
select results_eq(format($$select used, remaining from analytics_private.quota_state(%L, 'posts', clock_timestamp())$$, :'adas'), 'values (110::bigint, 0::bigint)', 'after a smaller one nothing is left, and not less');
select is(analytics_private.try_take_units(:'adas', 'posts'), null, 'nor to be had');
update analytics.plans set posts_per_month = null where name = 'premium';
select pg_temp.subscribe(:'adas', 'premium', now() - interval '5 days');
select isnt(analytics_private.try_take_units(:'adas', 'posts', 1000000), null, 'without limit any number is taken');
select results_eq(format($$select allowed, used, remaining from analytics_private.quota_state(%L, 'posts', clock_timestamp())$$, :'adas'), 'values (null::bigint, 1000110::bigint, null::bigint)', 'and counted');
update analytics.plans set posts_per_month = 0 where name = 'premium';
select is(analytics_private.try_take_units(:'adas', 'posts'), null, 'of nothing nothing is taken');
delete from analytics.quota_counters;
select is(analytics_private.try_take_units(:'adas', 'posts'), null, 'not even at first');
update analytics.plans set posts_per_month = 300 where name = 'premium';

-- Anchors that come and go.
delete from analytics.quota_counters;
delete from analytics.subscriptions;
select is(analytics_private.take_units(:'adas', 'posts', 10), date_trunc('month', now()), 'without a subscription the month counts');
select pg_temp.subscribe(:'adas', 'standard', now());
select is(pg_temp.state(:'adas', clock_timestamp()), '0 of 125', 'a subscription begins a period of its own');
select is(analytics_private.take_units(:'adas', 'posts', 50), now(), 'counted from its anchor');
select pg_temp.subscribe(:'adas', 'standard', now(), 'canceled');
select is(pg_temp.state(:'adas', clock_timestamp()), '50 of 10', 'cancelled, it leaves the free plan and what was used');
select is(analytics_private.try_take_units(:'adas', 'posts'), null, 'so that cancelling hands out no second quota');
select is(pg_temp.state(:'adas', date_trunc('month', now()) + interval '1 month'), '0 of 10', 'until the next month');
select is(pg_temp.state(:'adas', clock_timestamp()), case status when 'past_due' then '50 of 125' when 'trialing' then '50 of 125' else '50 of 10' end, format('a subscription that is %s', status))
from unnest(array['incomplete', 'incomplete_expired', 'trialing', 'past_due', 'unpaid', 'paused']) status, pg_temp.subscribe(:'adas', 'standard', now(), status);

-- Giving back -----------------------------------------------------------------------------------------------------------------

delete from analytics.quota_counters;
delete from analytics.subscriptions;
select analytics_private.take_units(:'adas', 'posts', 5) as charged \gset
select analytics_private.give_back_units(:'adas', 'posts', 2, :'charged');
select is(pg_temp.state(:'adas', clock_timestamp()), '3 of 10', 'units are given back to the period they are from');
select analytics_private.give_back_units(:'adas', 'posts', 2, :'charged'::timestamptz - interval '1 month');
select analytics_private.give_back_units(:'adas', 'posts', 2, null);
select analytics_private.give_back_units(:'adas', 'ai_generations', 2, :'charged');
select is(pg_temp.state(:'adas', clock_timestamp()), '3 of 10', 'and to no other');
select analytics_private.give_back_units(:'adas', 'posts', 20, :'charged');
select is(pg_temp.state(:'adas', clock_timestamp()), '0 of 10', 'never more than were taken');
update analytics.quota_counters set period_start = period_start - interval '1 month', used = 7;
select analytics_private.give_back_units(:'adas', 'posts', 2, :'charged'::timestamptz - interval '1 month');
select is((select used from analytics.quota_counters), 7::bigint, 'a period that is over gets nothing back');

-- Refusals --------------------------------------------------------------------------------------------------------------------

delete from analytics.quota_counters;
select analytics_private.take_units(:'adas', 'profile_unlocks', 4) as charged \gset
select pg_temp.error_of(format('select analytics_private.take_units(%L, %L, 2)', :'adas', 'profile_unlocks')) as refused \gset
select is(:'refused'::jsonb ->> 'state', 'PT402', 'who asks for too many is told to pay');
select is(:'refused'::jsonb ->> 'message', 'the plan allows 5 profile unlocks a period: 4 used, 2 asked for', 'in words');
select is((:'refused'::jsonb ->> 'detail')::jsonb - 'request_id' - 'resets_at', '{"code": "PAYMENT_REQUIRED", "resource": "profile_unlocks", "limit": 5, "used": 4, "requested": 2}', 'and in figures');
select is(((:'refused'::jsonb ->> 'detail')::jsonb ->> 'resets_at')::timestamptz, date_trunc('month', now()) + interval '1 month', 'with the moment of the reset');
select matches(:'refused'::jsonb ->> 'hint', '^wait until \d{4}-\d\d-01 00:00:00 UTC, or take a larger plan$', 'and the remedies');
select set_config('request.method', 'POST', true) \g /dev/null
select pg_temp.error_of(format('select analytics_private.take_units(%L, %L, 2)', :'adas', 'profile_unlocks')) as refused \gset
select set_config('request.method', '', true) \g /dev/null
select is(:'refused'::jsonb ->> 'state', 'PGRST', 'through PostgREST it is an error with a status');
select is((:'refused'::jsonb ->> 'detail')::jsonb -> 'status', '402', 'of 402');
select is((:'refused'::jsonb ->> 'message')::jsonb ->> 'code', 'PAYMENT_REQUIRED', 'and the code of the vocabulary');
select is((((:'refused'::jsonb ->> 'message')::jsonb ->> 'details')::jsonb) - 'request_id' - 'resets_at', '{"resource": "profile_unlocks", "limit": 5, "used": 4, "requested": 2}', 'and the same figures');
select is(pg_temp.error_of(format('select analytics_private.take_units(%L, %L, %L)', :'adas', 'posts', u)) ->> 'state', 'PT500', format('%s units cannot be taken', coalesce(u::text, 'null')))
from unnest(array[0, -1, null]::bigint[]) u;
select is(pg_temp.error_of(format('select analytics_private.take_units(%L, %L)', :'adas', r)) ->> 'state', 'PT500', 'nor of what is not metered: ' || coalesce(r, 'null')) from unnest(array['seats', 'wishes', null]) r;

-- Reading ---------------------------------------------------------------------------------------------------------------------

delete from analytics.quota_counters;
select analytics_private.take_units(:'adas', 'posts', 3) as charged \gset
select pg_temp.act_as(:'ada');
select analytics.quotas() as told \gset
select is(:'told'::jsonb - 'period' #- '{posts,resets_at}' #- '{profile_unlocks,resets_at}' #- '{ai_generations,resets_at}', jsonb_build_object('workspace_id', :'adas', 'plan', 'free', 'status', null,
  'posts', '{"limit": 10, "used": 3, "remaining": 7}'::jsonb, 'profile_unlocks', '{"limit": 5, "used": 0, "remaining": 5}'::jsonb, 'ai_generations', '{"limit": 10, "used": 0, "remaining": 10}'::jsonb,
  'seats', '{"limit": 1, "used": 1}'::jsonb, 'connected_accounts', '{"limit": 2, "used": 0}'::jsonb), 'a member is told limits and use');
select is((:'told'::jsonb #>> '{posts,resets_at}')::timestamptz, (:'told'::jsonb #>> '{period,to}')::timestamptz, 'and when it begins anew');
select results_eq('select plan_type, monthly_post_quota, remaining_posts, subscription_id, subscription_status, subscription_end_date, last_quota_reset from analytics.user_info',
  $$values ('free'::varchar, 10::bigint, 7::bigint, null::varchar, null::varchar, null::timestamptz, date_trunc('month', now()))$$, 'user_info says the same');
select is((select count(*) from analytics.user_info), 1::bigint, 'of the caller alone');
select is(analytics.quotas(:'adas'), analytics.quotas(), 'the workspace can be named');
select is(pg_temp.error_of(format('select analytics.quotas(%L)', w)) - 'detail', pg_temp.error_of(format('select analytics.quotas(%L)', gen_random_uuid())) - 'detail', 'a foreign one is as unknown as one that is not there') from unnest(array[:'bobs'::uuid]) w;
select is((select count(*) from analytics.quota_counters), 1::bigint, 'a member reads the counter');
select is(pg_temp.error_of(statement) ->> 'state', '42501', 'nobody may ' || statement) from unnest(array['update analytics.quota_counters set used = 0', 'delete from analytics.quota_counters',
  'update analytics.subscriptions set plan_name = ''premium''', format('insert into analytics.quota_counters values (%L, ''posts'', now(), 0)', :'bobs'), format('select analytics_private.take_units(%L, ''posts'')', :'adas'),
  format('select analytics_private.give_back_units(%L, ''posts'', 1, now())', :'adas'), 'select analytics_private.reset_quotas()', 'update analytics.plans set posts_per_month = 99']) statement;
select isnt(pg_temp.error_of(statement), null, 'nor ' || statement) from unnest(array['update analytics.user_info set remaining_posts = 99', 'delete from analytics.user_info']) statement;
select pg_temp.act_as(:'bob');
select is((select count(*) from analytics.quota_counters), 0::bigint, 'a stranger reads none');
select pg_temp.act_with('{"role": "anon"}', 'anon');
select is(pg_temp.error_of('select analytics.quotas()') ->> 'state', 'PT401', 'who is not signed in is told so');
select pg_temp.act_with('', 'service_role');
select is(pg_temp.error_of('update analytics.quota_counters set used = 0') ->> 'state', '42501', 'nor may the service write counters');
select pg_temp.act_as_superuser();
update analytics.plans set posts_per_month = null where name = 'premium';
select pg_temp.subscribe(:'adas', 'premium', now());
update analytics.subscriptions set stripe_subscription_id = 'sub_1', current_period_end = '2027-01-01';
select pg_temp.act_as(:'ada');
select results_eq('select plan_type, monthly_post_quota, remaining_posts, subscription_id, subscription_status, subscription_end_date, last_quota_reset from analytics.user_info',
  $$values ('premium'::varchar, null::bigint, null::bigint, 'sub_1'::varchar, 'active'::varchar, timestamptz '2027-01-01', now())$$, 'no limit is null');
select pg_temp.act_as_superuser();

-- Reports ---------------------------------------------------------------------------------------------------------------------

delete from analytics.quota_counters;
delete from analytics.subscriptions;
select pg_temp.subscribe(:'bobs', 'standard', now() - interval '40 days');
insert into analytics.quota_counters (workspace_id, resource, period_start, used) values
  (:'adas', 'posts', date_trunc('month', now()) - interval '3 months', 5), (:'adas', 'profile_unlocks', date_trunc('month', now()), 2), (:'adas', 'ai_generations', now(), 1),
  (:'bobs', 'posts', now() - interval '40 days', 9);
create temp table lazily as select w, r, s.* from unnest(array[:'adas', :'bobs']::uuid[]) w, unnest(array['posts', 'profile_unlocks', 'ai_generations']) r, analytics_private.quota_state(w, r, clock_timestamp()) s;
select is(analytics_private.reset_quotas(), 2::bigint, 'the counters of periods that are over are written anew');
select set_eq('select w, r, s.* from lazily, analytics_private.quota_state(w, r, clock_timestamp()) s', 'select * from lazily', 'which says nothing new');
select set_eq('select resource::text, used, period_start from analytics.quota_counters', $$values ('posts', 0::bigint, date_trunc('month', now())), ('profile_unlocks', 2, date_trunc('month', now())), ('ai_generations', 1, now()),
  ('posts', 0, now() - interval '40 days' + interval '1 month')$$, 'and others stay as they are');
select is(analytics_private.reset_quotas(), 0::bigint, 'a second time there is nothing to do');

select * from finish();
rollback;
