-- Connected accounts: who may add and remove them, how many the plan allows, and what removing leaves.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('olga@example.com') as owner, pg_temp.sign_up('ada@example.com') as admin, pg_temp.sign_up('ed@example.com') as editor,
  pg_temp.sign_up('ana@example.com') as analyst, pg_temp.sign_up('sam@example.com') as stranger \gset
select pg_temp.personal_workspace(:'owner') as studio, pg_temp.personal_workspace(:'stranger') as elsewhere \gset
insert into analytics.workspace_members (workspace_id, user_id, role) values (:'studio', :'admin', 'admin'), (:'studio', :'editor', 'editor'), (:'studio', :'analyst', 'analyst');
update analytics.users set default_workspace_id = :'studio' where id in (:'admin', :'editor', :'analyst');
create function pg_temp.state_of(statement text) returns text language sql as $$ select coalesce(pg_temp.error_of(statement) ->> 'state', 'fine') $$;
create function pg_temp.field_of(statement text) returns text language sql as $$
  select (e ->> 'state') || ' ' || ((e ->> 'detail')::jsonb ->> 'field') from pg_temp.error_of(statement) e
$$;

-- Adding ----------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'admin');
select analytics.add_account(platform => 'Instagram', handle => '@NatGeo', display_name => 'National Geographic', account_label => 'Ours', account_type => 'brand',
  metadata => '{"page_id": "1"}') as account \gset
select :'account'::jsonb ->> 'id' as id \gset
select is(:'account'::jsonb - '{id,created_at,updated_at,connected_at}'::text[], jsonb_build_object('workspace_id', :'studio', 'platform', 'instagram', 'platform_user_id', null,
  'handle', 'natgeo', 'display_name', 'National Geographic', 'account_label', 'Ours', 'account_type', 'brand', 'is_primary', true, 'profile_picture_url', null,
  'metadata', '{"page_id": "1"}'::jsonb, 'status', 'needs_review', 'status_reason', null, 'status_remedy', null, 'created_by', :'admin', 'disconnected_at', null, 'reconnected', false), 'an admin adds an account of his workspace');
select is(analytics.quotas(:'studio') #> '{connected_accounts,used}', '1', 'it takes a place of the plan');
select is(analytics.add_account(:'studio', 'twitter', 'NatGeo', '17') ->> 'platform', 'x', 'twitter is x');
select is(pg_temp.error_of($$select analytics.add_account(platform => 'tiktok', handle => 'natgeo')$$) #>> '{detail}' is not null
  and pg_temp.state_of($$select analytics.add_account(platform => 'tiktok', handle => 'natgeo')$$) = 'PT402', true, 'the free plan allows two');
select is((pg_temp.error_of($$select analytics.add_account(platform => 'tiktok', handle => 'natgeo')$$) ->> 'detail')::jsonb - 'request_id',
  '{"code": "PAYMENT_REQUIRED", "limit": 2, "used": 2, "resource": "connected_accounts"}', 'and says so');
select is(analytics.can('add_account', :'studio') ->> 'code', 'PAYMENT_REQUIRED', 'can() says the same');
select pg_temp.act_as_superuser();
select analytics_private.set_plan(:'studio', 'premium') \g /dev/null
select pg_temp.act_as(:'admin');
select is(analytics.can('add_account', :'studio') ->> 'allowed', 'true', 'a larger plan has more');
select is(pg_temp.state_of(format('select analytics.add_account(platform => %L, handle => %L, platform_user_id => %L)', p, h, i)), 'PT409', format('connected already: %s %s %s', p, h, i))
from (values ('instagram', 'natgeo', null), ('instagram', 'https://www.instagram.com/NatGeo/', '99'), ('x', 'renamed', '17')) v (p, h, i);
select is(pg_temp.field_of('select analytics.add_account(' || arguments || ')'), 'PT400 ' || field, format('%s: %s is refused', field, left(arguments, 60))) from (values
  ('platform => null, handle => ''a''', 'platform'), ('platform => ''myspace'', handle => ''a''', 'platform'), ('platform => ''x''', 'handle'), ('platform => ''x'', handle => '' @''', 'handle'),
  ('platform => ''instagram'', handle => ''a b''', 'handle'), ('platform => ''x'', handle => ''a'', platform_user_id => ''1 2''', 'platform_user_id'), ('platform => ''x'', handle => repeat(''a'', 256)', 'handle'),
  ('platform => ''x'', handle => ''a'', display_name => repeat(''a'', 256)', 'display_name'), ('platform => ''x'', handle => ''a'', account_label => repeat(''a'', 256)', 'account_label'),
  ('platform => ''x'', handle => ''a'', account_type => ''robot''', 'account_type'), ('platform => ''x'', handle => ''a'', metadata => ''[]''', 'metadata'),
  ('platform => ''x'', handle => ''a'', profile_picture_url => repeat(''a'', 2001)', 'profile_picture_url')) v (arguments, field);

-- One primary a platform.
select is(analytics.add_account(platform => 'instagram', handle => 'second') ->> 'is_primary', 'false', 'the second of a platform is not primary');
select is(analytics.add_account(platform => 'instagram', handle => 'third', is_primary => true) ->> 'is_primary', 'true', 'unless it is meant to be');
select results_eq($$select handle::text from analytics.social_accounts where platform = 'instagram' and is_primary$$, array['third'], 'then no other is');

-- Who may ----------------------------------------------------------------------------------------------------------------

select is((select count(*) from analytics.social_accounts), 4::bigint, 'members read the accounts');
select pg_temp.act_as(:'analyst');
select is((select count(*) from analytics.social_accounts), 4::bigint, 'every member');
select pg_temp.act_as(:'stranger');
select is((select count(*) from analytics.social_accounts), 0::bigint, 'nobody else');
create temp table calls (call text);
insert into calls values (format('select analytics.add_account(%L, ''x'', ''a'')', :'studio')), (format('select analytics.remove_account(%L)', :'id'));
grant select on calls to public;
select is(pg_temp.state_of(call), 'PT404', 'a stranger finds nothing: ' || call) from calls;
select pg_temp.act_as(:'editor');
select is(pg_temp.state_of(call), 'PT403', 'an editor may not ' || call) from calls;
select pg_temp.act_as(:'owner');
select is(pg_temp.state_of(call), 'fine', 'the owner may ' || call) from calls;
select pg_temp.act_with('', 'anon');
select is(pg_temp.state_of(call), 'PT401', 'without a user: ' || call) from calls;
select pg_temp.act_as(:'owner');
select is(pg_temp.state_of(format('update analytics.social_accounts set handle = %L', 'a')), '42501', 'nobody writes past the functions');
select is(pg_temp.state_of('delete from analytics.social_accounts'), '42501', 'or deletes');

-- Removing ---------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'admin');
select s ->> 'id' as third from (select to_jsonb(a) s from analytics.social_accounts a where handle = 'third') x \gset
select is(analytics.remove_account(:'third') - 'disconnected_at', jsonb_build_object('id', :'third', 'workspace_id', :'studio', 'status', 'disconnected', 'history_deleted', false), 'an admin removes one');
select results_eq($$select handle::text from analytics.social_accounts where platform = 'instagram' and is_primary$$, array['natgeo'], 'the oldest of the platform is primary again');
select is(analytics.quotas(:'studio') #> '{connected_accounts,used}', '3', 'its place is free');
select is(analytics.remove_account(:'third') -> 'disconnected_at', to_jsonb((select disconnected_at from analytics.social_accounts where id = :'third')), 'removed twice, it changes nothing');
select is(pg_temp.error_of(format('select analytics.record_followers(%L, ''[]'')', :'third')) ->> 'state', 'PT409', 'it takes no lists');
select is((select row(a ->> 'id', a ->> 'status', a ->> 'reconnected', a ->> 'disconnected_at')::text from analytics.add_account(platform => 'instagram', handle => 'third') a),
  row(:'third', 'needs_review', 'true', null)::text, 'added again, it is the same one');
select a.id as tweets from analytics.social_accounts a where a.platform = 'x' \gset
select analytics.remove_account(:'tweets') \g /dev/null
select is(analytics.add_account(platform => 'x', handle => 'renamed', platform_user_id => '17') ->> 'id', :'tweets', 'also under a new name, by its id');
select analytics.remove_account(:'tweets') \g /dev/null
select isnt(analytics.add_account(platform => 'x', handle => 'renamed', platform_user_id => '18') ->> 'id', :'tweets', 'but not when the id is another');

-- With everything that hangs on it.
select analytics.record_followers(:'id', '["a", "b"]') ->> 'found' as found \gset
select is(analytics.remove_account(:'id', true) ->> 'history_deleted', 'true', 'with its history');
select is((select count(*) from analytics.social_accounts where id = :'id') + (select count(*) from analytics.follower_snapshots where social_account_id = :'id'), 0::bigint, 'nothing of it is left');
select is(pg_temp.state_of(format('select analytics.remove_account(%L)', :'id')), 'PT404', 'and it is not there');
select pg_temp.act_as_superuser();
select is((select count(*) from analytics_private.follower_imports where social_account_id = :'id'), 0::bigint, 'nor its imports');

-- What is on record --------------------------------------------------------------------------------------------------------

select is((select count(*) from analytics.audit_logs where entity_type = 'social_account' and entity_id = :'id' and action in ('social_account.created', 'social_account.deleted', 'followers.imported')), 3::bigint,
  'adding, importing and deleting are on record');
select pg_temp.act_as(:'admin');
select cmp_ok(jsonb_array_length(analytics.export_my_data() -> 'accounts_added'), '>', 2, 'who added them finds them in his export');

-- A workspace that goes takes its accounts along.
select pg_temp.act_as_superuser();
select is((select count(*) from analytics.platform_users where workspace_id = :'studio'), 2::bigint, 'people are there');
select analytics_private.close_workspace(:'studio') \g /dev/null
select is((select count(*) from analytics.social_accounts where workspace_id = :'studio'), 0::bigint, 'a deleted workspace has no accounts');
select analytics_private.maintain() ->> 'platform_users' as purged \gset
select is(:'purged'::text, '2', 'and upkeep removes its people');
select is((select count(*) from analytics.platform_users where workspace_id = :'studio'), 0::bigint, 'all of them');
select analytics_private.maintain() \g /dev/null
select is((select count(*) from analytics_private.platform_user_counters where workspace_id = :'studio'), 0::bigint, 'and their counter');

select * from finish();
rollback;
