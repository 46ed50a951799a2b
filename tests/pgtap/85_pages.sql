-- Pictures and pages: who may see them, what they say of what is known and not, and what a link to a page opens.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('olga@example.com') as owner, pg_temp.sign_up('ed@example.com') as editor, pg_temp.sign_up('ana@example.com') as analyst, pg_temp.sign_up('sam@example.com') as stranger \gset
select pg_temp.personal_workspace(:'owner') as studio, pg_temp.personal_workspace(:'stranger') as elsewhere \gset
insert into analytics.workspace_members (workspace_id, user_id, role) values (:'studio', :'editor', 'editor'), (:'studio', :'analyst', 'analyst');
select analytics_private.set_plan(:'studio', 'premium'), analytics_private.set_plan(:'elsewhere', 'premium') \g /dev/null
create function pg_temp.state_of(statement text) returns text language sql as $$ select coalesce(pg_temp.error_of(statement) ->> 'state', 'fine') $$;

select pg_temp.act_as(:'owner');
select analytics.add_account(:'studio', 'instagram', 'natgeo', display_name => '<b>National</b> & "Geographic" ]]>') ->> 'id' as account, analytics.add_account(:'studio', 'tiktok', 'natgeo') ->> 'id' as other,
  analytics.add_account(:'studio', 'x', 'empty') ->> 'id' as bare \gset
select pg_temp.act_as(:'stranger');
select analytics.add_account(:'elsewhere', 'instagram', 'c4n4ry') ->> 'id' as foreign_account \gset
select pg_temp.act_as_superuser();

-- May 2026, without the 10th to the 12th; the 20th was asked for and not answered.
insert into analytics.metrics_snapshots (workspace_id, social_account_id, metric, measured_at, captured_at, value, reason, source)
select :'studio', a, 'followers', d + interval '6 hours', d + interval '6 hours 5 minutes', case when extract(day from d) <> 20 then 1000 + 10 * extract(day from d) + n * 500 end,
  case when extract(day from d) = 20 then 'the platform was down' end, 'test'
from (values (:'account'::uuid, 0), (:'other'::uuid, 1)) v (a, n), generate_series(timestamptz '2026-05-01', '2026-05-31', '1 day') d where extract(day from d) not between 10 and 12;
insert into analytics.top_content (workspace_id, social_account_id, platform_post_id, post_url, caption, media_type, posted_at, likes_count, comments_count, shares_count, saves_count, reach, followers_count,
  engagement_rate, engagement_rate_by_followers, captured_at)
select :'studio', :'account', 'p' || n, case n when 1 then 'javascript:alert(1)' else 'https://www.instagram.com/p/P' || n || '/' end,
  case n when 1 then '<img src=x onerror=alert(1)>' when 2 then '"><svg onload=alert(1)>' when 3 then ']]></style><script>alert(1)</script>' else 'Post ' || n end, 'photo',
  timestamptz '2026-05-01 08:00' + n * interval '26 hours', 40 * (13 - n), 5, 4, case when n <> 7 then 1 end, 1000, 1100,
  analytics.engagement_rate(40 * (13 - n), 5, 4, case when n <> 7 then 1 end, 1000), analytics.engagement_rate_by_followers(40 * (13 - n), 5, 1100), '2026-06-01 09:30'
from generate_series(1, 12) n;
insert into analytics.audience_insights (workspace_id, social_account_id, audience, captured_at, snapshot_date, base, age_ranges, genders, source) values
  (:'studio', :'account', 'followers', '2026-05-31 07:00', '2026-05-30', 1300, '[{"range": "25-34", "count": 700}, {"range": "18-24", "count": 600}]', '[{"gender": "<female>", "share": 0.61}]', 'test');

-- An SVG or HTML text as a document; HTML's head has the only elements without an end.
create function pg_temp.parsed(picture text) returns xml language sql as $$
  select xmlparse(document regexp_replace(replace(picture, '<!DOCTYPE html>', ''), '<(meta|link) ([^>]*)>', '<\1 \2/>', 'g'))
$$;
create function pg_temp.found(path text, picture text) returns text[] language sql as $$
  select xpath(path, pg_temp.parsed(picture), array[array['s', 'http://www.w3.org/2000/svg']])::text[]
$$;

-- Charts ------------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'analyst');
select analytics.chart_followers(:'account', '2026-05-01', '2026-06-01') as followers, analytics.chart_engagement(:'account', '2026-05-01', '2026-06-01') as engagement,
  analytics.chart_best_times(:'account', 'Europe/Berlin', '2026-05-01', '2026-06-01') as times, analytics.chart_audience(:'account') as audience,
  analytics.chart_compare(array[:'account', :'other']::uuid[], since => '2026-05-01', until => '2026-06-01') as compared \gset
select is(pg_temp.found('/s:svg/@role', p), '{img}', 'a picture for readers of pictures: ' || what) from (values ('followers', :'followers'), ('engagement', :'engagement'), ('times', :'times'), ('audience', :'audience'), ('compare', :'compared')) v (what, p);
select is(pg_temp.found('/s:svg/s:desc/text()', :'followers'), array['@natgeo: 1,010 on 1 May 2026, 1,310 on 31 May 2026; lowest 1,010, highest 1,310; 4 of 31 days not known.'], 'followers in words');
select is(cardinality(pg_temp.found('//s:rect[@fill="url(#c-gap)"]', :'followers')), 2, 'two gaps are drawn');
select is((select length(d) - length(replace(d, 'M', '')) from unnest(pg_temp.found('//s:path[@class="path"]/@d', :'followers')) d), 3, 'and the line has three parts');
select ok('captured 31 May 2026 06:05 UTC' = any (pg_temp.found('//s:text/text()', :'followers')), 'with the time of the capture');
select ok('hatched: not known (4 of 31 days)' = any (pg_temp.found('//s:text/text()', :'followers')), 'and how much is not known');
select is(cardinality(pg_temp.found('//s:circle[@fill-opacity]', :'engagement')), 11, 'a post whose saves are unknown has no mark');
select ok(pg_temp.found('//s:text/text()', :'engagement') && array['1 of 12 posts not drawn: not known', 'captured 1 Jun 2026 09:30 UTC'], 'which is said');
select ok(array_to_string(pg_temp.found('//s:title/text()', :'engagement'), ' ') like '%&lt;img src=x onerror=alert(1)&gt;%', 'a caption stays text');
select is(pg_temp.found('//s:script | //s:img | //s:image | //@onload | //@onerror | //s:foreignObject', :'engagement'), '{}', 'and brings no element');
select is((select count(*) from unnest(pg_temp.found('//s:text/s:tspan/text()', :'compared')) t where t in ('+29.7%', '+19.9%')), 2::bigint, 'changes are compared');
select ok('&lt;female&gt;' = any (pg_temp.found('//s:text/text()', :'audience')) and '61%' = any (pg_temp.found('//s:text/text()', :'audience')), 'shares of an audience');
select is((select count(*) from unnest(pg_temp.found('//s:text/text()', :'audience')) t where t = 'not answered by the platform'), 2::bigint, 'what was not answered is said');
select ok(pg_temp.found('//s:text/text()', analytics.chart_engagement(:'account', '2026-05-01', '2026-06-01', by => 'followers')) @> array['rate: (likes + comments) / followers on the day of publishing'], 'by followers when asked');
select ok(analytics.chart_followers(:'account', '2026-05-01', '2026-06-01', as_known_at => '2026-05-05') like '%4 May 2026%' and analytics.chart_followers(:'account', '2026-05-01', '2026-06-01', as_known_at => '2026-05-05') not like '%31 May 2026; %', 'as it was known');
select ok('Nothing known yet' = any (pg_temp.found('//s:text/text()', p)), 'nothing is drawn where nothing is known: ' || what)
from (values ('followers', analytics.chart_followers(:'bare')), ('engagement', analytics.chart_engagement(:'bare')), ('times', analytics.chart_best_times(:'bare')), ('audience', analytics.chart_audience(:'bare')),
  ('compare', analytics.chart_compare(array[:'bare']::uuid[]))) v (what, p);
-- A metric that one platform has not.
select pg_temp.act_as_superuser();
insert into analytics.metrics_snapshots (workspace_id, social_account_id, metric, measured_at, captured_at, value, source)
select :'studio', :'account', metric, d, d + interval '1 day', 100 * extract(day from d), 'test' from generate_series(timestamptz '2026-04-01', '2026-04-30', '1 day') d, unnest(array['views', 'reach']) metric;
select pg_temp.act_as(:'analyst');
select results_eq(format($$select pg_temp.found('count(//s:path[@class="path"])', p)::text, t from (select analytics.chart_compare(array[%L, %L]::uuid[], %L, 'value', '2026-04-01', '2026-05-01')::text as p) c,
  unnest(pg_temp.found('//s:text/text()', p)) t where t like '@%%: %%'$$, ids[1], ids[2], metric), format('values (%L, %L)', '{1}', '@natgeo · TikTok: ' || reason), format('the other is drawn, and why one is not is said: %s, %s', metric, place))
from (values ('views', 'TikTok has no metric views for accounts'), ('reach', 'not offered by the API for accounts')) v (metric, reason),
  (values ('last', array[:'account', :'other']), ('first', array[:'other', :'account'])) o (place, ids);
select ok('TikTok has no metric views for accounts' = any (pg_temp.found('//s:text/text()', analytics.chart_compare(array[:'other']::uuid[], 'views'))), 'alone, it is an empty picture that says so');
select is(pg_temp.state_of(format('select analytics.chart_compare(array[%L, %L]::uuid[], %L)', :'account', :'other', 'charm')), 'PT400', 'a metric that no platform has is refused');
select ok((pg_temp.found('/s:svg/@viewBox', analytics.chart_followers(:'account', width => 320)))[1] like '0 0 320 %', 'as wide as asked');
select is(cardinality(pg_temp.found('//s:circle', analytics.chart_followers(:'account', '2024-05-01', '2026-06-01'))) > 0, true, 'years are drawn by week');

-- Pages -------------------------------------------------------------------------------------------------------------------

select analytics.dashboard(:'account', '2026-05-01', '2026-06-01', 'Europe/Berlin') as page \gset
select is(pg_temp.found('//h1/bdi/text()', :'page'), '{@natgeo}', 'the dashboard of the account');
select is(pg_temp.found('/html/head/meta[@http-equiv]/@content', :'page'), array['default-src ''none''; style-src ''unsafe-inline''; img-src data:'], 'that loads nothing');
select is(pg_temp.found('//script | //img | //iframe | //form | //object | //embed | //@onerror | //@onload | //@src', :'page'), '{}', 'and runs nothing');
select is(pg_temp.found('//a/@href[starts-with(., "javascript")]', :'page'), '{}', 'an address that is none of the web is no link');
select is(cardinality(pg_temp.found('//a[@rel="noopener noreferrer"]', :'page')), 9, 'the others are');
select is((select count(*) from unnest(pg_temp.found('//table//caption', :'page')))::integer, cardinality(pg_temp.found('//figure', :'page')), 'each picture has a table');
select ok('1,310' = any (pg_temp.found('//dd[@class="value"]/text()', :'page')) and '+300' = any (pg_temp.found('//dd[@class="value"]/text()', :'page')), 'followers and their change');
select ok('not known' = any (pg_temp.found('//dd/text()', :'page')), 'what is not known is said');
select ok(:'page' like '%Times are in Europe/Berlin%', 'in the time zone asked for');
select ok(analytics.dashboard(:'bare') like '%Nothing known yet%', 'an account without numbers has a page too');

-- Sums are of whole days of the zone, and say of how many; what is no whole day is not a zero.
select pg_temp.act_as(:'owner');
select analytics.add_account(:'studio', 'instagram', 'counted') ->> 'id' as counted \gset
select pg_temp.act_as_superuser();
insert into analytics.metrics_snapshots (workspace_id, social_account_id, metric, measured_at, captured_at, value, source)
select :'studio', :'counted', 'views', d at time zone 'UTC', d at time zone 'UTC', 100, 'test'
from generate_series(date_trunc('day', now() at time zone 'UTC') - interval '40 days', date_trunc('day', now() at time zone 'UTC'), '1 day') d;
select pg_temp.act_as(:'analyst');
create function pg_temp.fact(label text, page text) returns text[] language sql as $$
  select pg_temp.found(format('//dt[. = "%1$s" or . = "%1$s a day"]/following-sibling::dd//text()', fact.label), fact.page)
$$;
select is(pg_temp.fact('Views', page), array[total, note], what) from (values
  ('by default', analytics.dashboard(:'counted')::text, '3,000', 'sum of 30 whole days'),
  ('of a day and parts of two', analytics.dashboard(:'counted', date_trunc('day', now(), 'UTC') - interval '60 hours', date_trunc('day', now(), 'UTC') - interval '1 minute', 'UTC'), '100', 'sum of 1 whole day'),
  ('with days that were never captured', analytics.dashboard(:'counted', date_trunc('day', now(), 'UTC') - interval '50 days', date_trunc('day', now(), 'UTC')), '100', 'mean of 40 of 50 whole days'),
  ('of half a day', analytics.dashboard(:'counted', date_trunc('day', now(), 'UTC') - interval '12 hours', date_trunc('day', now(), 'UTC')), 'not known', 'the period has no whole day')) v (what, page, total, note);
select ok(value > 0 and pg_temp.fact('Views', analytics.dashboard(:'counted', timezone => zone)) = array[to_char(value, 'FM999,990'), 'sum of 30 whole days'], 'as metric_totals() says it: ' || zone)
from unnest(array['UTC', 'Europe/Berlin', 'America/Los_Angeles']) zone, analytics.metric_totals(:'counted', metrics => '{views}', timezone => zone);
select ok(analytics.dashboard(:'counted', timezone => zone) like '%>' || to_char((now() at time zone zone)::date - 30, 'FMDD Mon YYYY') || ' – ' || to_char((now() at time zone zone)::date, 'FMDD Mon YYYY') || '<%', 'under the days that it shows: ' || zone)
from unnest(array['UTC', 'Pacific/Auckland', 'America/Los_Angeles']) zone;

-- Numbers of any size: as from before the tables had bounds.
select pg_temp.act_as_superuser();
alter table analytics.top_content drop constraint top_content_counts;
alter table analytics.metrics_snapshots drop constraint if exists metrics_snapshots_value;
alter table analytics.audience_insights drop constraint audience_insights_base;
select pg_temp.act_as(:'owner');
select analytics.add_account(:'studio', 'facebook', 'huge') ->> 'id' as huge, analytics.add_account(:'studio', 'linkedin', 'grown') ->> 'id' as grown \gset
select pg_temp.act_as_superuser();
insert into analytics.top_content (workspace_id, social_account_id, platform_post_id, posted_at, likes_count, comments_count, shares_count, saves_count, reach, views, followers_count,
  engagement_rate, engagement_rate_by_followers, captured_at)
select :'studio', :'huge', 'p' || n, timestamptz '2026-05-01 08:00' + n * interval '1 day', 9e18, 9e18, 9e18, 9e18, 9e18, 9e18, 100, 400, 1.8e19, '2026-06-01 09:30' from generate_series(1, 11) n;
insert into analytics.audience_insights (workspace_id, social_account_id, audience, captured_at, snapshot_date, base, source) values (:'studio', :'huge', 'followers', '2026-05-31 07:00', '2026-05-30', 9e18, 'test');
insert into analytics.metrics_snapshots (workspace_id, social_account_id, metric, measured_at, captured_at, value, source)
select :'studio', a, 'followers', moment, moment, value, 'test'
from (values (:'huge'::uuid, timestamptz '2026-04-30 23:00', 9e18::bigint), (:'huge', '2026-05-31 23:00', 9223372036854775807), (:'grown', '2026-03-30 23:00', 2e12::bigint), (:'grown', '2026-04-30 23:00', 2),
  (:'grown', '2026-05-31 23:00', 1000000)) v (a, moment, value);
select pg_temp.act_as(:'analyst');
select is(pg_temp.state_of(format(c, :'huge')), 'fine', 'counts of 9e18: ' || c) from unnest(array['select analytics.dashboard(%L, ''2026-05-01'', ''2026-06-01'')', 'select analytics.chart_engagement(%L, ''2026-05-01'', ''2026-06-01'')',
  'select analytics.chart_engagement(%L, ''2026-05-01'', ''2026-06-01'', by => ''followers'')', 'select analytics.chart_engagement(%L, ''2026-05-01'', ''2026-06-01'', by => ''views'')',
  'select analytics.chart_followers(%L, ''2026-05-01'', ''2026-06-01'')', 'select analytics.chart_best_times(%L, ''UTC'', ''2026-05-01'', ''2026-06-01'', ''followers'')', 'select analytics.chart_audience(%L)',
  'select analytics.chart_compare(array[%L]::uuid[], ''followers'', ''value'', ''2026-05-01'', ''2026-06-01'')', 'select analytics.content_mix(%L, ''2026-05-01'', ''2026-06-01'')']) c;
select ok('the number is too large to be drawn' = any (pg_temp.found('//dd/text()', analytics.dashboard(:'huge', '2026-05-01', '2026-06-01'))), 'what cannot be drawn is said');
select ok('the number is too large to be drawn' = any (pg_temp.found('//s:text/text()', p)), 'in a picture too')
from unnest(array[analytics.chart_engagement(:'huge', '2026-05-01', '2026-06-01', by => 'followers')::text, analytics.chart_followers(:'huge', '2026-05-01', '2026-06-01')]) p;
select ok(analytics.dashboard(:'grown', '2026-05-01', '2026-06-01') like '%>+49,999,900% since 30 Apr 2026, −1,999,999,999,998 in the 31 days before<%', 'a change has room for all its digits');
select ok(analytics.chart_audience(:'huge') like '%, 9,000,000,000,000,000,000 people%', 'so has an audience');
select ok(analytics.dashboard(:'grown', '2026-05-01', '2026-06-01 12:30') like '%, not known in as much time before<%' and analytics.dashboard(:'account', '2026-05-03', '2026-05-04') like '%, +10 in the day before<%', 'beside as much time before');
select pg_temp.act_as_superuser();
select is(analytics_private.change_in_words(number, places), expected, format('%s in words', number)) from (values (0, 1, '0.0'), (0.04, 1, '0.0'), (-0.04, 1, '0.0'), (12.34, 1, '+12.3'), (-999.95, 1, '−1,000.0'),
  (999, 0, '+999'), (1000, 0, '+1,000'), (-123456789012345678901234567890, 0, '−123,456,789,012,345,678,901,234,567,890'), (null, 1, null)) v (number, places, expected);

select pg_temp.act_as_superuser();
select pg_temp.ingest(pg_temp.account('77', 'aurora', 123456, array[pg_temp.post(1, '77', 'aurora', now() - interval '3 days', 400, 20, '<script>alert(1)</script> @friend #tag')],
  '{"full_name": "<i>Aurora</i>", "biography": "\u202eevil"}')) as profile \gset
select pg_temp.act_as(:'analyst');
select analytics.unlock_profile('aurora') ->> 'state' as state \gset
select analytics.profile_page('aurora', 'America/New_York') as page \gset
select is(pg_temp.found('//h1/bdi/text()', :'page'), '{@aurora}', 'the page of an unlocked profile');
select ok('123,456' = any (pg_temp.found('//dd[@class="value"]/text()', :'page')), 'with its followers');
select is(pg_temp.found('//script', :'page'), '{}', 'and its texts as text');
select ok(:'page' not like U&'%\202E%', 'without marks that turn the text around it');
select is(pg_temp.state_of('select analytics.profile_page(''nobody'')'), 'PT404', 'not of one that is not unlocked');
select is(pg_temp.state_of('select analytics.profile_page(''two words'')'), 'PT400', 'nor of one that cannot exist');

-- Reports -----------------------------------------------------------------------------------------------------------------

select is(analytics.report_csv(:'account', '2026-05-19', '2026-05-22', '{followers,impressions}')::text, concat_ws(E'\r\n', 'platform,account,metric,measured_at,value,unit,captured_at,captures,reason',
  'instagram,natgeo,followers,2026-05-19T06:00:00Z,1190,people,2026-05-19T06:05:00Z,1,', 'instagram,natgeo,followers,2026-05-20T06:00:00Z,,people,2026-05-20T06:05:00Z,1,the platform was down',
  'instagram,natgeo,followers,2026-05-21T06:00:00Z,1210,people,2026-05-21T06:05:00Z,1,',
  'instagram,natgeo,impressions,,,count,,0,withdrawn by the platform on 2025-04-21; use views') || E'\r\n', 'a report');
select pg_temp.act_as_superuser();
select is(analytics_private.csv_record(array['=1+1', 'a,b', 'say "x"', null, '-5', '@x']), '''=1+1,"a,b","say ""x""",,-5,''@x', 'no field is a formula');
select is(analytics.sparkline(array[1, 5, null, 'NaN', 3]::double precision[]), '▁█··▅', 'a sparkline');
select is(analytics.sparkline('{}'), '', 'of nothing');
select is(analytics.sparkline(null), null, 'of null');

-- Who may -----------------------------------------------------------------------------------------------------------------

create temp table calls (call text);
insert into calls select format(c, :'account') from unnest(array['analytics.chart_followers(%L)', 'analytics.chart_engagement(%L)', 'analytics.chart_best_times(%L)', 'analytics.chart_audience(%L)',
  'analytics.chart_compare(array[%L]::uuid[])', 'analytics.dashboard(%L)', 'analytics.report_csv(%L)', 'analytics.share_page(%L)']) c;
grant select on calls to public;
select pg_temp.act_as(:'stranger');
select is(pg_temp.state_of('select ' || call), 'PT404', 'a stranger: ' || call) from calls;
select is(pg_temp.state_of('select ' || replace(call, :'account', gen_random_uuid()::text)), 'PT404', 'as of one that is not there: ' || call) from calls;
select is(pg_temp.state_of(format('select analytics.chart_compare(array[%L, %L]::uuid[])', :'foreign_account', :'account')), 'PT404', 'beside one of his own neither');
select pg_temp.act_with('', 'anon');
select is(pg_temp.state_of('select ' || call), 'PT401', 'without a user: ' || call) from calls;
select is(pg_temp.state_of('select analytics.profile_page(''aurora'')'), 'PT401', 'without a user: profile_page');
select pg_temp.act_as(:'analyst');
select is(pg_temp.state_of('select ' || call), case when call like '%share_page%' then 'PT403' else 'fine' end, 'an analyst: ' || call) from calls;
select is((pg_temp.error_of('select ' || format(call, :'account')) ->> 'state') || ' ' || coalesce((pg_temp.error_of('select ' || format(call, :'account')) ->> 'detail')::jsonb ->> 'field', ''), 'PT400 ' || field, call)
from (values ('analytics.chart_followers(%L, width => 100)', 'width'), ('analytics.chart_followers(%L, width => null)', 'width'), ('analytics.chart_followers(%L, timezone => ''Mars/North'')', 'timezone'),
  ('analytics.chart_followers(%L, timezone => null)', 'timezone'), ('analytics.chart_followers(%L, ''2026-05-02'', ''2026-05-01'')', 'since'), ('analytics.chart_followers(%L, ''-infinity'')', 'since'),
  ('analytics.dashboard(%L, ''1900-01-01'')', 'since'), ('analytics.chart_engagement(%L, by => ''luck'')', 'by'), ('analytics.chart_audience(%L, ''fans'')', 'audience'),
  ('analytics.chart_audience(%L, null)', 'audience'), ('analytics.chart_compare(array[%1$L, %1$L]::uuid[])', 'account_ids'), ('analytics.chart_compare(''{}'')', 'account_ids'),
  ('analytics.chart_compare(null)', 'account_ids'), ('analytics.chart_compare(array[%L]::uuid[], scale => ''log'')', 'scale'), ('analytics.chart_compare(array[%L]::uuid[], ''charm'')', 'metric'),
  ('analytics.report_csv(%L, metrics => ''{charm}'')', 'metric')) v (call, field);

-- Links -------------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'editor');
select analytics.share_page(:'account', timezone => 'Europe/Berlin') as link \gset
select :'link'::jsonb ->> 'link_token' as token, :'link'::jsonb ->> 'id' as link_id \gset
select ok(:'token' ~ '^[A-Za-z0-9_-]{43}$', 'an editor makes a link with a token of 32 bytes');
select is(:'link'::jsonb - '{id,link_token,expires_at}'::text[], jsonb_build_object('workspace_id', :'studio', 'account_id', :'account', 'page', 'dashboard'), 'and is told what it is for');
select is((select expires_at - created_at from analytics.shared_pages), interval '7 days', 'it lasts a week');
select pg_temp.act_as(:'analyst');
select is((select count(*) from analytics.shared_pages), 1::bigint, 'members see that there is a link');
select ok(not exists (select from jsonb_each_text(to_jsonb(s)) c where c.value = :'token'), 'not what opens it') from analytics.shared_pages s;
select is(pg_temp.state_of(format('select analytics.revoke_shared_page(%L)', :'link_id')), 'PT403', 'an analyst ends none');
select is(analytics.can('revoke_shared_page', :'link_id') ->> 'code', 'FORBIDDEN', 'as can() says');
select pg_temp.act_as(:'stranger');
select is_empty('select from analytics.shared_pages', 'others see none');
select is(pg_temp.state_of(format('select analytics.revoke_shared_page(%L)', :'link_id')), 'PT404', 'and end none');
select is(analytics.can('revoke_shared_page', :'link_id') ->> 'code', 'NOT_FOUND', 'as can() says');
select is(pg_temp.found('//h1/bdi/text()', analytics.shared_page(:'token')), '{@natgeo}', 'who has the link sees the page');
select is(analytics_private.user_id(), :'stranger', 'and stays who he is');
select pg_temp.act_with('{"role": "anon"}', 'anon');
select ok(analytics.shared_page(:'token') like '%Times are in Europe/Berlin%', 'without signing in too, in the link''s time zone');
select is(current_setting('request.jwt.claims'), '{"role": "anon"}', 'the claims are his own again');
select is(pg_temp.state_of(format('select analytics.dashboard(%L)', :'account')), 'PT401', 'the link opens that page only');
create function pg_temp.answer_to(token text) returns jsonb language sql as $$ select pg_temp.error_of(format('select analytics.shared_page(%L)', token)) - 'detail' $$;
select pg_temp.answer_to('unknown') as missing \gset
select is(:'missing'::jsonb ->> 'state', 'PT404', 'an unknown token');
select is(pg_temp.answer_to(t), :'missing'::jsonb, 'all that is not there is the same') from unnest(array[null, '', repeat('x', 100000), upper(:'token'), :'token' || repeat('=', 100)]) t;

-- What ends it, each undone: answers to the token and to nobody else's question.
create function pg_temp.after(change text, token text, out answer text) language plpgsql as $$
begin
  begin
    perform pg_temp.act_as_superuser();
    execute change;
    perform pg_temp.act_with('{"role": "anon"}', 'anon');
    answer := coalesce(pg_temp.error_of(format('select analytics.shared_page(%L)', token)) ->> 'state', 'fine');
    raise sqlstate 'NOERR';
  exception when sqlstate 'NOERR' then
    null;
  end;
end
$$;
select is(pg_temp.after(change, :'token'), expected, what) from (values
  ('select 1', 'fine', 'nothing happened'),
  ('update analytics.shared_pages set created_at = now() - interval ''8 days'', expires_at = statement_timestamp()', 'PT404', 'it expired'),
  ('update analytics.shared_pages set revoked_at = now()', 'PT404', 'it was revoked'),
  (format('update analytics.workspace_members set role = ''analyst'' where user_id = %L and workspace_id = %L', :'editor', :'studio'), 'PT404', 'its maker lost his role'),
  (format('update analytics.workspace_members set role = ''admin'' where user_id = %L and workspace_id = %L', :'editor', :'studio'), 'fine', 'its maker got a higher one'),
  (format('delete from analytics.workspace_members where user_id = %L and workspace_id = %L', :'editor', :'studio'), 'PT404', 'its maker left'),
  (format('select analytics_private.set_user_status(%L, ''suspended'')', :'editor'), 'PT404', 'its maker is suspended'),
  (format('select analytics_private.set_workspace_status(%L, ''suspended'')', :'studio'), 'PT404', 'the workspace is suspended'),
  (format('update analytics.social_accounts set status = ''disconnected'', disconnected_at = now(), is_primary = false where id = %L', :'account'), 'PT404', 'the account was disconnected'),
  (format('delete from analytics.social_accounts where id = %L', :'account'), 'PT404', 'the account is gone')) v (change, expected, what);

-- A removed account that is added again keeps its history, not its links.
select pg_temp.act_as(:'editor');
select analytics.share_page(:'other') ->> 'link_token' as removed_token, analytics.share_page(:'other') ->> 'id' as removed_second \gset
select analytics.share_page(:'other') ->> 'id' as ended_before \gset
select analytics.revoke_shared_page(:'ended_before') \g /dev/null
select pg_temp.act_as(:'owner');
select analytics.remove_account(:'other') \g /dev/null
select is((select count(*) from analytics.shared_pages s where s.social_account_id = :'other' and s.revoked_at is not null), 3::bigint, 'links to an account that is removed end');
select is(analytics.add_account(:'studio', 'tiktok', 'natgeo') ->> 'id', :'other', 'it is added again');
select is(pg_temp.answer_to(:'removed_token'), :'missing'::jsonb, 'and they do not open again');
select ok(analytics.shared_page(:'token') like '<!DOCTYPE html>%', 'those of other accounts do');
select pg_temp.act_as_superuser();
select results_eq(format($$select a.entity_id, a.actor_id, a.metadata ->> 'own', a.metadata ->> 'account_disconnected' from analytics.audit_logs a join analytics.shared_pages s on s.id = a.entity_id
    where a.action = 'page.share_revoked' and s.social_account_id = %L order by s.id$$, :'other'),
  format($$select s.id, case when s.id = %1$L then %2$L else %3$L end::uuid, case when s.id = %1$L then 'true' else 'false' end, case when s.id <> %1$L then 'true' end
    from analytics.shared_pages s where s.social_account_id = %4$L order by s.id$$, :'ended_before', :'editor', :'owner', :'other'), 'each is in the audit, once');

select pg_temp.act_as(:'owner');
select ok(analytics.revoke_shared_page(:'link_id'), 'another editor ends it');
select ok(not analytics.revoke_shared_page(:'link_id'), 'twice makes no difference');
select pg_temp.act_with('', 'anon');
select is(pg_temp.answer_to(:'token'), :'missing'::jsonb, 'then it opens nothing');
select pg_temp.act_as_superuser();
select set_eq($$select a.action, a.entity_type from analytics.audit_logs a where a.action like 'page.%'$$, $$values ('page.shared', 'shared_page'), ('page.share_revoked', 'shared_page')$$, 'both are in the audit');
select ok(not exists (select from analytics.audit_logs a where to_jsonb(a)::text like '%' || :'token' || '%'), 'without the token');
select pg_temp.act_as(:'editor');
select is(pg_temp.state_of(format('select analytics.share_page(%L, %s)', :'account', arguments)), 'PT400', 'no link with ' || arguments)
from unnest(array['''profile_page''', 'null', 'expires_in => ''0''', 'expires_in => ''91 days''', 'expires_in => null', 'timezone => ''Mars/North''']) arguments;
select pg_temp.act_as_superuser();
select analytics_private.set_setting('shared_pages_per_workspace', '1') \g /dev/null
select pg_temp.act_as(:'editor');
select analytics.share_page(:'account') ->> 'id' as second \gset
select is(pg_temp.state_of(format('select analytics.share_page(%L)', :'account')), 'PT409', 'a workspace has so many links and no more');
select is(jsonb_array_length(analytics.export_my_data() -> 'pages_shared'), 5, 'who made them has them in his export');
select is(pg_temp.state_of('update analytics.shared_pages set expires_at = ''2100-01-01'''), '42501', 'nobody writes them past the functions');
select pg_temp.act_as_superuser();
update analytics.shared_pages set created_at = created_at - interval '200 days', expires_at = expires_at - interval '200 days', revoked_at = revoked_at - interval '200 days';
select is(analytics_private.purge_shared_pages(10), 5, 'links that ended long ago are forgotten');
select is_empty('select from analytics_private.shared_page_tokens', 'with their tokens');

-- Through PostgREST -----------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'analyst');
select set_config('request.method', 'GET', true) \g /dev/null
select analytics.dashboard(:'account') is not null as made \gset
select is(current_setting('response.headers')::jsonb, '[{"Content-Security-Policy": "default-src ''none''; style-src ''unsafe-inline''; img-src data:"}, {"X-Content-Type-Options": "nosniff"}, {"Referrer-Policy": "no-referrer"}, {"Cache-Control": "private, no-store"}]'::jsonb, 'pages tell the browser to load nothing');
select is(pg_catalog.format_type(p.prorettype, null), t, f || ' has the media type') from (values ('chart_followers', 'analytics."image/svg+xml"'), ('dashboard', 'analytics."text/html"'), ('shared_page', 'analytics."text/html"'), ('report_csv', 'analytics."text/csv"')) v (f, t)
join pg_catalog.pg_proc p on p.proname = f and p.pronamespace = 'analytics'::regnamespace;
select is(array(select p.proname::text from pg_catalog.pg_proc p join pg_catalog.pg_type t on t.oid = p.prorettype where p.pronamespace = 'analytics'::regnamespace and t.typtype = 'd' and t.typname like '%/%' and p.provolatile <> 's'), '{}', 'and can be asked for by GET');

select * from finish();
rollback;
