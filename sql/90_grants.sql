-- Who may do what. Nothing is open to PUBLIC; every right is given here, by name.
-- (Schema analytics and the functions compiled into the extension get theirs from the extension script.)

revoke all on schema analytics_private from public;
grant usage on schema analytics_private to anon, authenticated, service_role, analytics_sidecar, @installer@;

-- Tables ---------------------------------------------------------------------------------------------------------------

grant select on analytics.users, analytics.user_profiles, analytics.workspaces, analytics.workspace_members, analytics.audit_logs,
  analytics.profiles, analytics.profile_history, analytics.profile_posts, analytics.audience_demographics, analytics.creator_metadata,
  analytics.comment_sentiment, analytics.mentions, analytics.related_profiles,
  analytics.user_profile_access, analytics.user_favorites, analytics.user_searches, analytics.search_history
to authenticated, service_role, @installer@;
grant select on analytics.plans to anon, authenticated, service_role, @installer@;
grant select on analytics.subscriptions, analytics.quota_counters, analytics.user_info, analytics.posts, analytics.post_transitions to authenticated, service_role, @installer@;
grant select on analytics.workspace_invites, analytics.permissions to authenticated, service_role, @installer@;
grant select on analytics.auth_users to service_role, @installer@;

-- Columns a user may set himself; what decides about rights, money or identity is not among them.
grant update (username, phone_number, preferences, notification_preferences, timezone, language, data_analytics_enabled, default_workspace_id)
  on analytics.users to authenticated;
grant update (full_name, first_name, last_name, display_name, company, job_title, work_description, bio, avatar_url, profile_visibility)
  on analytics.user_profiles to authenticated;
grant update (name, description, logo_url, settings) on analytics.workspaces to authenticated;
grant insert (workspace_id, name, topic, content_mode, universal_content, universal_metadata, platform_content, platforms, status, scheduled_at),
  update (name, topic, content_mode, universal_content, universal_metadata, platform_content, platforms, status, scheduled_at)
  on analytics.posts to authenticated;

-- The application's own backend may add what it derives; windows, audit and the mirror stay closed to it as well.
grant insert, update, delete on analytics.audience_demographics, analytics.creator_metadata, analytics.comment_sentiment to service_role;

-- Functions ------------------------------------------------------------------------------------------------------------

-- What signed-in clients call, and the private halves and helpers behind it. anon gets them too, so that the answer to
-- "not signed in" is UNAUTHORIZED instead of PostgreSQL's bare refusal. my_profiles() is plain SQL and cannot say so.
grant execute on function
  analytics.me(), analytics.require_role(uuid, text), analytics.unlock_profile(text, uuid), analytics.unlock_profiles(text[], uuid),
  analytics.refresh_profile(text), analytics.favorite_profile(text, text, text[]), analytics.unfavorite_profile(text),
  analytics.profile_overview(text), analytics.profile_timeline(text, integer, text),
  analytics.newest_posts(integer, interval, text), analytics.search_profiles(text, text, integer),
  analytics_private.unlock_profile(text, uuid), analytics_private.unlock_profiles(text[], uuid), analytics_private.refresh_profile(text),
  analytics_private.favorite_profile(text, text, text[]), analytics_private.unfavorite_profile(text),
  analytics_private.newest_posts(integer, interval, text), analytics_private.search_profiles(text, text, integer),
  analytics_private.require_user(), analytics_private.open_profile(text), analytics_private.co_member_ids(),
  analytics_private.raise_error(text, text, text, jsonb, integer), analytics_private.error_status(text),
  analytics_private.encode_cursor(timestamptz, uuid), analytics_private.decode_cursor(text), analytics_private.check_page_size(integer, integer),
  analytics_private.post_json(analytics.profile_posts)
to authenticated, service_role, anon;
grant execute on function
  analytics.quotas(uuid), analytics_private.quotas(uuid),
  analytics.create_post(uuid, text, text, text, jsonb, jsonb, jsonb, text, timestamptz, timestamptz),
  analytics.update_post(uuid, text, text, text, jsonb, jsonb, jsonb, text),
  analytics.schedule_post(uuid, timestamptz, timestamptz), analytics.cancel_post(uuid), analytics.delete_post(uuid),
  analytics_private.create_post(uuid, text, text, text, jsonb, jsonb, jsonb, text, timestamptz, timestamptz),
  analytics_private.update_post(uuid, text, text, text, jsonb, jsonb, jsonb, text),
  analytics_private.schedule_post(uuid, timestamptz, timestamptz), analytics_private.cancel_post(uuid), analytics_private.delete_post(uuid)
to authenticated, service_role, anon;
grant execute on function analytics.my_profiles() to authenticated, service_role;

grant execute on function
  analytics_private.claim_jobs(text, text[], integer, integer), analytics_private.heartbeat_jobs(uuid[], integer),
  analytics_private.release_jobs(uuid[]), analytics_private.complete_job(uuid, json),
  analytics_private.fail_job(uuid, text, text, boolean, double precision), analytics_private.queue_metrics(), analytics_private.maintain()
to analytics_sidecar;

-- Operators: service_role, and whoever installed this.
grant execute on function
  analytics_private.ingest_instagram(json, timestamptz, text), analytics_private.list_settings(), analytics_private.set_setting(text, text),
  analytics_private.list_jobs(text, text, integer), analytics_private.requeue_job(uuid), analytics_private.cancel_job(uuid),
  analytics_private.queue_metrics(), analytics_private.maintain(), analytics_private.ensure_partition(regclass, timestamptz),
  analytics_private.set_user_status(uuid, text), analytics_private.set_workspace_status(uuid, text),
  analytics_private.link_firebase_user(text, text), analytics_private.map_db_login(text, uuid),
  analytics_private.erase_person(text, text, text), analytics_private.set_sidecar_password(text),
  analytics_private.reset_quotas(),
  analytics_private.raise_error(text, text, text, jsonb, integer), analytics_private.error_status(text)
to service_role, @installer@;

-- Tenancy.
grant execute on function
  analytics.can(text, uuid), analytics.create_workspace(text, text), analytics.delete_workspace(uuid),
  analytics.invite_member(uuid, text, text, interval), analytics.accept_invite(text), analytics.invite_preview(text), analytics.my_invites(),
  analytics.revoke_invite(uuid, uuid), analytics.change_role(uuid, uuid, text), analytics.remove_member(uuid, uuid),
  analytics.leave_workspace(uuid), analytics.transfer_ownership(uuid, uuid), analytics.export_my_data(), analytics.delete_my_account(text),
  analytics_private.can(text, uuid), analytics_private.create_workspace(text, text), analytics_private.delete_workspace(uuid),
  analytics_private.invite_member(uuid, text, text, interval), analytics_private.accept_invite(text), analytics_private.invite_preview(text),
  analytics_private.my_invites(), analytics_private.revoke_invite(uuid, uuid), analytics_private.change_role(uuid, uuid, text),
  analytics_private.remove_member(uuid, uuid), analytics_private.leave_workspace(uuid), analytics_private.transfer_ownership(uuid, uuid),
  analytics_private.export_my_data(), analytics_private.delete_my_account(text)
to authenticated, service_role, anon;
grant execute on function analytics_private.verified_email(), analytics_private.fold_email(text) to authenticated, service_role;
grant execute on function analytics.rls_report(), analytics_private.erase_user(uuid, text) to service_role, @installer@;

-- 95_auth_bridge.sql runs as the installer.
grant execute on function analytics_private.mirror_user(jsonb), analytics_private.mirror_auth_user() to @installer@;

-- Credits
grant select on analytics.credit_prices to anon, authenticated, service_role, @installer@;
grant select on analytics.credit_balances, analytics.credit_transactions, analytics.credit_entries to authenticated, service_role, @installer@;
grant execute on function analytics.credit_balance(uuid), analytics.credit_history(uuid, integer, text) to authenticated, service_role, anon;
grant execute on function
  analytics_private.grant_credits(uuid, bigint, text, text, text), analytics_private.charge_credits(uuid, text, uuid, text),
  analytics_private.refund_credits(uuid, uuid, text), analytics_private.set_credit_price(text, bigint), analytics_private.check_ledger()
to service_role, @installer@;

-- Billing
grant select on analytics.subscription_history to authenticated, service_role, @installer@;
grant execute on function analytics_private.apply_billing_event(json, text) to analytics_sidecar, service_role, @installer@;
grant execute on function
  analytics_private.set_plan_price(text, text), analytics_private.link_billing_customer(text, uuid), analytics_private.set_plan(uuid, text),
  analytics_private.list_billing_events(text, integer)
to service_role, @installer@;

-- Audit. The salts of personal values are for nobody's eyes.
grant select (record_id, workspace_id, "timestamp", old_values, new_values, ip_address, user_agent) on analytics.audit_personal to authenticated, service_role, @installer@;
grant select on analytics.activity_logs to authenticated, service_role, @installer@;
grant execute on function analytics.verify_audit(uuid, timestamptz, text, text, text), analytics.audit_checkpoint(uuid),
  analytics_private.check_own_audit(uuid, timestamptz, text[]), analytics_private.own_head_text(uuid)
to authenticated, service_role, anon, @installer@;
grant execute on function
  analytics_private.check_audit(uuid, timestamptz, text[]), analytics_private.head_text(uuid), analytics_private.list_audit_checkpoints(uuid, integer),
  analytics_private.seal_audit(), analytics_private.erase_audit_personal(uuid, text, text), analytics_private.prune_audit(timestamptz, text)
to service_role, @installer@;
grant execute on function
  analytics_private.seal_audit(), analytics_private.due_audit_checkpoints(integer), analytics_private.note_audit_checkpoint(text, text, text)
to analytics_sidecar;

-- Accounts and followers.
grant select on analytics.social_accounts, analytics.platform_users, analytics.platform_user_handles, analytics.follower_snapshots to authenticated, service_role, @installer@;
grant execute on function
  analytics.add_account(uuid, text, text, text, text, text, text, text, jsonb, boolean), analytics.remove_account(uuid, boolean),
  analytics.record_followers(uuid, text, timestamptz, text, text, bigint, boolean), analytics.begin_follower_import(uuid, timestamptz, text, text, bigint, boolean),
  analytics.add_follower_page(uuid, integer, text), analytics.finish_follower_import(uuid), analytics.abandon_follower_import(uuid), analytics.follower_import(uuid),
  analytics_private.add_account(uuid, text, text, text, text, text, text, text, jsonb, boolean), analytics_private.remove_account(uuid, boolean),
  analytics_private.record_followers(uuid, text, timestamptz, text, text, bigint, boolean),
  analytics_private.begin_follower_import(uuid, timestamptz, text, text, bigint, boolean), analytics_private.add_follower_page(uuid, integer, text),
  analytics_private.finish_follower_import(uuid), analytics_private.abandon_follower_import(uuid), analytics_private.follower_import(uuid)
to authenticated, service_role, anon;
grant execute on function
  analytics_private.sidecar_find_account(text), analytics_private.sidecar_begin_import(uuid, timestamptz, text, text, bigint, boolean),
  analytics_private.sidecar_add_page(uuid, integer, text[], text[], timestamptz[]), analytics_private.sidecar_finish_import(uuid),
  analytics_private.sidecar_abandon_import(uuid), analytics_private.sidecar_store_document(uuid, text, timestamptz, json)
to analytics_sidecar;
grant execute on function analytics_private.erase_follower(text, text, text, text) to service_role, @installer@;

-- Audiences: all with the caller's rights.
grant select on analytics.follower_changes to authenticated, service_role, @installer@;
grant execute on function
  analytics.follower_changes_page(uuid, timestamptz, timestamptz, text, text, integer), analytics.followers_at(uuid, timestamptz, text),
  analytics.follower_list(uuid, timestamptz, text, text, integer), analytics.people_of(uuid, analytics.follower_set, text, integer),
  analytics.followers_between(uuid, timestamptz, timestamptz, text), analytics.follower_history(uuid, text),
  analytics.retention(uuid, timestamptz, timestamptz, interval), analytics.mutuals(uuid, timestamptz), analytics.not_following_back(uuid, timestamptz),
  analytics.audience_overlap(uuid[], timestamptz), analytics.unique_reach(uuid[], timestamptz),
  analytics.best_additions(uuid[], integer, uuid[], timestamptz),
  analytics_private.audience_account(uuid), analytics_private.audiences(uuid[], timestamptz)
to authenticated, service_role, anon;
grant execute on function
  analytics_private.own_account(uuid, text), analytics_private.aliases(uuid, text), analytics_private.believed_set(uuid, uuid, text, timestamptz),
  analytics_private.audience_at(analytics.social_accounts, timestamptz, text), analytics_private.find_person(analytics.social_accounts, text),
  analytics_private.changed_people(uuid, text, uuid, timestamptz, integer, bytea, bytea, bytea, bytea, timestamptz[], bigint[], bigint[], bigint, bigint),
  analytics_private.real_changes(uuid, uuid, text, timestamptz, bytea, bytea, bytea, bigint[], bigint[]),
  analytics_private.people_page(analytics.social_accounts, analytics.follower_set, bigint, integer), analytics_private.person_json(analytics.platform_users),
  analytics_private.check_relation(text), analytics_private.check_period(timestamptz, timestamptz), analytics_private.check_set_bytes(bigint, text),
  analytics_private.encode_place(bigint[]), analytics_private.decode_place(text, integer), analytics_private.to_microseconds(timestamptz),
  analytics_private.from_microseconds(bigint)
to authenticated, service_role, @installer@;

-- Metrics.
grant select on analytics.metric_registry, analytics.metrics_snapshots, analytics.top_content, analytics.post_analytics, analytics.audience_insights,
  analytics.number_formulas, analytics.account_snapshots
to authenticated, service_role, @installer@;
-- An operator may add what a platform brings.
grant insert, update, delete on analytics.metric_registry to service_role, @installer@;
grant execute on function
  analytics.record_metrics(uuid, text, text[], timestamptz[], bigint[], timestamptz, text), analytics.record_posts(uuid, text, timestamptz, text),
  analytics.record_audience(uuid, text, text, date, bigint, timestamptz, text), analytics_private.record_audience(uuid, text, text, date, bigint, timestamptz, text),
  analytics_private.record_metrics(uuid, text, text[], timestamptz[], bigint[], timestamptz, text), analytics_private.record_posts(uuid, text, timestamptz, text),
  analytics.metrics(uuid, timestamptz, timestamptz, timestamptz, text[]), analytics.metric_series(uuid, text, timestamptz, timestamptz, text, text, timestamptz, text),
  analytics.growth(uuid, timestamptz, timestamptz, text, text, timestamptz), analytics.metric_totals(uuid, timestamptz, timestamptz, text[], text, timestamptz),
  analytics.anomalies(uuid, text, timestamptz, timestamptz, double precision, text), analytics.explain(text, uuid, timestamptz, timestamptz, text, text, text)
to authenticated, service_role, anon;
grant execute on function
  analytics_private.evidence(text, analytics.social_accounts, uuid, text[], timestamptz, timestamptz), analytics_private.days_of(timestamptz, timestamptz, text),
  analytics_private.whole_days(timestamptz, timestamptz, text), analytics_private.flow_days(timestamptz[], text), analytics_private.start_before(timestamptz, timestamptz, text),
  analytics_private.check_timezone(text), analytics_private.known_metric(text, text, text), analytics_private.unknown_reason(analytics.metric_registry, timestamptz, timestamptz),
  analytics_private.step_values(analytics.social_accounts, text, timestamptz[], timestamptz[], timestamptz),
  analytics_private.level_at(analytics.social_accounts, text, timestamptz, timestamptz),
  analytics_private.flow_sum(analytics.social_accounts, text, timestamptz, timestamptz, text, timestamptz)
to authenticated, service_role, @installer@;

-- Creators.
grant select on analytics.media_value_rates, analytics.score_weights, analytics.size_tiers, analytics.post_sentiment to authenticated, service_role, @installer@;
grant insert, update, delete on analytics.media_value_rates, analytics.score_weights to service_role, @installer@;
grant execute on function
  analytics.estimated_media_value(text, text, bigint, bigint, bigint, text), analytics.related_profiles_ranked(text, integer),
  analytics.profile_sentiment(text, timestamptz, timestamptz)
to authenticated, service_role, anon;
grant execute on function analytics_private.media_value(analytics.media_value_rates, bigint, bigint, bigint) to authenticated, service_role, @installer@;
grant execute on function analytics_private.derive_creator_metadata(uuid[]), analytics_private.refresh_size_tiers() to service_role, @installer@;
grant execute on function analytics_private.derive_due_creators(integer) to analytics_sidecar, service_role, @installer@;

-- Content, with the caller's rights.
grant execute on function
  analytics.best_posting_times(uuid, text, timestamptz, timestamptz, text, integer), analytics.content_mix(uuid, timestamptz, timestamptz),
  analytics.hashtag_performance(uuid, timestamptz, timestamptz, integer, text, integer), analytics.posting_cadence(uuid, timestamptz, timestamptz, text)
to authenticated, service_role, anon;
grant execute on function analytics_private.content_settings(), analytics_private.content_period(timestamptz, timestamptz) to authenticated, service_role, @installer@;

-- Pictures and pages: with the caller's rights, but for shared pages.
grant select on analytics.shared_pages to authenticated, service_role, @installer@;
grant execute on function
  analytics.chart_followers(uuid, timestamptz, timestamptz, text, timestamptz, integer), analytics.chart_engagement(uuid, timestamptz, timestamptz, text, text, integer),
  analytics.chart_best_times(uuid, text, timestamptz, timestamptz, text, integer), analytics.chart_audience(uuid, text, text, integer),
  analytics.chart_compare(uuid[], text, text, timestamptz, timestamptz, text, integer), analytics.dashboard(uuid, timestamptz, timestamptz, text),
  analytics.profile_page(text, text), analytics.report_csv(uuid, timestamptz, timestamptz, text[], timestamptz),
  analytics.share_page(uuid, text, interval, text), analytics.revoke_shared_page(uuid), analytics.shared_page(text),
  analytics_private.share_page(uuid, text, interval, text), analytics_private.revoke_shared_page(uuid), analytics_private.shared_page(text),
  analytics_private.send_page_headers()
to authenticated, service_role, anon;
grant execute on function
  analytics_private.check_width(integer), analytics_private.wall_clock(timestamptz, text), analytics_private.day_in_words(timestamptz, text),
  analytics_private.platform_in_words(text), analytics_private.check_picture_period(timestamptz, timestamptz, text),
  analytics_private.number_in_words(numeric, integer), analytics_private.change_in_words(numeric, integer), analytics_private.reason_not_drawn(double precision, text),
  analytics_private.followers_document(analytics.social_accounts, analytics_private.picture_period, timestamptz),
  analytics_private.engagement_document(analytics.social_accounts, analytics_private.picture_period, text),
  analytics_private.audience_panel(text, text, jsonb, bigint), analytics_private.audience_document(analytics.social_accounts, text, text),
  analytics_private.best_times_document(analytics.social_accounts, analytics_private.picture_period, text),
  analytics_private.known_denominator(analytics.social_accounts, analytics_private.picture_period, text),
  analytics_private.engagement_of(analytics.social_accounts, analytics_private.picture_period, text), analytics_private.rate_in_words(text),
  analytics_private.dashboard_facts(analytics.social_accounts, analytics_private.picture_period, text),
  analytics_private.dashboard_page(analytics.social_accounts, analytics_private.picture_period),
  analytics_private.history_document(jsonb, jsonb, text), analytics_private.shares_panel(text, jsonb)
to authenticated, service_role, @installer@;

-- Connecting accounts. The tables of tokens and states are for nobody.
grant select on analytics.connections, analytics.notices, analytics.social_connections to authenticated, service_role, @installer@;
grant execute on function
  analytics.connect_account(text, text, uuid, text), analytics.connection_status(uuid), analytics.choose_accounts(uuid, text[]),
  analytics.disconnect_account(uuid), analytics.make_primary(uuid), analytics.dismiss_notice(uuid),
  analytics_private.connect_account(text, text, uuid, text), analytics_private.connection_status(uuid), analytics_private.choose_accounts(uuid, text[]),
  analytics_private.disconnect_account(uuid), analytics_private.make_primary(uuid), analytics_private.dismiss_notice(uuid)
to authenticated, service_role, anon;
grant execute on function analytics_private.access_facts() to authenticated, service_role, @installer@;
grant execute on function
  analytics_private.sidecar_public_url(), analytics_private.sidecar_note_refusals(text, text, bigint), analytics_private.sidecar_find_connection(uuid),
  analytics_private.sidecar_begin_connection(uuid, bytea, bytea, bytea, text, text[]), analytics_private.sidecar_use_state(bytea, bytea, text),
  analytics_private.sidecar_fail_connection(uuid, text, text, text), analytics_private.sidecar_place_found(uuid, text[], text[], text[]),
  analytics_private.sidecar_store_found(uuid, json, text[]), analytics_private.sidecar_access(uuid),
  analytics_private.sidecar_take_refreshes(text, text, integer, integer), analytics_private.sidecar_begin_refresh(uuid, uuid),
  analytics_private.sidecar_release_refresh(uuid, uuid),
  analytics_private.sidecar_store_refreshed(uuid, bigint, text, text, text, text[], timestamptz, timestamptz, timestamptz, timestamptz),
  analytics_private.sidecar_fail_refresh(uuid, uuid, bigint, text, text, double precision),
  analytics_private.sidecar_take_revocations(text, integer, integer), analytics_private.sidecar_finish_revocation(uuid, uuid, text, double precision),
  analytics_private.sidecar_sealed_after(text, uuid, uuid, integer),
  analytics_private.sidecar_store_rotated(text, uuid[], uuid[], text[], text[], text[], text[], text[], text[])
to analytics_sidecar;
grant execute on function analytics_private.allow_redirect(text), analytics_private.forbid_redirect(text), analytics_private.list_redirects()
to service_role, @installer@;

-- Insights. How often is an operator's to say; the rest is the sidecar's.
grant select, insert, update, delete on analytics_private.insight_cadences to service_role, @installer@;
grant select on analytics_private.account_schedules, analytics_private.metric_refusals, analytics_private.app_metric_refusals, analytics_private.provider_limits to service_role, @installer@;
grant execute on function
  analytics_private.sidecar_take_insights(text, text, integer, integer), analytics_private.sidecar_note_limit(text, integer, double precision),
  analytics_private.sidecar_store_insights(uuid, json, text, text, double precision, bigint), analytics_private.sidecar_release_insights(uuid)
to analytics_sidecar;

-- Events. What follows from which is an operator's to say.
grant select on analytics.events to authenticated, service_role, @installer@;
grant select, insert, update, delete on analytics_private.event_effects to service_role, @installer@;
grant select on analytics_private.deletion_requests to service_role, @installer@;
grant execute on function
  analytics_private.sidecar_store_events(json), analytics_private.sidecar_handle_event(uuid),
  analytics_private.sidecar_request_deletion(text, text, bytea, timestamptz), analytics_private.sidecar_deletion_status(text)
to analytics_sidecar;
