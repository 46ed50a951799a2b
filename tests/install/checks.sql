-- Whether what must hold between rows holds: every chain of the audit verifies, the ledger balances, and the counters are
-- what the posts and windows say.
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
select (select bool_and((analytics.verify_audit(c.chain) ->> 'ok')::boolean) from (select null::uuid as chain union all select w.id from analytics.workspaces w) c)
  and not exists (select from analytics_private.check_ledger())
  and not exists (
    select from analytics.quota_counters q
    where q.resource = 'posts' and q.used <> (select count(*) from analytics.posts p where p.workspace_id = q.workspace_id and p.quota_period_start = q.period_start)
       or q.resource = 'profile_unlocks' and q.used <> (select count(*) from analytics.user_profile_access a where a.workspace_id = q.workspace_id and a.payment_period = q.period_start));
