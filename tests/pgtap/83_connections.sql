-- Connecting accounts: who may, what is spent once, whose a consent is, and what an error means for a connection.
begin;
\ir helpers.psql
select no_plan();

select pg_temp.sign_up('olga@example.com') as owner, pg_temp.sign_up('ada@example.com') as admin, pg_temp.sign_up('adam@example.com') as other,
  pg_temp.sign_up('ed@example.com') as editor, pg_temp.sign_up('sam@example.com') as stranger \gset
select pg_temp.personal_workspace(:'owner') as studio, pg_temp.personal_workspace(:'stranger') as elsewhere \gset
insert into analytics.workspace_members (workspace_id, user_id, role)
values (:'studio', :'admin', 'admin'), (:'studio', :'other', 'admin'), (:'studio', :'editor', 'editor');
update analytics.users set default_workspace_id = :'studio' where id in (:'admin', :'other', :'editor');
create function pg_temp.state_of(statement text) returns text language sql as $$ select coalesce(pg_temp.error_of(statement) ->> 'state', 'fine') $$;
create function pg_temp.field_of(statement text) returns text language sql as $$
  select (e ->> 'state') || ' ' || coalesce((e ->> 'detail')::jsonb ->> 'field', '') from pg_temp.error_of(statement) e
$$;
create function pg_temp.refusals() returns text language sql as $$
  select string_agg(l.metadata ->> 'reason', ' ' order by l."timestamp", l.id) from analytics.audit_logs l where l.action = 'connection.refused'
$$;
-- The sidecar's part, played here. A sealed value is nothing but a text of the right form.
create function pg_temp.sealed(what text) returns text language sql immutable as $$ select 'gAAAAA' || rpad(regexp_replace(what, '[^A-Za-z0-9]', '', 'g'), 100, '_') $$;
create function pg_temp.ticket_of(answer jsonb) returns text language sql immutable as $$ select split_part(answer ->> 'authorization_url', 'ticket=', 2) $$;
create function pg_temp.digest(t text) returns bytea language sql immutable as $$ select sha256(convert_to(t, 'UTF8')) $$;
create function pg_temp.begin_at(answer jsonb, state text, browser text) returns jsonb language sql as $$
  select analytics_private.sidecar_begin_connection((answer ->> 'connection_id')::uuid, pg_temp.digest(pg_temp.ticket_of(answer)), pg_temp.digest(state), pg_temp.digest(browser),
    pg_temp.sealed('verifier'), array['read', 'stay'])
$$;
create function pg_temp.use_state(state text, browser text, platform text) returns jsonb language sql as $$
  select analytics_private.sidecar_use_state(pg_temp.digest(state), pg_temp.digest(browser), platform)
$$;
-- What the provider opened: ids, each with its tokens.
create function pg_temp.store(connection uuid, ids text[], consent text, named text default 'name', platform text default null, expires interval default '2 hours', refresh interval default '96 minutes') returns jsonb language sql as $$
  select analytics_private.sidecar_store_found(connection, (select json_agg(json_build_object('platform', p.platform, 'platform_user_id', p.platform_user_id, 'account_id', p.account_id,
      'handle', named || p.platform_user_id, 'display_name', 'Name ' || p.platform_user_id, 'account_type', 'business', 'picture', 'https://pictures.example/1', 'consent_key', consent,
      'access_token', pg_temp.sealed('access' || p.platform_user_id), 'refresh_token', pg_temp.sealed('refresh' || p.platform_user_id), 'token_type', 'bearer',
      'issued_at', now(), 'expires_at', now() + expires, 'refresh_at', now() + refresh))
    from analytics_private.sidecar_place_found(connection, array(select coalesce(store.platform, c.platform) from unnest(ids), analytics.connections c where c.id = connection), ids,
      array(select named || i from unnest(ids) i)) p), array['read'])
$$;
-- A whole attempt up to the choice.
create function pg_temp.consent(who uuid, platform text, ids text[], consent text, named text default 'name', expires interval default '2 hours', refresh interval default '96 minutes') returns uuid language plpgsql as $$
declare
  answer jsonb;
  id uuid;
begin
  perform pg_temp.act_as(who);
  answer := analytics.connect_account(platform, 'https://app.example.com/connected');
  id := answer ->> 'connection_id';
  perform pg_temp.act_as_superuser();
  perform pg_temp.begin_at(answer, 'state of ' || id, 'browser of ' || id);
  perform pg_temp.use_state('state of ' || id, 'browser of ' || id, platform);
  perform pg_temp.store(id, ids, consent, named, null, expires, refresh);
  perform pg_temp.act_as(who);
  return id;
end
$$;

-- Setting up -------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'admin');
create temp table addresses (uri text, good boolean);
insert into addresses values ('https://app.example.com/connected', true), ('https://app.example.com', true), ('https://app.example.com:8443/a-b/c_d?x=1&y=%20', true), ('http://127.0.0.1:3000/done', true), ('http://localhost/', true),
  ('http://app.example.com/', false), ('https://app.example.com/#here', false), ('https://user@app.example.com/', false), ('https://App.example.com/', false), ('https://app.example.com/ a', false),
  ('https://app.example.com/' || chr(10), false), ('https://app.example.com\@evil.example', false), ('javascript:alert(1)', false), ('//app.example.com/', false), ('https://', false), ('https://app.example.com/<b>', false),
  ('https://app.example.com/' || repeat('a', 2000), false), ('https://ex' || chr(228) || 'mple.com/', false), ('', false), (null, false);
select pg_temp.act_as_superuser();
select is(pg_temp.state_of(format('select analytics_private.allow_redirect(%L)', uri)), case when good then 'fine' else 'PT400' end, 'allowed only if it is an address: ' || coalesce(to_json(left(uri, 50))::text, 'null')) from addresses;
select analytics_private.allow_redirect('https://app.example.com/connected') \g /dev/null
select analytics_private.allow_redirect('https://app.example.com/connected') \g /dev/null
select results_eq('select uri from analytics_private.list_redirects()', array['https://app.example.com/connected'], 'the list has it once');
select pg_temp.act_as(:'admin');
select is(pg_temp.state_of($$select analytics.connect_account('x', 'https://app.example.com/connected')$$), 'PT503', 'nothing can be connected before the operator said where');
select pg_temp.act_as_superuser();
select is(pg_temp.state_of(format('select analytics_private.set_setting(''oauth_public_url'', %L)', v)), e, 'as public address: ' || v) from (values ('https://connect.example.com', 'fine'), ('http://127.0.0.1:9190', 'fine'), ('', 'fine'),
  ('http://connect.example.com', 'PT400'), ('https://connect.example.com/', 'PT400'), ('https://a@b', 'PT400'), ('https://connect.example.com?x', 'PT400'), ('connect', 'PT400')) v (v, e);
select analytics_private.set_setting('oauth_public_url', 'https://connect.example.com');
select is((select array[kind, value] from analytics_private.list_settings() where name = 'oauth_public_url'), array['text', 'https://connect.example.com'], 'a setting may be a text');

-- Beginning --------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'admin');
select is(pg_temp.field_of('select analytics.connect_account(' || a || ')'), 'PT400 ' || f, 'refused: ' || left(a, 70)) from (values
  ('''myspace'', ''https://app.example.com/connected''', 'platform'), ('null, ''https://app.example.com/connected''', 'platform'),
  ('''x'', ''https://app.example.com/connected/''', 'redirect_to'), ('''x'', ''https://app.example.com/connected?a''', 'redirect_to'), ('''x'', ''https://app.example.com/Connected''', 'redirect_to'),
  ('''x'', ''https://app.example.com''', 'redirect_to'), ('''x'', ''https://evil.example''', 'redirect_to'), ('''x'', null', 'redirect_to'),
  ('''x'', ''https://app.example.com/connected'', purpose => ''spying''', 'purpose'), ('''x'', ''https://app.example.com/connected'', purpose => null', 'purpose')) v (a, f);
select analytics.connect_account('twitter', 'https://app.example.com/connected') as begun \gset
select :'begun'::jsonb ->> 'connection_id' as connection \gset
select is(:'begun'::jsonb - '{connection_id,expires_at,authorization_url}'::text[], jsonb_build_object('platform', 'x', 'workspace_id', :'studio'), 'an admin begins a connection');
select matches(:'begun'::jsonb ->> 'authorization_url', '^https://connect\.example\.com/oauth/start/' || :'connection' || '\?ticket=[A-Za-z0-9_-]{43}$', 'and is given where to go');
select is((select array[status, provider, purpose] from analytics.connections where id = :'connection'), array['pending', 'x', 'insights']::varchar[], 'it is pending');
select is(analytics.connection_status(:'connection') ->> 'status', 'pending', 'and says so');
select is(analytics.quotas(:'studio') #>> '{connected_accounts,used}', '0', 'it takes no place of the plan');
select pg_temp.act_as_superuser();
select is((select count(*) from analytics_private.oauth_states s where s.ticket_digest = pg_temp.digest(pg_temp.ticket_of(:'begun')) and s::text not like '%' || pg_temp.ticket_of(:'begun') || '%'), 1::bigint, 'only the digest of the ticket is stored');
select is((select count(*) from analytics.connections c where c::text like '%' || pg_temp.ticket_of(:'begun') || '%'), 0::bigint, 'and nowhere else');
select cmp_ok((select max(s.expires_at) from analytics_private.oauth_states s), '<=', clock_timestamp() + interval '10 minutes', 'for ten minutes at most');

create temp table calls (call text, who text);
insert into calls select format(c, i), w from (values ('select analytics.connection_status(%L)', :'connection'), ('select analytics.choose_accounts(%L, ''{1}'')', :'connection'), ('select analytics.connect_account(''x'', ''https://app.example.com/connected'', %L)', :'studio')) v (c, i), unnest(array['x']) w;
grant select on calls to public;
select pg_temp.act_as(:'stranger');
select is(pg_temp.state_of(call), 'PT404', 'a stranger finds nothing: ' || call) from calls;
select is((select count(*) from analytics.connections), 0::bigint, 'nor sees any');
select pg_temp.act_as(:'editor');
select is(pg_temp.state_of(call), 'PT403', 'an editor may not ' || call) from calls;
select is((select count(*) from analytics.connections), 0::bigint, 'nor see');
select pg_temp.act_with('', 'anon');
select is(pg_temp.state_of(call), 'PT401', 'without a user: ' || call) from calls;
select pg_temp.act_as(:'admin');
select is(pg_temp.state_of('select * from analytics_private.' || t), '42501', t || ' is for nobody') from unnest(array['oauth_states', 'oauth_tokens', 'connection_finds', 'oauth_revocations', 'allowed_redirects']) t;
select is(pg_temp.state_of($$update analytics.connections set status = 'done'$$), '42501', 'nobody writes connections past the functions');
select is(pg_temp.state_of($$select analytics_private.allow_redirect('https://evil.example/')$$), '42501', 'a member allows no addresses');

-- Ticket and state: each once, for one browser, one platform, ten minutes ----------------------------------------------

select pg_temp.act_as_superuser();
select is(analytics_private.sidecar_find_connection(:'connection'), jsonb_build_object('workspace_id', :'studio', 'platform', 'x', 'provider', 'x', 'purpose', 'insights'), 'the start page learns what it needs');
select is(analytics_private.sidecar_find_connection(gen_random_uuid()), null, 'and nothing of what is not there');
select is(pg_temp.state_of(format('select pg_temp.begin_at(%L, ''s'', ''b'')', jsonb_set(:'begun'::jsonb, '{authorization_url}', '"x?ticket=y"'))), 'fine', 'a wrong ticket is a verdict, no error');
select is(pg_temp.begin_at(jsonb_set(:'begun'::jsonb, '{authorization_url}', '"x?ticket=forged"'), 's', 'b') ->> 'reason', 'ticket_unknown', 'a forged ticket is refused');
select is(pg_temp.begin_at(:'begun', 'the state', 'the browser') ->> 'verdict', 'ok', 'the ticket opens the way');
select is(pg_temp.begin_at(:'begun', 'another', 'browser') ->> 'reason', 'ticket_used', 'once');
select is((select scopes_wanted from analytics.connections where id = :'connection'), array['read', 'stay'], 'what is asked for is on record');
select is(pg_temp.use_state('forged', 'the browser', 'x') ->> 'reason', 'state_unknown', 'a forged state is refused');
select is((select status from analytics.connections where id = :'connection'), 'pending', 'and touches nothing');
select is(pg_temp.use_state('the state', 'the browser', 'x') - 'verifier', jsonb_build_object('verdict', 'ok', 'connection_id', :'connection', 'workspace_id', :'studio', 'provider', 'x', 'purpose', 'insights',
  'redirect_to', 'https://app.example.com/connected'), 'the right one is spent');
select is(pg_temp.use_state('the state', 'the browser', 'x') ->> 'reason', 'state_used', 'once');
select is((select verifier from analytics_private.oauth_states where connection_id = :'connection'), null, 'the verifier is gone with it');
select is((select status from analytics.connections where id = :'connection'), 'pending', 'a replay does not disturb the attempt under way');

create function pg_temp.attempt(wrong text) returns text language plpgsql as $$
declare
  answer jsonb;
  mine uuid;
  verdict jsonb;
begin
  perform pg_temp.act_as((select u.id from analytics.users u where u.email = 'ada@example.com'));
  answer := analytics.connect_account('tiktok', 'https://app.example.com/connected');
  mine := answer ->> 'connection_id';
  perform pg_temp.act_as_superuser();
  if wrong = 'ticket late' then
    update analytics_private.oauth_states s set expires_at = clock_timestamp() where s.connection_id = mine;
  elsif wrong = 'ticket of another' then
    answer := jsonb_set(answer, '{connection_id}', to_jsonb(gen_random_uuid()));
  elsif wrong = 'demoted before' then
    update analytics.workspace_members m set role = 'editor' from analytics.connections c where c.id = mine and m.workspace_id = c.workspace_id and m.user_id = c.user_id;
  end if;
  verdict := pg_temp.begin_at(answer, 'state ' || wrong, 'browser');
  if verdict ->> 'verdict' = 'ok' then
    case wrong
      when 'state late' then update analytics_private.oauth_states s set expires_at = clock_timestamp() where s.connection_id = mine;
      when 'demoted' then update analytics.workspace_members m set role = 'editor' from analytics.connections c where c.id = mine and m.workspace_id = c.workspace_id and m.user_id = c.user_id;
      when 'removed' then delete from analytics.workspace_members m using analytics.connections c where c.id = mine and m.workspace_id = c.workspace_id and m.user_id = c.user_id;
      when 'suspended' then perform analytics_private.set_workspace_status(c.workspace_id, 'suspended') from analytics.connections c where c.id = mine;
      when 'over' then perform analytics_private.sidecar_fail_connection(mine, 'test', 'OAUTH_ERROR', 'test');
      else null;
    end case;
    verdict := pg_temp.use_state('state ' || wrong, case wrong when 'other browser' then 'another' else 'browser' end, case wrong when 'other platform' then 'instagram' else 'tiktok' end);
    -- Whatever was wrong, there is no second try.
    if pg_temp.use_state('state ' || wrong, 'browser', 'tiktok') ->> 'reason' <> 'state_used' then
      raise exception 'spent twice';
    end if;
  end if;
  raise sqlstate 'NOERR' using message = (verdict ->> 'reason') || ' ' || (select c.status from analytics.connections c where c.id = mine) || ' '
    || (select count(*) from analytics.audit_logs l where l.action = 'connection.refused' and l.entity_id = mine and l.workspace_id = (select c.workspace_id from analytics.connections c where c.id = mine));
exception when sqlstate 'NOERR' then
  return sqlerrm;
end
$$;
-- Two records: the refusal itself, and the second try.
select is(pg_temp.attempt(w), e, 'refused, with its reason: ' || w) from (values ('ticket late', 'ticket_expired expired 1'), ('ticket of another', 'ticket_of_another_connection failed 1'), ('demoted before', 'member_without_right failed 1'),
  ('state late', 'state_expired expired 2'), ('other browser', 'wrong_browser failed 2'), ('other platform', 'wrong_platform failed 2'), ('demoted', 'member_without_right failed 2'), ('removed', 'member_without_right failed 2'),
  ('suspended', 'member_without_right failed 2'), ('over', 'connection_over failed 2')) v (w, e);
select is(pg_temp.refusals(), 'ticket_unknown ticket_used state_unknown state_used', 'each refusal is on record, and none was lost to a rollback');

-- What a consent opens ---------------------------------------------------------------------------------------------------

select is(pg_temp.state_of(format($$select analytics_private.sidecar_store_found(%L, json_build_array(json_build_object('platform', 'x', 'platform_user_id', '7', 'account_id', gen_random_uuid(), 'access_token', %L)), '{}')$$, :'connection', t)), 'PT500',
  'a token that is not sealed is not taken: ' || t) from unnest(array['plain-text-token', 'gAAAAA', pg_temp.sealed('a') || ' ', '']) t;
select ok(pg_temp.error_of(format($$select analytics_private.sidecar_store_found(%L, json_build_array(json_build_object('platform', 'x', 'platform_user_id', '7', 'account_id', gen_random_uuid(), 'access_token', 'c4n4ry')), '{}')$$, :'connection'))::text
  not like '%c4n4ry%', 'nor quoted in the error');
select is((select count(*) from analytics_private.sidecar_place_found(:'connection', '{x,instagram,x}', '{1,2,""}', '{one,two,three}')), 1::bigint, 'what is of another provider, or without an id, has no place');
select is(pg_temp.store(:'connection', '{1}', 'person 1') ->> 'status', 'choosing', 'what was found is kept');
select is(pg_temp.state_of(format('select pg_temp.store(%L, ''{2}'', ''person 2'')', :'connection')), 'PT409', 'once');
select pg_temp.act_as(:'admin');
select is(analytics.connection_status(:'connection') - '{id,workspace_id,user_id,created_at,expires_at,redirect_to}'::text[], '{"platform": "x", "provider": "x", "purpose": "insights", "status": "choosing", "error_code": null,
  "error_message": null, "finished_at": null, "chosen": [], "scopes": ["read"], "scopes_missing": ["stay"], "found": [{"platform": "x", "platform_user_id": "1", "handle": "name1", "display_name": "Name 1", "account_type": "business",
  "picture": "https://pictures.example/1", "parent": null, "choosable": true, "reason": null}]}', 'the member sees what it opens, and which right is missing');
select ok(analytics.connection_status(:'connection')::text not like '%gAAAA%', 'no token');
select is(pg_temp.field_of(format('select analytics.choose_accounts(%L, %L)', :'connection', i)), 'PT400 platform_user_ids', 'chosen must be what is there: ' || i) from unnest(array['{}', '{2}', '{1,2}', '{NULL}']) i;
select pg_temp.act_as(:'other');
select is(pg_temp.state_of(format('select analytics.choose_accounts(%L, ''{1}'')', :'connection')), 'PT403', 'another admin does not finish what he did not begin');
select is(analytics.connection_status(:'connection') ->> 'status', 'choosing', 'though he sees it');
select pg_temp.act_as(:'stranger');
select is(pg_temp.state_of(format('select analytics.choose_accounts(%L, ''{1}'')', :'connection')), 'PT404', 'a stranger finds nothing to finish');
select pg_temp.act_as(:'admin');
select analytics.choose_accounts(:'connection', '{1,1}') as chosen \gset
select is(jsonb_array_length(:'chosen'), 1, 'the admin chooses');
select :'chosen'::jsonb -> 0 ->> 'id' as account \gset
select is((:'chosen'::jsonb -> 0) - '{id,created_at,updated_at,connected_at}'::text[], jsonb_build_object('workspace_id', :'studio', 'platform', 'x', 'platform_user_id', '1', 'handle', 'name1', 'display_name', 'Name 1', 'account_label', null,
  'account_type', 'business', 'is_primary', true, 'profile_picture_url', 'https://pictures.example/1', 'metadata', '{}'::jsonb, 'status', 'active', 'status_reason', null, 'status_remedy', null, 'created_by', :'admin', 'disconnected_at', null, 'reconnected', false), 'and the account is there');
select is(analytics.quotas(:'studio') #>> '{connected_accounts,used}', '1', 'with a place of the plan');
select is(analytics.connection_status(:'connection') -> 'chosen', jsonb_build_array(:'account'), 'the connection is done');
select is(pg_temp.state_of(format('select analytics.choose_accounts(%L, ''{1}'')', :'connection')), 'PT409', 'for good');
select pg_temp.act_as_superuser();
select is((select count(*) from analytics_private.connection_finds), 0::bigint, 'nothing waits any more');
select is((select t.access_token || ' ' || t.refresh_token from analytics_private.oauth_tokens t where t.social_account_id = :'account'), pg_temp.sealed('access1') || ' ' || pg_temp.sealed('refresh1'), 'the tokens are where they were sealed for');

-- Connecting again updates and never doubles
select pg_temp.act_as(:'admin');
select analytics.choose_accounts(pg_temp.consent(:'admin', 'x', '{1}', 'person 1', 'renamed'), '{1}') as again \gset
select is(array[:'again'::jsonb #>> '{0,id}', :'again'::jsonb #>> '{0,handle}', :'again'::jsonb #>> '{0,reconnected}', :'again'::jsonb #>> '{0,is_primary}'], array[:'account', 'renamed1', 'true', 'true'], 'connected again it is the same account');
select is((select count(*) from analytics.social_accounts where platform = 'x'), 1::bigint, 'one');
select pg_temp.act_as_superuser();
select is((select version from analytics_private.oauth_tokens where social_account_id = :'account'), 2::bigint, 'with a new grant');
select pg_temp.act_as(:'other');
select is(analytics.choose_accounts(pg_temp.consent(:'other', 'x', '{1}', 'person 1', 'renamed'), '{1}') #>> '{0,created_by}', :'admin', 'by another admin too');
-- Two attempts at once, at an account that is not there yet, are one account.
select pg_temp.consent(:'admin', 'tiktok', '{5}', 'person 5') as first, pg_temp.consent(:'other', 'tiktok', '{5}', 'person 5') as second \gset
select pg_temp.act_as(:'admin');
select analytics.choose_accounts(:'first', '{5}') #>> '{0,id}' as five \gset
select pg_temp.act_as(:'other');
select is(analytics.choose_accounts(:'second', '{5}') #>> '{0,id}', :'five', 'two attempts at once meet in one account');
-- One that was added by hand, and a name that went from one account to another.
select pg_temp.act_as_superuser();
select analytics_private.set_plan(:'studio', 'premium') \g /dev/null
select pg_temp.act_as(:'admin');
select analytics.add_account(platform => 'youtube', handle => 'name9') ->> 'id' as byhand \gset
select is(analytics.choose_accounts(pg_temp.consent(:'admin', 'youtube', '{9}', 'person 9'), '{9}') #>> '{0,id}', :'byhand', 'an account added by hand gets its access');
select analytics.choose_accounts(pg_temp.consent(:'admin', 'tiktok', '{6}', 'person 6', 'same'), '{6}') #>> '{0,id}' as six \gset
select pg_temp.act_as_superuser();
update analytics.social_accounts set handle = 'name7' where id = :'six';
select pg_temp.act_as(:'admin');
select is(analytics.choose_accounts(pg_temp.consent(:'admin', 'tiktok', '{7}', 'person 7'), '{7}') #>> '{0,handle}', 'name7', 'a name that another account had is taken over');
select is((select handle::text from analytics.social_accounts where id = :'six'), '6', 'which goes by its id until it is seen again');
-- Somebody adds the account by hand while the consent waits.
select pg_temp.consent(:'admin', 'linkedin', '{8}', 'person 8') as waiting \gset
select analytics.add_account(platform => 'linkedin', handle => 'elsewhere', platform_user_id => '8') \g /dev/null
select is(pg_temp.state_of(format('select analytics.choose_accounts(%L, ''{8}'')', :'waiting')), 'PT409', 'tokens never go into a row that they were not sealed for');

-- One workspace does not see the other's.
select pg_temp.act_as(:'stranger');
select is((select a #>> '{0,reconnected}' from analytics.choose_accounts(pg_temp.consent(:'stranger', 'x', '{1}', 'person 1'), '{1}') a), 'false', 'the same account in another workspace is another');
select is((select count(*) from analytics.social_connections), 1::bigint, 'and the first stays invisible');

-- The plan's limit.
select pg_temp.act_as_superuser();
select pg_temp.put_plan(:'stranger', 'free');
select pg_temp.act_as(:'stranger');
select pg_temp.consent(:'stranger', 'facebook', '{21,22,23}', 'person 2') as pages \gset
select is((pg_temp.error_of(format('select analytics.choose_accounts(%L, ''{21,22}'')', :'pages')) ->> 'detail')::jsonb - 'request_id', '{"code": "PAYMENT_REQUIRED", "limit": 2, "used": 1, "needed": 2, "resource": "connected_accounts"}', 'no more than the plan has places for');
select is(jsonb_array_length(analytics.choose_accounts(:'pages', '{21}')), 1, 'fewer are fine');
select is(analytics.choose_accounts(pg_temp.consent(:'stranger', 'facebook', '{21}', 'person 2'), '{21}') #>> '{0,reconnected}', 'true', 'an account that is connected takes no further place');

-- Time is over.
select pg_temp.consent(:'stranger', 'x', '{1}', 'person 1') as late \gset
select pg_temp.act_as_superuser();
update analytics.connections set expires_at = clock_timestamp() where id = :'late';
select pg_temp.act_as(:'stranger');
select is(pg_temp.state_of(format('select analytics.choose_accounts(%L, ''{1}'')', :'late')), 'PT409', 'after an hour there is nothing to choose');
select is(analytics.connection_status(:'late') ->> 'status', 'expired', 'the status says so before upkeep comes');
select pg_temp.act_as_superuser();
select is(analytics_private.purge_connections(100) ->> 'connections_expired', '1', 'upkeep ends it');
select is((select count(*) from analytics_private.connection_finds f where f.connection_id = :'late'), 0::bigint, 'and wipes its tokens');
select is((select count(*) from analytics_private.oauth_revocations), 0::bigint, 'without revoking, which would end the account that is connected');
update analytics.connections set finished_at = now() - interval '91 days' where id = :'late';
select is(analytics_private.purge_connections(100) ->> 'connections_purged', '1', 'in time it is forgotten');

-- Too many at once.
select analytics_private.set_setting('open_connections_per_workspace', '1');
select pg_temp.act_as(:'stranger');
select analytics.connect_account('x', 'https://app.example.com/connected') \g /dev/null
select is(pg_temp.state_of($$select analytics.connect_account('x', 'https://app.example.com/connected')$$), 'PT429', 'a workspace has so many under way');
select pg_temp.act_as_superuser();
select analytics_private.set_setting('open_connections_per_workspace', '1000');

-- Primary ----------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'admin');
select results_eq($$select handle::text, is_primary from analytics.social_accounts where platform = 'tiktok' order by handle$$, $$values ('6', false), ('name5', true), ('name7', false)$$, 'the first of a platform is primary');
select is(analytics.make_primary(:'six') ->> 'is_primary', 'true', 'another can be made so');
select results_eq($$select handle::text from analytics.social_accounts where platform = 'tiktok' and is_primary$$, array['6'], 'in its place');
select is(analytics.make_primary(:'six') ->> 'is_primary', 'true', 'twice changes nothing');
select pg_temp.act_as(:'other');
select is(analytics.choose_accounts(pg_temp.consent(:'other', 'tiktok', '{31}', 'person 31'), '{31}') #>> '{0,is_primary}', 'true', 'each member has his own');
select is((select count(*) from analytics.social_accounts where platform = 'tiktok' and is_primary), 2::bigint, 'one of each');
select pg_temp.act_as(:'editor');
select is(pg_temp.state_of(format('select analytics.%s(%L)', f, :'six')), 'PT403', 'an editor may not: ' || f) from unnest(array['make_primary', 'disconnect_account']) f;
select pg_temp.act_as(:'stranger');
select is(pg_temp.state_of(format('select analytics.%s(%L)', f, :'six')), 'PT404', 'a stranger finds nothing: ' || f) from unnest(array['make_primary', 'disconnect_account']) f;

-- The view ---------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'admin');
select is((select to_jsonb(c) - '{id,created_at,updated_at,refreshed_at,expires_at}'::text[] from analytics.social_connections c where c.id = :'account'), jsonb_build_object('user_id', :'admin', 'workspace_id', :'studio', 'provider', 'x',
  'provider_account_id', '1', 'account_label', null, 'account_type', 'business', 'is_primary', true, 'metadata', '{}'::jsonb, 'oauth1_user_id', null, 'oauth1_screen_name', null, 'oauth1_created_at', null, 'handle', 'renamed1',
  'display_name', 'Name 1', 'status', 'active', 'status_reason', null, 'status_remedy', null, 'scopes', '["read"]'::jsonb), 'social_connections has the older shape, without tokens');
select ok((select bool_and(c.expires_at > now() and c::text not like '%gAAAA%') from analytics.social_connections c where c.status = 'active' and c.provider <> 'youtube'), 'and the end of the access');

-- Refresh ----------------------------------------------------------------------------------------------------------------

select pg_temp.act_as_superuser();
update analytics_private.oauth_tokens set refresh_at = now() + interval '1 day';
create function pg_temp.make_due(account uuid) returns void language sql as $$ update analytics_private.oauth_tokens set refresh_at = clock_timestamp() - interval '1 second', claimed_until = null, claim = null where social_account_id = account $$;
create function pg_temp.refreshed(account uuid, version bigint, access text, refresh text) returns text language sql as $$
  select analytics_private.sidecar_store_refreshed(account, version, pg_temp.sealed(access), pg_temp.sealed(refresh), 'bearer', '{}', now(), now() + interval '2 hours', null, now() + interval '96 minutes')
$$;
select is((select count(*) from analytics_private.sidecar_take_refreshes('w', 'x', 10, 60)), 0::bigint, 'nothing is due');
select pg_temp.make_due(:'account');
select is((select count(*) from analytics_private.sidecar_take_refreshes('w', 'google', 10, 60)), 0::bigint, 'nothing of another provider');
select * from analytics_private.sidecar_take_refreshes('worker one', 'x', 10, 60) \gset taken_
select is(:'taken_account_id'::text, :'account', 'a due one is taken');
select is((select count(*) from analytics_private.sidecar_take_refreshes('worker two', 'x', 10, 60)), 0::bigint, 'by one worker');
select ok(analytics_private.sidecar_begin_refresh(:'account', :'taken_claim'), 'who may call');
select ok(not analytics_private.sidecar_begin_refresh(:'account', gen_random_uuid()), 'nobody else may');
select is(pg_temp.state_of(format('select analytics_private.sidecar_store_refreshed(%L, %s, %L, null, null, ''{}'', now(), null, null, null)', :'account', :taken_version, t)), e, 'an empty or open answer never replaces a token: ' || coalesce(t, 'null'))
from (values (null, 'PT400'), ('', 'PT500'), ('plain', 'PT500')) v (t, e);
select is(pg_temp.refreshed(:'account', :taken_version, 'new', 'rotated'), 'stored', 'the next grant is stored');
select is((select array[access_token, refresh_token, (version - :taken_version)::text, claim::text, failures::text] from analytics_private.oauth_tokens where social_account_id = :'account'),
  array[pg_temp.sealed('new'), pg_temp.sealed('rotated'), '1', null, '0'], 'both tokens at once');
select is(pg_temp.refreshed(:'account', :taken_version, 'late', 'late'), 'superseded', 'a late worker overwrites nothing');
select is(analytics_private.sidecar_fail_refresh(:'account', :'taken_claim', :taken_version, 'spent', 'x') ->> 'state', 'superseded', 'nor disconnects anything');
select is((select access_token from analytics_private.oauth_tokens where social_account_id = :'account'), pg_temp.sealed('new'), 'what is stored stays');
select is(analytics_private.sidecar_store_refreshed(:'account', :taken_version + 1, pg_temp.sealed('newer'), null, null, '{}', now(), now() + interval '2 hours', null, null), 'stored', 'an answer without a refresh token');
select is((select refresh_token from analytics_private.oauth_tokens where social_account_id = :'account'), pg_temp.sealed('rotated'), 'keeps the stored one');

-- A worker whose claim has ended but whose answer is good: dropping it would lose the connection.
select pg_temp.make_due(:'account');
select * from analytics_private.sidecar_take_refreshes('slow', 'x', 10, 1) \gset slow_
update analytics_private.oauth_tokens set claimed_until = clock_timestamp() where social_account_id = :'account';
select ok(not analytics_private.sidecar_begin_refresh(:'account', :'slow_claim'), 'after its end a claim allows no call');
select is((select count(*) from analytics_private.sidecar_take_refreshes('next', 'x', 10, 60)), 1::bigint, 'the next worker has it');
select is(pg_temp.refreshed(:'account', :slow_version, 'slow', 'slow'), 'stored', 'but the answer to an earlier call is taken');

-- Kinds of failure.
create function pg_temp.fail(account uuid, kind text, retry double precision default null) returns jsonb language plpgsql as $$
declare
  taken record;
begin
  perform pg_temp.make_due(account);
  select * into taken from analytics_private.sidecar_take_refreshes('w', 'x', 10, 60) t where t.account_id = account;
  perform analytics_private.sidecar_begin_refresh(account, taken.claim);
  return analytics_private.sidecar_fail_refresh(account, taken.claim, taken.version, kind, 'what the provider says', retry);
end
$$;
select is(pg_temp.fail(:'account', k) ->> 'state', 'later', k || ' is tried again') from unnest(array['configuration', 'throttled', 'temporary', 'malformed', 'sealed']) k;
select is((select status::text from analytics.social_accounts where id = :'account'), 'active', 'and disconnects nobody');
select is((select count(*) from analytics.notices), 0::bigint, 'nor troubles anybody');
select cmp_ok(extract(epoch from (pg_temp.fail(:'account', 'throttled', 600) ->> 'retry_at')::timestamptz - clock_timestamp()), '>', 590::numeric, 'a provider that asks for a pause gets it');
select cmp_ok(extract(epoch from (pg_temp.fail(:'account', 'temporary') ->> 'retry_at')::timestamptz - clock_timestamp()), '<', 601::numeric, 'without such a wish it is asked again within minutes');
select cmp_ok(extract(epoch from (pg_temp.fail(:'account', 'throttled', 1e9) ->> 'retry_at')::timestamptz - clock_timestamp()), '<', 86401::numeric, 'and no provider puts us off for longer than a day');
select cmp_ok(extract(epoch from (pg_temp.fail(:'account', 'configuration') ->> 'retry_at')::timestamptz - clock_timestamp()), '>', 290::numeric, 'an operator gets time');
update analytics_private.oauth_tokens set expires_at = clock_timestamp() where social_account_id = :'account';
select pg_temp.fail(:'account', 'temporary') \g /dev/null
select is((select array[status, status_reason, status_remedy] from analytics.social_accounts where id = :'account'), array['expiring', 'the access has run out and X could not be reached to renew it', 'nothing: it is tried again, and no number is lost']::varchar[],
  'an access that ran out meanwhile is shown, in words');
select is((select count(*) from analytics.notices), 0::bigint, 'nobody has to do anything');
select pg_temp.make_due(:'account');
select is(pg_temp.refreshed(:'account', (select version from analytics_private.oauth_tokens where social_account_id = :'account'), 'back', 'back'), 'stored', 'once it comes back');
select is((select array[status, status_reason] from analytics.social_accounts where id = :'account'), array['active', null]::varchar[], 'all is well');
select is(pg_temp.fail(:'account', 'final') ->> 'state', 'reconnect_required', 'a final error ends it');
select is((select array[status, status_reason, status_remedy] from analytics.social_accounts where id = :'account'), array['reconnect_required', 'what the provider says', 'connect the account again; its history stays']::varchar[], 'with the reason and what to do');
select is((select array[user_id::text, kind, message, remedy] from analytics.notices), array[:'admin', 'reconnect_required', 'the access to X renamed1 has ended: what the provider says', 'connect the account again; its history stays'], 'the member who connected it is told');
select pg_temp.fail(:'account', 'final') \g /dev/null
select is((select count(*) from analytics.notices), 1::bigint, 'once');
select is((select count(*) from analytics_private.sidecar_take_refreshes('w', 'x', 10, 60)), 0::bigint, 'and nobody calls again');
select pg_temp.act_as(:'admin');
select ok((select analytics.dismiss_notice(n.id) from analytics.notices n), 'he may put it away');
select isnt((select seen_at from analytics.notices), null, 'seen');
select pg_temp.act_as(:'other');
select is((select count(*) from analytics.notices), 0::bigint, 'it is his alone');
select pg_temp.act_as_superuser();
select id as notice from analytics.notices \gset
select pg_temp.act_as(:'other');
select is(pg_temp.state_of(format('select analytics.dismiss_notice(%L)', :'notice')), 'PT404', 'nobody puts away another''s');
select pg_temp.act_as(:'admin');
select analytics.choose_accounts(pg_temp.consent(:'admin', 'x', '{1}', 'person 1', 'renamed'), '{1}') \g /dev/null
select is((select array[status, status_reason] from analytics.social_accounts where id = :'account'), array['active', null]::varchar[], 'connected again it is active');
select isnt((select settled_at from analytics.notices), null, 'and the notice settled');
select pg_temp.act_as_superuser();
select is((select count(*) from analytics.audit_logs where action = 'connection.lost' and entity_id = :'account'), 2::bigint, 'each end is on record');

-- A crash between the provider's answer and our commit.
select pg_temp.make_due(:'account');
select * from analytics_private.sidecar_take_refreshes('crashes', 'x', 10, 1) \gset crash_
select analytics_private.sidecar_begin_refresh(:'account', :'crash_claim') \g /dev/null
update analytics_private.oauth_tokens set claimed_until = clock_timestamp() where social_account_id = :'account';
select * from analytics_private.sidecar_take_refreshes('heir', 'x', 10, 60) \gset heir_
select is(:'heir_refresh_token'::text, pg_temp.sealed('refresh1'), 'the next worker tries what is stored');
select analytics_private.sidecar_begin_refresh(:'account', :'heir_claim') \g /dev/null
select is(analytics_private.sidecar_fail_refresh(:'account', :'heir_claim', :heir_version, 'spent', 'x') ->> 'reason', 'the answer of X to a renewal was lost in a crash, and X gives each only once', 'where the provider took the call, that is said');
select is((select l.metadata ->> 'kind' from analytics.audit_logs l where l.action = 'connection.lost' order by l."timestamp" desc, l.id desc limit 1), 'lost_in_crash', 'and recorded');
select pg_temp.act_as(:'admin');
select analytics.choose_accounts(pg_temp.consent(:'admin', 'x', '{1}', 'person 1', 'renamed'), '{1}') \g /dev/null
select pg_temp.act_as_superuser();
select is(pg_temp.fail(:'account', 'spent') ->> 'reason', 'X says that this access was renewed by somebody else or withdrawn', 'without a crash it is the provider''s word');
-- Claimed only, never called: no crash to speak of.
select pg_temp.make_due(:'account');
select * from analytics_private.sidecar_take_refreshes('w', 'x', 10, 60) \gset given_
select ok(analytics_private.sidecar_release_refresh(:'account', :'given_claim'), 'a claim that no call was made for is given back');
select is((select lost_call_at from analytics_private.oauth_tokens where social_account_id = :'account'), null, 'and nothing is lost');

-- Accesses that nothing renews.
select pg_temp.act_as(:'admin');
select analytics.choose_accounts(pg_temp.consent(:'admin', 'linkedin', '{81}', 'person 81', 'name', '60 days', null), '{81}') #>> '{0,id}' as ends \gset
select pg_temp.act_as_superuser();
select is(analytics_private.purge_connections(100) ->> 'accesses_ending', '0', 'long before its end nothing is said');
update analytics_private.oauth_tokens set expires_at = '2026-12-01 10:00+00' where social_account_id = :'ends';
update analytics_private.oauth_tokens set expires_at = clock_timestamp() + interval '6 days' where social_account_id = :'ends';
select analytics_private.purge_connections(100), analytics_private.purge_connections(100) \g /dev/null
select is((select count(*) from analytics.notices where social_account_id = :'ends' and kind = 'expiring'), 1::bigint, 'a week before its end the member is told, once');
select matches((select status || ': ' || status_reason from analytics.social_accounts where id = :'ends'), '^expiring: the access ends on [0-9-]{10} [0-9:]{5} UTC, and LinkedIn offers no renewal of it$', 'with the day');
update analytics_private.oauth_tokens set expires_at = clock_timestamp() where social_account_id = :'ends';
select analytics_private.purge_connections(100), analytics_private.purge_connections(100) \g /dev/null
select is((select status::text from analytics.social_accounts where id = :'ends'), 'reconnect_required', 'then it is over');
select is((select count(*) from analytics.notices where social_account_id = :'ends' and kind = 'reconnect_required'), 1::bigint, 'which is told once, too');

-- Rotation ---------------------------------------------------------------------------------------------------------------

select is((select count(*) from analytics_private.sidecar_sealed_after('tokens', '00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000', 1000)), (select count(*) from analytics_private.oauth_tokens), 'rotation sees every row');
select * from analytics_private.sidecar_sealed_after('tokens', :'studio', '00000000-0000-0000-0000-000000000000', 1) limit 1 \gset row_
select is(analytics_private.sidecar_store_rotated('tokens', array[:'row_workspace_id']::uuid[], array[:'row_id']::uuid[], array[:'row_access_token'], array[pg_temp.sealed('resealed')], array[:'row_refresh_token'], array[pg_temp.sealed('resealed2')], '{NULL}', '{NULL}'), 1::bigint, 'a resealed row is put back');
select is(analytics_private.sidecar_store_rotated('tokens', array[:'row_workspace_id']::uuid[], array[:'row_id']::uuid[], array[:'row_access_token'], array[pg_temp.sealed('again')], array[:'row_refresh_token'], array[pg_temp.sealed('again')], '{NULL}', '{NULL}'), 0::bigint, 'not over what changed meanwhile');
select is(analytics_private.sidecar_store_rotated('tokens', array[:'row_workspace_id']::uuid[], array[:'row_id']::uuid[], array[pg_temp.sealed('resealed')], array[pg_temp.sealed('x')], array[pg_temp.sealed('resealed2')], array[null]::text[], '{NULL}', '{NULL}'), 0::bigint, 'nor so that a token would go');
select is(pg_temp.state_of(format('select analytics_private.sidecar_store_rotated(''tokens'', %L, %L, %L, ''{plain}'', ''{NULL}'', ''{NULL}'')', array[:'row_workspace_id'], array[:'row_id'], array['x'])), 'PT500', 'nor open ones');
select is(pg_temp.state_of($$select analytics_private.sidecar_sealed_after('pg_authid', gen_random_uuid(), gen_random_uuid(), 1)$$), 'PT400', 'there are two places');

-- The end ----------------------------------------------------------------------------------------------------------------

select pg_temp.act_as(:'admin');
select is(analytics.disconnect_account(:'account') - 'disconnected_at', jsonb_build_object('id', :'account', 'workspace_id', :'studio', 'status', 'disconnected', 'revocation', 'shared'), 'disconnected; the same person''s account elsewhere keeps the consent');
select is(analytics.disconnect_account(:'account') ->> 'revocation', 'none', 'twice changes nothing');
select is((select array[status, status_reason] from analytics.social_accounts where id = :'account'), array['disconnected', null]::varchar[], 'it is there, without access');
select is((select expires_at from analytics.social_connections where id = :'account'), null, 'with nothing left of it');
select pg_temp.act_as_superuser();
select is((select count(*) from analytics_private.oauth_tokens where social_account_id = :'account'), 0::bigint, 'its tokens are wiped');
select is((select count(*) from analytics_private.oauth_revocations), 0::bigint, 'nothing is revoked yet');
select id as twin from analytics.social_accounts where workspace_id = :'elsewhere' and platform = 'x' \gset
select version as old_version from analytics_private.oauth_tokens where social_account_id = :'twin' \gset
select pg_temp.act_as(:'stranger');
select is(analytics.disconnect_account(:'twin') ->> 'revocation', 'queued', 'the last of a consent ends it');
select pg_temp.act_as_superuser();
select is(pg_temp.refreshed(:'twin', :old_version, 'late', 'late'), 'gone', 'a refresh that comes too late finds nothing');
select * from analytics_private.sidecar_take_revocations('x', 10, 60) \gset revoke_
select is(array[:'revoke_account_id', :'revoke_consent_key', :'revoke_access_token'], array[:'twin', 'person 1', pg_temp.sealed('access1')], 'the sidecar gets what to revoke, and what it is bound to');
select is((select count(*) from analytics_private.sidecar_take_revocations('x', 10, 60)), 0::bigint, 'once');
select ok(analytics_private.sidecar_finish_revocation(:'revoke_revocation_id', :'revoke_claim', 'later'), 'a provider that does not answer is asked again');
update analytics_private.oauth_revocations set run_at = now();
select * from analytics_private.sidecar_take_revocations('x', 10, 60) \gset revoke_
select ok(analytics_private.sidecar_finish_revocation(:'revoke_revocation_id', :'revoke_claim', 'revoked'), 'until it did');
select is((select count(*) from analytics_private.oauth_revocations), 0::bigint, 'then its tokens are wiped as well');
select ok(not analytics_private.sidecar_finish_revocation(:'revoke_revocation_id', :'revoke_claim', 'revoked'), 'and there is nothing to finish');
select is((select l.metadata ->> 'outcome' from analytics.audit_logs l where l.action = 'connection.revoked' and l.entity_id = :'twin'), 'revoked', 'on record');
-- A consent given anew is not given back for what was disconnected before.
select pg_temp.act_as(:'stranger');
select a.id as page from analytics.social_accounts a where a.platform = 'facebook' \gset
select analytics.disconnect_account(:'page') ->> 'revocation' as revocation \gset
select is(:'revocation'::text, 'queued', 'a page is disconnected');
select pg_temp.consent(:'stranger', 'facebook', '{21}', 'person 2') as anew \gset
select pg_temp.act_as_superuser();
select is((select count(*) from analytics_private.oauth_revocations), 0::bigint, 'and its consent, given anew, is not revoked');
-- Removing and closing go the same way.
select pg_temp.act_as(:'admin');
select analytics.remove_account(:'five', true) \g /dev/null
select pg_temp.act_as_superuser();
select is((select count(*) from analytics_private.oauth_revocations where social_account_id = :'five'), 1::bigint, 'an account that is deleted is revoked');
update analytics_private.oauth_revocations set created_at = now() - interval '8 days' where social_account_id = :'five';
select * from analytics_private.sidecar_take_revocations('tiktok', 10, 60) \gset old_
select analytics_private.sidecar_finish_revocation(:'old_revocation_id', :'old_claim', 'later') \g /dev/null
select is((select l.metadata ->> 'outcome' from analytics.audit_logs l where l.action = 'connection.revoked' and l.entity_id = :'five'), 'given_up', 'after a week it is given up');
select pg_temp.act_as(:'other');
select cmp_ok(jsonb_array_length(analytics.export_my_data() -> 'connections'), '>', 0, 'whoever connected finds it in his export');
select pg_temp.act_as_superuser();
select analytics_private.close_workspace(:'studio') \g /dev/null
select is((select count(*) from analytics_private.oauth_tokens where workspace_id = :'studio') + (select count(*) from analytics.connections where workspace_id = :'studio'), 0::bigint, 'a workspace that closes has no tokens and no connections');
select cmp_ok((select count(*) from analytics_private.oauth_revocations where workspace_id = :'studio'), '>', 2::bigint, 'and gives its consents back');
select is((select count(*) from analytics_private.oauth_tokens t where t.access_token !~ '^gAAAAA'), 0::bigint, 'nothing is stored open');

-- A consent that names an account, and does not open it.
select pg_temp.act_as(:'stranger');
select analytics.connect_account('facebook', 'https://app.example.com/connected') as answer \gset
select :'answer'::jsonb ->> 'connection_id' as narrow \gset
select pg_temp.act_as_superuser();
select pg_temp.begin_at(:'answer', 'narrow state', 'narrow browser'), pg_temp.use_state('narrow state', 'narrow browser', 'facebook') \g /dev/null
select analytics_private.sidecar_store_found(:'narrow', (select json_agg(json_build_object('platform', p.platform, 'platform_user_id', p.platform_user_id, 'account_id', p.account_id, 'handle', 'name',
  'display_name', p.platform, 'parent', case p.platform when 'instagram' then '24' end, 'access_token', pg_temp.sealed('page'), 'token_type', 'bearer'))
  from analytics_private.sidecar_place_found(:'narrow', '{facebook,instagram}', '{24,25}', '{page,photos}') p), '{pages_show_list,instagram_basic}') \g /dev/null
select is((select count(*) from analytics_private.connection_finds where connection_id = :'narrow'), 1::bigint, 'tokens that open too little are not kept');
select pg_temp.act_as(:'stranger');
select is((select string_agg(concat_ws(' ', f ->> 'platform_user_id', f ->> 'parent', f ->> 'choosable', f ->> 'reason'), '; ') from jsonb_array_elements(analytics.connection_status(:'narrow') -> 'found') f),
  '24 true; 25 24 false Facebook was not allowed to let us read it: instagram_manage_insights not given. Connect again and leave all permissions on, or connect it as instagram', 'the member sees why it cannot be chosen');
select is(pg_temp.field_of(format('select analytics.choose_accounts(%L, ''{25}'')', :'narrow')), 'PT400 platform_user_ids', 'and it cannot');
select pg_temp.act_as_superuser();
select is(analytics_private.why_not_choosable('facebook', 'instagram', g), null, 'what the provider does not say is not guessed: ' || g::text) from (values ('{}'::text[]), ('{instagram_basic,instagram_manage_insights}')) v (g);
select is(analytics_private.why_not_choosable('instagram', 'instagram', '{instagram_business_basic}'), null, 'Instagram has its own rights');

select * from finish();
rollback;
