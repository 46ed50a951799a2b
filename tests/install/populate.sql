-- Some rows in every table that a user's, the sidecar's and an operator's work fills.
\set ON_ERROR_STOP on
insert into auth.users (id, email, raw_user_meta_data) values ('00000000-0000-4000-8000-000000000001', 'ada@example.com', '{"full_name": "Ada"}'), ('00000000-0000-4000-8000-000000000002', 'bob@example.com', null);
insert into analytics.workspace_members (workspace_id, user_id, role) select w.id, '00000000-0000-4000-8000-000000000002', 'editor' from analytics.workspaces w where w.owner_id = '00000000-0000-4000-8000-000000000001';
select analytics_private.ingest_instagram(json_build_object('data', json_build_object('user', json_build_object('id', '1', 'username', 'space', 'full_name', 'Space', 'biography', 'b', 'edge_followed_by', json_build_object('count', 5300000000),
  'edge_related_profiles', json_build_object('edges', json_build_array(json_build_object('node', json_build_object('id', '9', 'username', 'near')))),
  'edge_owner_to_timeline_media', json_build_object('count', 1, 'edges', json_build_array(json_build_object('node', json_build_object('id', '7', 'shortcode', 'S7', 'owner', json_build_object('id', '1'), 'taken_at_timestamp', 1700000000,
    'edge_media_preview_like', json_build_object('count', 3), 'edge_media_to_comment', json_build_object('count', 1, 'edges', json_build_array(json_build_object('node', json_build_object('id', '8', 'text', 'Great!', 'created_at', 1700000001)))),
    'edge_media_to_caption', json_build_object('edges', json_build_array(json_build_object('node', json_build_object('text', 'with @friend #tag')))))))))))) is not null;
insert into analytics.audience_demographics (profile_id) select id from analytics.profiles where username = 'space';
select analytics_private.derive_due_creators() >= 1;
select analytics_private.refresh_size_tiers() = 6;
insert into analytics_private.creators_due (profile_id) select id from analytics.profiles where username = 'space';
select analytics_private.link_firebase_user('uid-1') is not null;
select analytics_private.erase_person('removed', 'case 1') is not null;
select analytics_private.set_setting('freshness', '2 days');
select analytics_private.set_workspace_status(id, 'active') from analytics.workspaces where owner_id = '00000000-0000-4000-8000-000000000001';
insert into analytics.subscriptions (workspace_id, plan_name, status, anchor_at) select w.id, 'standard', 'active', '2026-01-31 08:00+00' from analytics.workspaces w where w.owner_id = '00000000-0000-4000-8000-000000000001';
insert into analytics.posts (workspace_id, created_by, name, status, scheduled_at) select w.id, w.owner_id, s, s, now() + interval '1 day' from analytics.workspaces w, unnest(array['draft', 'scheduled']) s;
update analytics.posts p set status = 'publishing' where p.name = 'scheduled';
update analytics.posts p set status = 'published' where p.name = 'scheduled';
insert into analytics.workspace_invites (workspace_id, id, email, role, invited_by, expires_at) select w.id, '00000000-0000-4000-8000-0000000000f1', 'guest@example.com', 'analyst', w.owner_id, now() + interval '1 day' from analytics.workspaces w where w.owner_id = '00000000-0000-4000-8000-000000000001';
insert into analytics_private.invite_tokens select i.workspace_id, i.id, sha256('token') from analytics.workspace_invites i;
select analytics_private.grant_credits(w.id, 100), analytics_private.charge_credits(w.id, 'unlock_profile', w.id, 'once') from analytics.workspaces w where w.owner_id = '00000000-0000-4000-8000-000000000001' \g /dev/null
select analytics_private.set_plan_price('price_1', 'premium') is not null;
select analytics_private.set_setting('billing_test_events', '1');
select analytics_private.apply_billing_event(json_build_object('id', 'evt_1', 'object', 'event', 'type', 'customer.subscription.created', 'created', 1800000000, 'livemode', false, 'data', json_build_object('object', json_build_object(
  'id', 'sub_1', 'object', 'subscription', 'customer', 'cus_1', 'status', 'active', 'cancel_at_period_end', false, 'billing_cycle_anchor', 1800000000, 'current_period_start', 1800000000, 'current_period_end', 1802678400,
  'metadata', json_build_object('workspace_id', w.id), 'items', json_build_object('data', json_build_array(json_build_object('price', json_build_object('id', 'price_1')))))))) ->> 'status' from analytics.workspaces w where w.owner_id = '00000000-0000-4000-8000-000000000002';
insert into analytics.social_accounts (workspace_id, platform, handle, created_by) select w.id, 'instagram', 'ada', w.owner_id from analytics.workspaces w where w.owner_id = '00000000-0000-4000-8000-000000000001';
select analytics_private.sidecar_finish_import(i.id) ->> 'member_count' from (select (analytics_private.sidecar_begin_import(a.id, '2026-05-01', is_complete => true) ->> 'import_id')::uuid from analytics.social_accounts a) i (id), lateral analytics_private.sidecar_add_page(i.id, 0, '{x,y}', '{1,2}', '{2026-01-01,2026-02-01}');
select analytics_private.sidecar_finish_import(i.id) ->> 'lost' from (select (analytics_private.sidecar_begin_import(a.id, '2026-05-02', is_complete => true) ->> 'import_id')::uuid from analytics.social_accounts a) i (id), lateral analytics_private.sidecar_add_page(i.id, 0, '{renamed}', '{1}');
select analytics_private.sidecar_add_page(i.id, 0, '{z}') ->> 'people' from (select (analytics_private.sidecar_begin_import(a.id, '2026-05-03') ->> 'import_id')::uuid from analytics.social_accounts a) i (id);
select analytics_private.sidecar_store_document(a.id, 'audience_insights.json', '2026-05-01', '{"a": 1}') from analytics.social_accounts a;
insert into analytics.metrics_snapshots (workspace_id, social_account_id, metric, measured_at, captured_at, value, source) select a.workspace_id, a.id, 'followers', m, m, 3, 'test' from analytics.social_accounts a, unnest(array[date_trunc('month', now()), '1999-01-01']) m;
insert into analytics.top_content (workspace_id, social_account_id, platform_post_id, posted_at, captured_at) select a.workspace_id, a.id, '1', '2026-05-01', '2026-05-02' from analytics.social_accounts a;
insert into analytics.post_analytics (workspace_id, social_account_id, platform_post_id, captured_at, source) select t.workspace_id, t.social_account_id, t.platform_post_id, t.captured_at, 'test' from analytics.top_content t;
insert into analytics.audience_insights (workspace_id, social_account_id, audience, captured_at, snapshot_date, source) select a.workspace_id, a.id, 'followers', '2026-05-02', '2026-05-01', 'test' from analytics.social_accounts a;
insert into analytics.shared_pages (workspace_id, id, social_account_id, page, timezone, created_by, expires_at) select a.workspace_id, '0195c3a0-0000-7000-8000-0000000000f3', a.id, 'dashboard', 'UTC', a.created_by, now() + interval '1 day' from analytics.social_accounts a;
insert into analytics_private.shared_page_tokens select s.workspace_id, s.id, sha256('link') from analytics.shared_pages s;
select analytics_private.allow_redirect('https://app.example.com/');
insert into analytics.connections (workspace_id, id, user_id, platform, provider, purpose, redirect_to, status, expires_at) select a.workspace_id, '00000000-0000-4000-8000-0000000000d0', a.created_by, 'instagram', 'instagram', 'insights', 'https://app.example.com/', 'choosing', now() + interval '1 hour' from analytics.social_accounts a;
insert into analytics_private.oauth_states (workspace_id, connection_id, ticket_digest, expires_at) select c.workspace_id, c.id, sha256('ticket'), c.expires_at from analytics.connections c;
insert into analytics_private.connection_finds (workspace_id, connection_id, platform, platform_user_id, account_id, consent_key, access_token, token_type, issued_at) select c.workspace_id, c.id, 'instagram', '2', '00000000-0000-4000-8000-0000000000d1', '1', 'gAAAAA', 'bearer', now() from analytics.connections c;
insert into analytics_private.oauth_tokens (workspace_id, social_account_id, provider, purpose, consent_key, access_token, token_type, issued_at, first_consent_at) select a.workspace_id, a.id, 'instagram', 'insights', '1', 'gAAAAA', 'bearer', now(), now() from analytics.social_accounts a;
insert into analytics_private.oauth_revocations (workspace_id, social_account_id, provider, consent_key, access_token, token_type, issued_at) select a.workspace_id, a.id, 'instagram', '2', 'gAAAAA', 'bearer', now() from analytics.social_accounts a;
select analytics_private.tell_member(a, 'expiring', 'the access ends soon', null) is not null from analytics.social_accounts a;
insert into analytics_private.post_schedules (workspace_id, social_account_id, platform_post_id, next_at) select t.workspace_id, t.social_account_id, t.platform_post_id, now() from analytics.top_content t;
insert into analytics_private.metric_refusals (workspace_id, social_account_id, subject, api_name, code, until) select a.workspace_id, a.id, 'account', 'views', '10', now() + interval '1 day' from analytics.social_accounts a;
insert into analytics_private.app_metric_refusals (provider, platform, subject, api_name, code, until) values ('instagram', 'instagram', 'account', 'reposts', '100', now() + interval '1 day');
select count(*) > 0 from analytics_private.sidecar_take_insights('populate', 'instagram', 1, 60);
select analytics_private.sidecar_note_limit('instagram', 95, 60) is not null;
insert into analytics.events (workspace_id, social_account_id, platform, type, payload) select a.workspace_id, a.id, 'instagram', 'comments', '{"id": 1}' from analytics.social_accounts a;
insert into analytics_private.event_digests (workspace_id, social_account_id, digest) select a.workspace_id, a.id, sha256('event') from analytics.social_accounts a;
select analytics_private.sidecar_request_deletion('facebook', '1', sha256('request'), now()) ->> 'code' is not null;
select analytics_private.erase_audit_personal('00000000-0000-4000-8000-000000000002', 'case 2') >= 0;
select analytics_private.write_audit('test.done', 'test', null, '{}', null, null, '{"a": 1.50}') is not null;
select analytics_private.seal_audit() > 0;
select analytics_private.write_audit('test.waits', 'test') is not null;
