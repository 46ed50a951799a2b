-- Lists of followers: who is whom, what a list changes, what is refused, who may, and what is forgotten.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('olga@example.com') as owner, pg_temp.sign_up('ed@example.com') as editor, pg_temp.sign_up('ana@example.com') as analyst, pg_temp.sign_up('sam@example.com') as stranger \gset
select pg_temp.personal_workspace(:'owner') as studio, pg_temp.personal_workspace(:'stranger') as elsewhere \gset
insert into analytics.workspace_members (workspace_id, user_id, role) values (:'studio', :'editor', 'editor'), (:'studio', :'analyst', 'analyst');
update analytics.users set default_workspace_id = :'studio' where id in (:'editor', :'analyst');
select pg_temp.put_plan(:'owner', 'premium'), pg_temp.put_plan(:'stranger', 'premium') \g /dev/null

create function pg_temp.state_of(statement text) returns text language sql as $$ select coalesce(pg_temp.error_of(statement) ->> 'state', 'fine') $$;
create function pg_temp.field_of(statement text) returns text language sql as $$
  select (e ->> 'state') || ' ' || ((e ->> 'detail')::jsonb ->> 'field') from pg_temp.error_of(statement) e
$$;
-- A new account, and a list of it at a day of May: who came (+), was found (?), left (-), is gone (x), was not seen (.), came back (r), and how many are believed in.
create function pg_temp.account(handle text, platform text default 'instagram', workspace uuid default null) returns uuid language sql as $$
  select (analytics.add_account(workspace, platform, handle) ->> 'id')::uuid
$$;
create function pg_temp.people(list text) returns text language sql as $$
  select case when list like '[%' then list else to_jsonb(string_to_array(coalesce(list, ''), ' '))::text end
$$;
create function pg_temp.told(answer jsonb) returns text language sql as $$
  select format('+%s ?%s -%s x%s .%s r%s =%s%s%s', answer -> 'gained', answer -> 'found', answer -> 'lost', answer -> 'gone', answer -> 'not_seen', answer -> 'returned', answer -> 'member_count',
    case when not (answer ->> 'in_chain')::boolean then ' late' end, case when not (answer ->> 'is_new')::boolean then ' again' end)
$$;
create function pg_temp.list(account uuid, day integer, people text, is_complete boolean default true, relation text default 'followers') returns text language sql as $$
  select pg_temp.told(analytics.record_followers(account, pg_temp.people(people), timestamptz '2026-05-01 00:00+00' + (day - 1) * interval '1 day', relation, 'test', null, is_complete))
$$;
-- A set by names, as of the present names.
create function pg_temp.names(account uuid, ids bytea) returns text language sql as $$
  select string_agg(coalesce(u.handle, u.platform_user_id, '?'), ' ' order by u.handle, u.platform_user_id)
  from analytics.social_accounts a, analytics.members(ids::analytics.follower_set) n (number)
    join analytics.platform_users x on x.number = n.number join analytics.platform_users u on u.workspace_id = x.workspace_id and u.platform = x.platform and u.number = coalesce(x.alias_of, x.number)
  where a.id = account and x.workspace_id = a.workspace_id and x.platform = a.platform
$$;
create function pg_temp.believed(account uuid, day integer default 999, relation text default 'followers') returns text language sql as $$
  select pg_temp.names(account, analytics_private.believed_set(a.workspace_id, a.id, relation, timestamptz '2026-05-01 00:00+00' + (day - 1) * interval '1 day')::bytea) from analytics.social_accounts a where a.id = account
$$;

-- A story ----------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'owner');
select pg_temp.account('story') as a \gset
select is(pg_temp.list(:'a', 1, 'ann bob cid dan'), '+0 ?4 -0 x0 .0 r0 =4', 'the first list makes nobody new');
select is(pg_temp.list(:'a', 2, 'ann bob cid eve'), '+1 ?0 -1 x0 .0 r0 =4', 'one came, one left');
select is(pg_temp.list(:'a', 3, 'ann eve fay', false), '+1 ?0 -0 x0 .2 r0 =5', 'nobody leaves by a list that is not complete');
select is(pg_temp.list(:'a', 4, 'ann bob cid dan eve fay'), '+1 ?0 -0 x0 .0 r1 =6', 'one came back');
select is(pg_temp.list(:'a', 5, '["ann", "bob", "cid", "dan", "eve", {"username": "fay", "gone": true}]'), '+0 ?0 -0 x1 .0 r0 =5', 'one is gone, as the source says');
select is(pg_temp.list(:'a', 6, '["ann", "bob", "cid", "dan", {"username": "fay", "gone": true}, {"username": "zoe", "gone": true}]'), '+0 ?0 -1 x0 .0 r0 =4', 'who is named gone and never followed, or is gone already, changes nothing');
select is(pg_temp.list(:'a', 7, 'ann bob cid dan fay'), '+1 ?0 -0 x0 .0 r1 =5', 'who was gone comes back too');
select is(pg_temp.list(:'a', 8, ''), '+0 ?0 -5 x0 .0 r0 =0', 'an empty list is a list');
select is(pg_temp.list(:'a', 9, 'ann'), '+1 ?0 -0 x0 .0 r1 =1', 'from which one comes back');
select pg_temp.act_as_superuser();
select results_eq(format($$select pg_temp.believed(%L, d) from generate_series(1, 9) d$$, :'a'), array['ann bob cid dan', 'ann bob cid eve', 'ann bob cid eve fay', 'ann bob cid dan eve fay', 'ann bob cid dan eve',
  'ann bob cid dan', 'ann bob cid dan fay', null, 'ann'], 'each day can be looked up');
select is(pg_temp.names(:'a', s.lost) || ', ' || pg_temp.names(:'a', s.gained), 'dan, eve', 'and who changed') from analytics.follower_snapshots s where s.social_account_id = :'a' and s.captured_at = '2026-05-02 00:00+00';
select is(analytics.set_eq(s.keyframe::analytics.follower_set, analytics_private.believed_set(s.workspace_id, s.social_account_id, s.relation, s.captured_at)), true, format('the keyframe of %s is what the deltas say', s.captured_at::date))
from analytics.follower_snapshots s where s.social_account_id = :'a' and s.keyframe is not null;
-- Nobody is counted wrong, whatever is stored.
select is_empty(format($$
  select s.captured_at from analytics.follower_snapshots s where s.social_account_id = %L
    and (s.gained_count, s.found_count, s.lost_count, s.gone_count, s.not_seen_count, s.returned_count, s.member_count) is distinct from
      row(coalesce(analytics.cardinality(s.gained::analytics.follower_set), 0), coalesce(analytics.cardinality(s.found::analytics.follower_set), 0), coalesce(analytics.cardinality(s.lost::analytics.follower_set), 0),
        coalesce(analytics.cardinality(s.gone::analytics.follower_set), 0), coalesce(analytics.cardinality(s.not_seen::analytics.follower_set), 0), coalesce(analytics.cardinality(s.returned::analytics.follower_set), 0),
        analytics.cardinality(analytics_private.believed_set(s.workspace_id, s.social_account_id, s.relation, s.captured_at)))
$$, :'a'), 'every number is that of its set');

-- Followers and following are apart.
select pg_temp.act_as(:'owner');
select is(pg_temp.list(:'a', 1, 'ann bob', true, 'following'), '+0 ?2 -0 x0 .0 r0 =2', 'whom it follows is another list');
select is(pg_temp.list(:'a', 2, 'bob cid', true, 'following'), '+1 ?0 -1 x0 .0 r0 =2', 'with its own changes');
select pg_temp.act_as_superuser();
select is(pg_temp.believed(:'a'), 'ann', 'which touch nobody else');

-- Until one complete list has come nobody is new; from then on whoever turns up is.
select pg_temp.act_as(:'owner');
select pg_temp.account('partial') as b \gset
select is(pg_temp.list(:'b', 1, 'ann bob', false), '+0 ?2 -0 x0 .0 r0 =2', 'a first list that is not complete');
select is(pg_temp.list(:'b', 2, 'bob cid', false), '+0 ?1 -0 x0 .1 r0 =3', 'another finds more');
select is(pg_temp.list(:'b', 3, 'bob cid dan'), '+0 ?1 -1 x0 .0 r0 =3', 'the first complete one too, and can tell who left');
select is(pg_temp.list(:'b', 4, 'bob cid dan eve'), '+1 ?0 -0 x0 .0 r0 =4', 'the next has new followers');

-- Complete or not ----------------------------------------------------------------------------------------------------------

select pg_temp.account('complete') as c \gset
create temp table judged as
  select v.*, analytics.record_followers(:'c', pg_temp.people((select string_agg('p' || g, ' ') from generate_series(1, fetched) g)), timestamptz '2026-05-01' + o * interval '1 day', claimed_count => claimed, is_complete => said) as answer
  from (values (1, 199, 200::bigint, null::boolean), (2, 198, 200, null), (3, 200, 200, false), (4, 10, 200, true), (5, 11, null, null), (6, 13, null, true), (7, 12, 10, null), (8, 0, 0, null), (9, 5, 0, null)) v (o, fetched, claimed, said);
select results_eq('select (answer -> ''is_complete'')::boolean, (answer ->> ''completeness'')::numeric from judged order by o',
  $$values (true, 0.995), (false, 0.99), (false, 1), (true, 0.05), (false, null), (true, null), (true, 1), (true, null), (false, null)$$, 'what the source says, else 995 in a thousand, else not complete');
select pg_temp.act_as_superuser();
select analytics_private.set_setting('follower_list_complete_permille', '900') \g /dev/null
select pg_temp.act_as(:'owner');
select is(analytics.record_followers(:'c', '["p1"]', '2026-06-01', claimed_count => 2) -> 'is_complete', 'false', 'an operator may ask for less');
select is(analytics.record_followers(:'c', pg_temp.people((select string_agg('p' || g, ' ') from generate_series(1, 90) g)), '2026-06-02', claimed_count => 100) -> 'is_complete', 'true', 'or be content with it');
select pg_temp.act_as_superuser();
select analytics_private.set_setting('follower_list_complete_permille', '995') \g /dev/null

-- The same list, and lists that come late ----------------------------------------------------------------------------------

select pg_temp.act_as(:'owner');
select pg_temp.account('late') as d \gset
select is(pg_temp.list(:'d', 10, 'ann bob'), '+0 ?2 -0 x0 .0 r0 =2', 'a list');
select is(pg_temp.list(:'d', 10, 'bob ann bob'), '+0 ?2 -0 x0 .0 r0 =2 again', 'the same again, in another order, is the same snapshot');
select is(pg_temp.list(:'d', 11, 'ann bob'), '+0 ?2 -0 x0 .0 r0 =2 again', 'also a day later');
select is((select row(count(*), min(captured_at), max(confirmed_at))::text from analytics.follower_snapshots where social_account_id = :'d'), '(1,"2026-05-10 00:00:00+00","2026-05-11 00:00:00+00")', 'which confirms it');
select is(pg_temp.state_of(format('select pg_temp.list(%L, 10, ''ann'')', :'d')), 'PT409', 'another list of the same moment is refused');
select is(pg_temp.state_of(format('select pg_temp.list(%L, 11, ''ann'')', :'d')), 'PT409', 'for that moment too');
select is(pg_temp.told(analytics.record_followers(:'d', '["ann"]', '2026-05-10 12:00+00')), '+0 ?0 -0 x0 .0 r0 =1 late', 'one from before the confirmation is late');
select is(pg_temp.list(:'d', 20, 'bob cid'), '+1 ?0 -1 x0 .0 r0 =2', 'the next list');
select is(pg_temp.list(:'d', 15, 'bob dan'), '+0 ?0 -0 x0 .0 r0 =2 late', 'one from in between changes nothing');
select is(pg_temp.list(:'d', 15, 'bob dan'), '+0 ?0 -0 x0 .0 r0 =2 late again', 'once');
select is(pg_temp.list(:'d', 16, 'bob dan'), '+0 ?0 -0 x0 .0 r0 =2 late again', 'and is confirmed likewise');
select is(pg_temp.state_of(format('select pg_temp.list(%L, 15, ''ann'')', :'d')), 'PT409', 'another of its moment is refused too');
select is(pg_temp.list(:'d', 1, ''), '+0 ?0 -0 x0 .0 r0 =0 late', 'an empty late list');
select is(pg_temp.list(:'d', 12, 'ann bob'), '+0 ?2 -0 x0 .0 r0 =2 again', 'late and the same as the one before it');
select is(pg_temp.list(:'d', 21, 'bob cid dan'), '+1 ?0 -0 x0 .0 r0 =3', 'the newest goes on from the newest');
select is((select answer ->> 'since' from (select analytics.record_followers(:'d', '["bob"]', '2026-05-23', is_complete => true) answer) x), '2026-05-21T00:00:00+00:00', 'and says since when');
select is(pg_temp.list(:'d', 24, 'bob', false), '+0 ?0 -0 x0 .0 r0 =1', 'what is less certain confirms nothing');
select is(pg_temp.list(:'d', 25, 'bob cid', false), '+1 ?0 -0 x0 .0 r1 =2', 'an incomplete list');
select is(pg_temp.list(:'d', 26, 'bob', false), '+0 ?0 -0 x0 .1 r0 =2', 'that lacks one');
select is(pg_temp.list(:'d', 27, 'bob'), '+0 ?0 -1 x0 .0 r0 =1', 'is not the same as a complete one');
select is(pg_temp.list(:'d', 28, 'bob', false), '+0 ?0 -0 x0 .0 r0 =1', 'nor the other way round');
select results_eq(format($$select extract(day from captured_at)::integer, extract(day from confirmed_at)::integer from analytics.follower_snapshots where social_account_id = %L and captured_at >= '2026-05-23' order by 1$$, :'d'),
  'values (23, 23), (24, 24), (25, 25), (26, 26), (27, 27), (28, 28)', 'so none of them moves the time of another');
select is(pg_temp.list(:'d', 29, 'bob cid', false), '+1 ?0 -0 x0 .0 r1 =2', 'one more');
select is(pg_temp.state_of(format('select pg_temp.list(%L, 29, ''bob cid'', true)', :'d')), 'PT409', 'what is recorded as incomplete does not become complete');

-- Who is whom --------------------------------------------------------------------------------------------------------------

create function pg_temp.persons() returns text language sql as $$
  select string_agg(concat_ws('/', u.number, u.platform_user_id, u.handle, '->' || u.alias_of, (select '(' || string_agg(h.handle, ' ' order by h.handle) || ')' from analytics.platform_user_handles h where (h.workspace_id, h.platform, h.number) = (u.workspace_id, u.platform, u.number))), ', ' order by u.number)
  from analytics.platform_users u where u.platform = 'x'
$$;
select pg_temp.account('people', 'x') as p \gset
select is(pg_temp.list(:'p', 1, '@Ann bob'), '+0 ?2 -0 x0 .0 r0 =2', 'handles');
select is(pg_temp.persons(), '1/ann, 2/bob', 'make people');
select is(pg_temp.list(:'p', 2, '[{"id": 7, "username": "ANN"}, {"id": "8", "username": "bob"}, {"id": "9"}]'), '+1 ?0 -0 x0 .0 r0 =3', 'with ids they are the same people');
select is(pg_temp.persons(), '1/7/ann, 2/8/bob, 3/9', 'whose ids are known now');
select is(pg_temp.list(:'p', 3, '[{"id": 7, "username": "bob"}, {"id": "8", "username": "ann"}, {"id": "9", "username": "cid"}]'), '+1 ?0 -0 x0 .0 r0 =3 again', 'two may change names with each other');
select is(pg_temp.persons(), '1/7/bob/(ann), 2/8/ann/(bob), 3/9/cid', 'and stay who they are');
select is(pg_temp.list(:'p', 4, '[{"id": 7, "username": "dan"}, {"id": "8", "username": "ann"}, "cid", "eve"]'), '+1 ?0 -0 x0 .0 r0 =4', 'handles and ids in one list');
select is(pg_temp.persons(), '1/7/dan/(ann bob), 2/8/ann/(bob), 3/9/cid, 4/eve', 'mean whom they mean');
select is(pg_temp.list(:'p', 5, 'dan ann cid eva'), '+1 ?0 -1 x0 .0 r0 =4', 'somebody renamed is somebody new in a list without ids');
select is(pg_temp.list(:'p', 6, '[{"id": 7, "username": "dan"}, {"id": "8", "username": "ann"}, {"id": "9", "username": "eva"}, {"id": 10, "username": "cid"}]'), '+1 ?0 -0 x0 .0 r0 =4', 'until the id says who it is');
select is(pg_temp.persons(), '1/7/dan/(ann bob), 2/8/ann/(bob), 3/9/eva/(cid), 4/eve, 5/->3, 6/10/cid', 'then one number stands for the other');
select pg_temp.act_as_superuser();
select is(pg_temp.believed(:'p', 6), 'ann cid dan eva', 'which is there once');
select isnt((select keyframe from analytics.follower_snapshots where social_account_id = :'p' order by captured_at desc limit 1), null, 'from a keyframe of its own');
select pg_temp.act_as(:'owner');
select is(pg_temp.list(:'p', 7, '[{"id": 7, "username": "dan"}, {"id": "8", "username": "ann"}]'), '+0 ?0 -2 x0 .0 r0 =2', 'who leaves, leaves once');
select pg_temp.act_as_superuser();
select is(pg_temp.believed(:'p', 7), 'ann dan', 'and is not believed in under the other number');
select pg_temp.act_as(:'owner');
select is(pg_temp.list(:'p', 8, 'dan ann eva'), '+1 ?0 -0 x0 .0 r1 =3', 'and is known when he is back');

-- What a late list says of names is history.
select is(pg_temp.told(analytics.record_followers(:'p', '[{"id": 8, "username": "older"}, {"id": 11, "username": "dan"}, {"id": 12, "username": "new"}, "eve"]', '2026-05-03 12:00+00')), '+0 ?0 -0 x0 .0 r0 =4 late', 'a late list');
select is(pg_temp.persons(), '1/7/dan/(ann bob), 2/8/ann/(bob older), 3/9/eva/(cid), 4/eve, 5/->3, 6/10/cid, 7/11/(dan), 8/12/new', 'takes no name from whom a newer one shows with it');
select is(pg_temp.told(analytics.record_followers(:'p', '["bob", "cid"]', '2026-05-03 13:00+00')), '+0 ?0 -0 x0 .0 r0 =2 late', 'a handle in a late list');
select pg_temp.act_as_superuser();
select is(pg_temp.names(:'p', s.keyframe), 'dan eva', 'means who had it then') from analytics.follower_snapshots s where s.social_account_id = :'p' and s.captured_at = '2026-05-03 13:00+00';
select pg_temp.act_as(:'owner');
select is(pg_temp.told(analytics.record_followers(:'p', '[{"id": "7", "username": "zed"}, {"id": "8", "username": "zed"}, {"id": "9", "username": "y"}, {"id": "9", "username": "eva"}, "zed"]', '2026-05-09', is_complete => true)), '+1 ?0 -0 x0 .0 r1 =3 again', 'what comes last in a list counts, each once');
select is(pg_temp.list(:'p', 10, '[{"id": 7, "username": "dan"}, "zed", "eva", "ann"]'), '+1 ?0 -0 x0 .0 r0 =4', 'the name of somebody who has another now');
select is(pg_temp.persons(), '1/7/dan/(ann bob), 2/8/zed/(ann bob older), 3/9/eva/(cid), 4/eve, 5/->3, 6/10/cid, 7/11/(dan), 8/12/new, 9/ann', 'is somebody else''s');
-- Late is what is older than a list of its own account and relation: not older than others'.
select pg_temp.account('met.first', 'facebook') as q1, pg_temp.account('met.second', 'facebook') as q2 \gset
select is(pg_temp.list(:'q1', 14, 'ada'), '+0 ?1 -0 x0 .0 r0 =1', 'somebody in the first list of an account');
select is(pg_temp.list(:'q2', 11, 'ada'), '+0 ?1 -0 x0 .0 r0 =1', 'may be in an older one that is the first of another');
select is(pg_temp.list(:'q1', 11, 'ada', true, 'following'), '+0 ?1 -0 x0 .0 r0 =1', 'or the first of another relation');
select is((select count(*) from analytics.platform_users where platform = 'facebook' and handle = 'ada'), 1::bigint, 'and is one person');
-- A handle that changes hands within one page.
select is(pg_temp.list(:'q1', 15, '[{"id": "1", "username": "ada"}]'), '+0 ?1 -0 x0 .0 r0 =1 again', 'somebody with an id');
select is(pg_temp.list(:'q1', 16, '["ada", {"id": "1", "username": "fresh"}]'), '+1 ?0 -0 x0 .0 r0 =2', 'gives up a handle, and who has it in the same page is another');
select is((select string_agg(concat_ws('/', u.number, u.platform_user_id, u.handle), ', ' order by u.number) from analytics.platform_users u where u.platform = 'facebook'), '1/1/fresh, 2/ada', 'with a number of his own');
-- The first list of another account of the platform knows the people of this one.
select pg_temp.account('people.too', 'x') as p2 \gset
select is(pg_temp.list(:'p2', 12, '[{"id": 7, "username": "dana"}, "eva", "fred"]'), '+0 ?3 -0 x0 .0 r0 =3', 'the first list of another account');
select is(pg_temp.persons(), '1/7/dana/(ann bob dan), 2/8/zed/(ann bob older), 3/9/eva/(cid), 4/eve, 5/->3, 6/10/cid, 7/11/(dan), 8/12/new, 9/ann, 10/fred', 'knows the people of this one');
-- Elsewhere the same names are other people.
select is((select count(*) from analytics.platform_users where handle = 'ann'), 2::bigint, 'the same name on another platform is another person');
select is_empty('select handle from analytics.platform_users where handle is not null group by workspace_id, platform, handle having count(*) > 1', 'nobody has another''s handle');
select pg_temp.act_as_superuser();
select is_empty($$select u.number from analytics.platform_users u where u.alias_of is not null and not exists (
  select from analytics.platform_users o where (o.workspace_id, o.platform, o.number) = (u.workspace_id, u.platform, u.alias_of) and o.platform_user_id is not null)$$, 'whoever is an alias is somebody with an id');
select is_empty($$select c.workspace_id from analytics_private.platform_user_counters c join analytics.platform_users u using (workspace_id, platform) group by c.workspace_id, c.platform, c.last_number
  having count(*) <> c.last_number or max(u.number) <> c.last_number$$, 'numbers are without gaps');

-- Details ------------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'owner');
select pg_temp.account('details', 'tiktok') as t \gset
create function pg_temp.details() returns text language sql as $$
  select string_agg(concat_ws(' ', u.handle, u.full_name, u.profile_pic_url, u.is_verified, u.follower_count, u.extra_data, to_char(u.details_at, 'DD')), ', ' order by u.number) from analytics.platform_users u where u.platform = 'tiktok'
$$;
select is(pg_temp.list(:'t', 1, '[{"username": "ann", "full_name": "Ann", "is_verified": true, "follower_count": 5, "profile_pic_url": "https://e/1", "extra_data": {"a": 1}}, "bob"]'), '+0 ?2 -0 x0 .0 r0 =2', 'a list with details');
select is(pg_temp.details(), 'ann Ann https://e/1 t 5 {"a": 1} 01, bob', 'they are kept');
select is(pg_temp.list(:'t', 2, '[{"username": "ann", "full_name": "Anna"}, {"username": "bob", "full_name": "Bob"}]'), '+0 ?2 -0 x0 .0 r0 =2 again', 'the same people with others');
select is(pg_temp.details(), 'ann Ann https://e/1 t 5 {"a": 1} 01, bob Bob 02', 'who stays keeps what is known, who has none gets them');
select is(pg_temp.list(:'t', 3, 'bob'), '+0 ?0 -1 x0 .0 r0 =1', 'she leaves');
select is(pg_temp.list(:'t', 4, '[{"username": "ann", "full_name": "Anna", "follower_count": 7}, "bob"]'), '+1 ?0 -0 x0 .0 r1 =2', 'and comes back');
select is(pg_temp.details(), 'ann Anna https://e/1 t 7 {"a": 1} 04, bob Bob 02', 'with what is known then');
select is(pg_temp.told(analytics.record_followers(:'t', '[{"username": "ann", "full_name": "Older"}, {"username": "cid", "full_name": "Cid"}]', '2026-05-02 12:00+00')), '+0 ?0 -0 x0 .0 r0 =2 late', 'a late list');
select is(pg_temp.details(), 'ann Anna https://e/1 t 7 {"a": 1} 04, bob Bob 02, cid Cid 02', 'knows nothing newer');

-- Since when they follow.
select pg_temp.account('times', 'tiktok') as w \gset
select analytics.record_followers(:'w', '[{"username": "t2", "followed_at": 1600000002}, {"username": "t1", "followed_at": "2020-09-13T12:26:41Z"}, "t3"]', '2026-05-01', is_complete => true) \g /dev/null
select analytics.record_followers(:'w', '[{"username": "t2", "followed_at": 1600000002}, {"username": "t1", "followed_at": 1}, "t3", {"username": "t0", "followed_at": 1600000000}]', '2026-05-02', is_complete => true) \g /dev/null
select results_eq(format($$select array(select coalesce(extract(epoch from f)::bigint, 0) from unnest(followed_at) f) from analytics.follower_snapshots where social_account_id = %L order by captured_at$$, :'w'),
  $$values ('{1600000001,1600000002,0}'::bigint[]), ('{1600000000}')$$, 'since when they follow is kept of those who are found or come, by number');

-- Pages --------------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'editor');
select a.id as acc from analytics.social_accounts a where a.handle = 'story' \gset
select analytics.begin_follower_import(:'acc', '2026-06-01', is_complete => true) as begun \gset
select :'begun'::jsonb ->> 'import_id' as i \gset
select is(:'begun'::jsonb - '{import_id,expires_at}'::text[], jsonb_build_object('account_id', :'acc', 'captured_at', timestamptz '2026-06-01', 'relation', 'followers', 'source', 'api', 'status', 'open', 'page_people', 50000, 'pages', '[]'::jsonb, 'summary', null), 'an editor begins a list');
select is(pg_temp.state_of(format('select analytics.finish_follower_import(%L)', :'i')), 'PT409', 'without pages it is not finished');
select is(analytics.add_follower_page(:'i', 2, '["ann", "gus"]'), jsonb_build_object('import_id', :'i', 'page', 2, 'people', 2), 'pages come in any order');
select is(analytics.add_follower_page(:'i', 3, '["hal", "ida"]') ->> 'people', '2', 'another');
select is((pg_temp.error_of(format('select analytics.finish_follower_import(%L)', :'i')) ->> 'detail')::jsonb -> 'missing', '[1]', 'a page that is missing is named');
select is(analytics.add_follower_page(:'i', 1, '["not", "these"]') ->> 'people', '2', 'a page');
select is(analytics.add_follower_page(:'i', 1, '["bob", "ann"]') ->> 'people', '2', 'that comes again replaces itself');
select is(analytics.follower_import(:'i') -> 'pages', '[1, 2, 3]', 'what is there can be asked for');
select count(*) as people_before from analytics.platform_users \gset
select is((pg_temp.error_of(format('select analytics.add_follower_page(%L, 4, %L)', :'i', '["jan", "k k", "lea", "m m"]')) ->> 'detail')::jsonb - 'request_id', '{"code": "VALIDATION_ERROR", "field": "people", "positions": [2, 4]}', 'a page with bad names is refused with their places');
select is(analytics.follower_import(:'i') -> 'pages' || to_jsonb((select count(*) from analytics.platform_users)), '[1, 2, 3]' || to_jsonb(:people_before::bigint), 'and nothing of it is kept');
select analytics.finish_follower_import(:'i') as summary \gset
select is(pg_temp.told(:'summary'), '+4 ?0 -0 x0 .0 r1 =5', 'who is on two pages counts once');
select is(:'summary'::jsonb #- '{snapshot,confirmed_at}', jsonb_build_object('import_id', :'i', 'account_id', :'acc', 'snapshot', jsonb_build_object('captured_at', timestamptz '2026-06-01', 'relation', 'followers', 'source', 'api', 'claimed_count', null, 'fetched_count', 5),
  'since', timestamptz '2026-05-09', 'gained', 4, 'found', 0, 'lost', 0, 'gone', 0, 'not_seen', 0, 'returned', 1, 'member_count', 5, 'completeness', null, 'is_complete', true, 'in_chain', true, 'is_new', true), 'the summary');
select is(analytics.finish_follower_import(:'i'), :'summary'::jsonb, 'finished again, it answers the same');
select is(analytics.follower_import(:'i') -> 'summary', :'summary'::jsonb, 'and can be asked for');
select is(pg_temp.state_of(format('select analytics.add_follower_page(%L, 4, ''[]'')', :'i')), 'PT409', 'no page comes after that');
select is(analytics.abandon_follower_import(:'i'), false, 'nor is it abandoned');
select analytics.begin_follower_import(:'acc', '2026-06-02') ->> 'import_id' as j \gset
select analytics.add_follower_page(:'j', 0, '["ann"]') \g /dev/null
select is(analytics.abandon_follower_import(:'j'), true, 'one that is under way is');
select is(analytics.abandon_follower_import(:'j'), false, 'once');
select is(pg_temp.state_of(format('select analytics.%s(%L%s)', f, :'j', more)), 'PT409', f || ' of an abandoned one') from (values ('finish_follower_import', ''), ('add_follower_page', ', 0, ''[]''')) v (f, more);
select is(pg_temp.state_of(format('select analytics.%s(%L%s)', f, gen_random_uuid(), more)), 'PT404', f || ' of none') from (values ('finish_follower_import', ''), ('abandon_follower_import', ''), ('follower_import', ''), ('add_follower_page', ', 0, ''[]''')) v (f, more);
select is(pg_temp.field_of('select analytics.' || call), 'PT400 ' || field, format('%s: %s is refused', field, left(call, 70))) from (values
  (format('record_followers(%L, null)', :'acc'), 'people'), (format('record_followers(%L, ''{}'')', :'acc'), 'people'), (format('record_followers(%L, ''[1]'')', :'acc'), 'people'), (format('record_followers(%L, ''x'')', :'acc'), 'people'),
  (format('record_followers(%L, ''[]'', relation => ''fans'')', :'acc'), 'relation'), (format('record_followers(%L, ''[]'', relation => null)', :'acc'), 'relation'), (format('record_followers(%L, ''[]'', source => ''A b'')', :'acc'), 'source'),
  (format('record_followers(%L, ''[]'', source => null)', :'acc'), 'source'), (format('record_followers(%L, ''[]'', now() + interval ''1 hour'')', :'acc'), 'captured_at'), (format('record_followers(%L, ''[]'', ''-infinity'')', :'acc'), 'captured_at'),
  (format('record_followers(%L, ''[]'', claimed_count => -1)', :'acc'), 'claimed_count'), (format('begin_follower_import(%L, claimed_count => 1000000000000)', :'acc'), 'claimed_count')) v (call, field);
select analytics.begin_follower_import(:'acc') ->> 'import_id' as k \gset
select is(pg_temp.field_of(format('select analytics.add_follower_page(%L, %s, %L)', :'k', page, people)), 'PT400 ' || field, format('page %s: %s', page, people)) from (values ('-1', '[]', 'page'), ('null', '[]', 'page'), ('1000001', '[]', 'page'), ('0', null, 'people')) v (page, people, field);
select is(pg_temp.state_of(format('select analytics.record_followers(%L, ''[]'', null)', :'acc')), 'fine', 'captured_at null is now');

-- Limits.
select pg_temp.act_as_superuser();
select analytics_private.set_setting('follower_page_people', '2'), analytics_private.set_setting('follower_list_people', '5'), analytics_private.set_setting('open_follower_imports', '2') \g /dev/null
select pg_temp.act_as(:'editor');
select is(pg_temp.field_of(format('select analytics.add_follower_page(%L, 0, %L)', :'k', '["a", "b", "c"]')), 'PT400 people', 'a page may not be longer than the setting');
select is(pg_temp.told(analytics.record_followers(:'acc', pg_temp.people('c1 c2 c3 c4 c5'), '2026-06-03')), '+5 ?0 -0 x0 .5 r0 =10', 'a list in one call is stored in pages');
select is(pg_temp.field_of(format('select analytics.record_followers(%L, %L)', :'acc', pg_temp.people('a b c d e f'))), 'PT400 people', 'but not a longer one than may be');
select analytics.add_follower_page(:'k', n, '["a", "b"]') from generate_series(0, 1) n \g /dev/null
select is(pg_temp.state_of(format('select analytics.add_follower_page(%L, 2, %L)', :'k', '["c", "d"]')), 'PT400', 'nor in pages');
select analytics.begin_follower_import(:'acc') \g /dev/null
select is(pg_temp.state_of(format('select analytics.begin_follower_import(%L)', :'acc')), 'PT429', 'so many may be under way');
select is(pg_temp.state_of(format('select analytics.record_followers(%L, ''["a"]'')', :'acc')), 'fine', 'a list in one call waits for nothing');
select pg_temp.act_as_superuser();
select analytics_private.set_setting('follower_page_people', '50000'), analytics_private.set_setting('follower_list_people', '20000000'), analytics_private.set_setting('open_follower_imports', '20') \g /dev/null

select analytics_private.set_setting('followers_per_workspace', (select c.last_number::text from analytics_private.platform_user_counters c where c.workspace_id = :'studio' and c.platform = 'instagram')) \g /dev/null
select pg_temp.act_as(:'editor');
select is(pg_temp.field_of(format('select analytics.record_followers(%L, %L)', :'acc', '["one.too.many"]')), 'PT400 people', 'nor has a workspace room for any number of people');
select is(pg_temp.state_of(format('select analytics.record_followers(%L, %L)', :'acc', '["ann"]')), 'fine', 'but those it knows may be listed again');
select pg_temp.act_as_superuser();
select analytics_private.set_setting('followers_per_workspace', '100000000') \g /dev/null

-- Left behind.
update analytics_private.follower_imports set begun_at = now() - interval '25 hours' where id = :'k';
select is(analytics_private.maintain() ->> 'follower_imports_abandoned', '1', 'upkeep drops what was begun a day ago');
select is((select count(*) from analytics_private.follower_import_pages where import_id = :'k'), 0::bigint, 'with its pages');
update analytics_private.follower_imports set ended_at = now() - interval '31 days' where id in (:'i', :'k');
select analytics_private.maintain() \g /dev/null
select is((select count(*) from analytics_private.follower_imports where id in (:'i', :'k')), 0::bigint, 'and forgets what ended long ago');

-- Who may ------------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'editor');
select analytics.begin_follower_import(:'acc', '2026-07-01') ->> 'import_id' as l \gset
select analytics.add_follower_page(:'l', 0, '["ann"]') \g /dev/null
create temp table calls (call text);
insert into calls values (format('select analytics.record_followers(%L, ''["a"]'')', :'acc')), (format('select analytics.begin_follower_import(%L)', :'acc')), (format('select analytics.add_follower_page(%L, 0, ''[]'')', :'l')),
  (format('select analytics.follower_import(%L)', :'l')), (format('select analytics.finish_follower_import(%L)', :'l')), (format('select analytics.abandon_follower_import(%L)', :'l'));
grant select on calls to public;
select is(pg_temp.state_of(call), 'fine', 'an editor may ' || call) from calls;
select pg_temp.act_as(:'analyst');
select is(pg_temp.state_of(call), case when call ~ 'analytics.follower_import' then 'fine' else 'PT403' end, 'an analyst: ' || call) from calls;
select is((select count(*) > 0 from analytics.follower_snapshots) and (select count(*) > 0 from analytics.platform_users) and (select count(*) > 0 from analytics.platform_user_handles), true, 'but reads');
select is(pg_temp.state_of(statement), '42501', 'nobody writes past the functions: ' || statement) from unnest(array['update analytics.follower_snapshots set gained_count = 0', 'delete from analytics.follower_snapshots', 'update analytics.platform_users set handle = null',
  'delete from analytics.platform_user_handles', 'insert into analytics.platform_user_handles default values', 'select * from analytics_private.follower_imports', 'select * from analytics_private.account_documents']) statement;
select pg_temp.act_as(:'stranger');
select is(pg_temp.state_of(call), 'PT404', 'a stranger finds nothing: ' || call) from calls;
select is((select count(*) from analytics.follower_snapshots) + (select count(*) from analytics.platform_users) + (select count(*) from analytics.platform_user_handles), 0::bigint, 'and reads nothing');
select pg_temp.account('story') as foreign_story \gset
select is(pg_temp.list(:'foreign_story', 1, 'ann new'), '+0 ?2 -0 x0 .0 r0 =2', 'his own people');
select is((select array_agg(number order by number) from analytics.platform_users), '{1,2}'::bigint[], 'are numbered by themselves');
select pg_temp.act_with('', 'anon');
select is(pg_temp.state_of(call), 'PT401', 'without a user: ' || call) from calls;
select pg_temp.act_as_superuser();
select analytics_private.set_workspace_status(:'studio', 'suspended') \g /dev/null
select pg_temp.act_as(:'editor');
select is(pg_temp.state_of(call), 'PT404', 'in a suspended workspace: ' || call) from calls;
select pg_temp.act_as_superuser();
select analytics_private.set_workspace_status(:'studio', 'active') \g /dev/null

-- What is on record: an import once, with counts and without names.
select results_eq(format($$select action, metadata -> 'gained', metadata -> 'snapshot' ->> 'source', workspace_id, actor_id from analytics.audit_logs where entity_id = %L and action like 'followers%%' and (metadata #>> '{snapshot,captured_at}')::timestamptz = '2026-06-01'$$, :'acc'),
  format($$values ('followers.imported'::varchar, '4'::jsonb, 'api', %L::uuid, %L::uuid)$$, :'studio', :'editor'), 'an import is on record');
select is((select count(*) from analytics.audit_logs where entity_id = :'d' and action = 'followers.imported'), (select count(*) from analytics.follower_snapshots where social_account_id = :'d'), 'once for each list that is new');
select is_empty(format($$select * from analytics.audit_logs where entity_id = %L and action = 'social_account.updated'$$, :'d'), 'and nothing else of it is');

-- Removed on request -------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'owner');
select pg_temp.account('erasing') as e \gset
select pg_temp.list(:'e', 1, '[{"id": 501, "username": "old.name", "full_name": "The Person"}, {"id": 502, "username": "other"}, "handle.only"]') \g /dev/null
select pg_temp.list(:'e', 2, '[{"id": 501, "username": "the.person", "full_name": "The Person"}, {"id": 502, "username": "other"}, "handle.only"]') \g /dev/null
select analytics.begin_follower_import(:'e', '2026-05-03', is_complete => true) ->> 'import_id' as during \gset
select analytics.add_follower_page(:'during', 0, '["the.person", {"id": "502", "username": "other"}]') \g /dev/null
select pg_temp.act_as_superuser();
select is(analytics_private.erase_person('the.person', 'case 1') -> 'platform_users', '1', 'a person is removed from lists of followers too');
select is((select count(*) from analytics.platform_users u where u.handle in ('the.person', 'old.name') or u.platform_user_id = '501' or u.full_name = 'The Person')
  + (select count(*) from analytics.platform_user_handles where handle in ('old.name', 'the.person')), 0::bigint, 'with all names and details');
select pg_temp.act_as(:'owner');
select analytics.add_follower_page(:'during', 1, '["handle.only"]') \g /dev/null
select analytics.finish_follower_import(:'during') as after \gset
select is(pg_temp.told(:'after'), '+0 ?0 -0 x1 .0 r0 =2', 'and is gone at the next list, even one that was under way');
select is(:'after'::jsonb #> '{snapshot,fetched_count}', '3', 'which counts him as one of it');
select is(pg_temp.told(analytics.record_followers(:'e', format('[%s, {"id": 502, "username": "other"}, "handle.only"]', who), timestamptz '2026-05-03' + o * interval '1 hour', is_complete => true)), '+0 ?0 -0 x1 .0 r0 =2 again', 'he does not come back as ' || who)
from unnest(array['"the.person"', '{"id": "501"}', '{"id": "501", "username": "brand.new"}', '"Old.Name"']) with ordinality v (who, o);
select is((select count(*) from analytics.platform_users where handle in ('the.person', 'old.name', 'brand.new') or platform_user_id = '501'), 0::bigint, 'under no name');
select pg_temp.act_as_superuser();
select is(analytics_private.erase_follower('x', null, 'case 2', '8'), '{"platform_users": 1, "account_posts": 0, "events": 0}', 'elsewhere by handle or id');
select is(analytics_private.erase_follower('tiktok', '@Nobody', 'case 3'), '{"platform_users": 0, "account_posts": 0, "events": 0}', 'also ahead');
select is(pg_temp.state_of('select analytics_private.erase_follower(' || arguments || ')'), 'PT400', 'refused: ' || arguments) from unnest(array['''instagram'', ''a'', ''case''', '''x'', null, ''case''', '''x'', ''a'', '' ''', '''x'', ''a'', null', '''elsewhere'', ''a'', ''case''']) arguments;
select pg_temp.act_as(:'owner');
select is(pg_temp.persons(), '1/7/dana/(ann bob dan), 2, 3/9/eva/(cid), 4/eve, 5/->3, 6/10/cid, 7/11/(dan), 8/12/new, 9/ann, 10/fred', 'his row has nothing but a number');
select is(pg_temp.told(analytics.record_followers(:'p', '[{"id": 7}, {"id": 8, "username": "zed"}, {"id": 9}, "ann"]', '2026-05-11', is_complete => true)), '+0 ?0 -0 x1 .0 r0 =3', 'he is gone there');
select analytics.record_followers(:'t', '["nobody", "ann"]', '2026-05-10', is_complete => true) -> 'snapshot' ->> 'fetched_count' as two \gset
select is((:'two', (select count(*) from analytics.platform_users where handle = 'nobody'))::text, '(2,0)', 'who was removed ahead never comes, and is counted in the list');

-- The sidecar --------------------------------------------------------------------------------------------------------------

select pg_temp.act_with('', 'analytics_sidecar');
select is(analytics_private.sidecar_find_account(' ' || upper(:'acc') || ' ') - 'workspace', jsonb_build_object('account_id', :'acc', 'workspace_id', :'studio', 'platform', 'instagram', 'handle', 'story', 'status', 'needs_review'), 'an account by its id');
select is(analytics_private.sidecar_find_account('Twitter:@People') ->> 'account_id', :'p', 'or by platform and handle');
select is(pg_temp.state_of(format('select analytics_private.sidecar_find_account(%L)', named)), state, format('%s: %s', named, state)) from (values ('instagram:story', 'PT409'), ('instagram:nobody', 'PT404'), (gen_random_uuid()::text, 'PT404'), ('story', 'PT400'), ('myspace:a', 'PT400'), ('instagram:a b', 'PT400'), (null, 'PT400')) v (named, state);
select is(jsonb_array_length((pg_temp.error_of('select analytics_private.sidecar_find_account(''instagram:story'')') ->> 'detail')::jsonb -> 'accounts'), 2, 'several are named');
select analytics_private.sidecar_begin_import(:'acc', '2026-08-01', source => 'instagram_export', is_complete => true) ->> 'import_id' as s \gset
select is(analytics_private.sidecar_add_page(:'s', 0, array['ann', 'Bob', '@zoe'], null, array[null, '2026-01-01', '2026-02-01']::timestamptz[]) ->> 'people', '3', 'pages in columns');
select is(analytics_private.sidecar_add_page(:'s', 1, array['yan', null], array['801', '802']) ->> 'people', '2', 'with ids');
select is(pg_temp.state_of(format('select analytics_private.sidecar_add_page(%L, 1, %s)', :'s', arguments)), 'PT400', 'refused: ' || arguments) from unnest(array['array[null]::text[]', 'array[''a'', ''b''], array[''1'']', 'null', 'array[''a b'']']) arguments;
select is(analytics_private.sidecar_finish_import(:'s') - '{import_id,account_id,snapshot,since}'::text[], analytics_private.sidecar_finish_import(:'s') - '{import_id,account_id,snapshot,since}'::text[], 'and finishes');
select is(analytics_private.sidecar_finish_import(:'s') ->> 'is_complete', 'true', 'as it said');
select analytics_private.sidecar_begin_import(:'acc') ->> 'import_id' as s2 \gset
select is(analytics_private.sidecar_abandon_import(:'s2'), true, 'or gives up');
select is(analytics_private.sidecar_store_document(:'acc', 'past_instagram_insights/audience_insights.json', '2026-08-01', '{"a": 1}'), true, 'a document of the export is kept');
select is(analytics_private.sidecar_store_document(:'acc', 'again.json', '2026-08-02', '{"a": 1}'), false, 'once');
select is(analytics_private.sidecar_store_document(:'acc', 'b.json', '2026-08-02', '{"a":1}'), true, 'another is another');
select is(pg_temp.state_of('select analytics_private.sidecar_' || call), state, left(call, 60)) from (values
  (format('begin_import(%L)', gen_random_uuid()), 'PT404'), (format('add_page(%L, 0, ''{}'')', gen_random_uuid()), 'PT404'), (format('finish_import(%L)', gen_random_uuid()), 'PT404'), (format('store_document(%L, ''a'', now(), ''1'')', gen_random_uuid()), 'PT404'),
  (format('store_document(%L, '''', now(), ''1'')', :'acc'), 'PT400'), (format('store_document(%L, ''a'', now(), null)', :'acc'), 'PT400'), (format('store_document(%L, ''a'', null, ''1'')', :'acc'), 'PT400'),
  (format('store_document(%L, ''a'', now() + interval ''1 day'', ''1'')', :'acc'), 'PT400')) v (call, state);
select is(pg_temp.state_of('select * from analytics.' || t), '42501', 'it reads no table: ' || t) from unnest(array['social_accounts', 'platform_users', 'follower_snapshots']) t;

-- Against a model ----------------------------------------------------------------------------------------------------------

-- Eighty lists of some three hundred people, complete or not, some gone, some late, renamed ones with ids: the same by arrays of names.
select pg_temp.act_as(:'owner');
select pg_temp.account('model', 'linkedin') as m \gset
create temp table model (day integer, believed text[], told text, answer text);
grant all on model to public;
do $$
declare
  account uuid := (select a.id from analytics.social_accounts a where a.handle = 'model');
  believed text[] := '{}';
  ever_left text[] := '{}';
  list text[];
  gone text[];
  fresh text[];
  absent text[];
  gone_now text[];
  returned integer;
  was_complete boolean := false;
  complete boolean;
  expected text;
  answer text;
begin
  perform setseed(0.5);
  for day in 1..80 loop
    complete := random() < 0.7;
    -- Mostly those of before, so that there are few changes and many days without a keyframe.
    list := array(select p from (select 'p' || g as p from generate_series(1, 400) g) x where case when p = any (believed) then random() < 0.98 else random() < case when day = 1 then 0.7 else 0.03 end end);
    gone := array(select 'p' || g from generate_series(1, 400) g where random() < 0.003 and 'p' || g <> all (list));
    fresh := array(select unnest(list) except select unnest(believed));
    gone_now := array(select unnest(believed) intersect select unnest(gone));
    absent := array(select unnest(believed) except select unnest(list) except select unnest(gone));
    returned := case when was_complete then cardinality(array(select unnest(fresh) intersect select unnest(ever_left))) else 0 end;
    believed := array(select unnest(believed) union select unnest(fresh) except select unnest(gone_now) except select unnest(case when complete then absent end) order by 1);
    ever_left := ever_left || gone_now || case when complete then absent else '{}' end;
    expected := format('+%s ?%s -%s x%s .%s r%s =%s', case when was_complete then cardinality(fresh) else 0 end, case when was_complete then 0 else cardinality(fresh) end,
      case when complete then cardinality(absent) else 0 end, cardinality(gone_now), case when complete then 0 else cardinality(absent) end, returned, cardinality(believed));
    answer := pg_temp.told(analytics.record_followers(account,
      (select jsonb_agg(x.e order by random())::text from (select to_jsonb(l) from unnest(list) l union all select jsonb_build_object('username', g, 'gone', true) from unnest(gone) g) x (e)),
      timestamptz '2025-01-01 00:00+00' + day * interval '1 day', is_complete => complete));
    insert into pg_temp.model values (day, believed, expected, answer);
    was_complete := was_complete or complete;
  end loop;
end
$$;
select is_empty('select * from model where told <> answer', 'each of eighty lists is compared as the model says');
select cmp_ok((select count(*) from analytics.follower_snapshots where social_account_id = :'m' and keyframe is not null), '<', 40::bigint, 'few of them with a keyframe');
select pg_temp.act_as_superuser();
select is_empty(format($$select m.day from model m where m.believed is distinct from
  (select array_agg(u.handle::text order by u.handle) from analytics.social_accounts a, analytics.members(analytics_private.believed_set(a.workspace_id, a.id, 'followers', timestamptz '2025-01-01 00:00+00' + m.day * interval '1 day')) n (number)
   join analytics.platform_users u on u.number = n.number where a.id = %L and u.workspace_id = a.workspace_id and u.platform = a.platform)$$, :'m'), 'and every day can be looked up as it was');
-- What is read for a day is at most twice its keyframe.
select is_empty(format($$select s.captured_at from analytics.follower_snapshots s, lateral (
    select k.captured_at, octet_length(k.keyframe) as weight from analytics.follower_snapshots k where k.social_account_id = s.social_account_id and k.captured_at <= s.captured_at and k.keyframe is not null order by k.captured_at desc limit 1) k
  where s.social_account_id = %L and (select sum(coalesce(octet_length(d.gained), 0) + coalesce(octet_length(d.found), 0) + coalesce(octet_length(d.lost), 0) + coalesce(octet_length(d.gone), 0))
    from analytics.follower_snapshots d where d.social_account_id = s.social_account_id and d.captured_at > k.captured_at and d.captured_at <= s.captured_at) >= k.weight$$, :'m'), 'by at most twice the bytes of a keyframe');

select * from finish();
rollback;
