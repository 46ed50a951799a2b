-- What makes a type of the functions in follower_set.rs.

create type analytics.follower_set (
  input = analytics.follower_set_in,
  output = analytics.follower_set_out,
  receive = analytics.follower_set_recv,
  send = analytics.follower_set_send,
  internallength = variable,
  alignment = int4,
  -- Its bytes are compressed already; stored plainly, a part can be read without the rest.
  storage = external
);
comment on type analytics.follower_set is
$$an immutable, compressed, ascending set of ids from 0 to 9223372036854775807, written {1,2,3}
Tables store it as bytea: the casts both ways cost nothing, and every function checks what it reads (XX001 when the bytes are damaged or no set).$$;

create cast (bytea as analytics.follower_set) without function;
create cast (analytics.follower_set as bytea) without function as assignment;
create cast (bigint[] as analytics.follower_set) with function analytics.follower_set_from_array(bigint[]);
create cast (analytics.follower_set as bigint[]) with function analytics.follower_set_to_array(analytics.follower_set);

create operator analytics.| (function = analytics.set_union, leftarg = analytics.follower_set, rightarg = analytics.follower_set, commutator = operator(analytics.|));
create operator analytics.& (function = analytics.set_intersect, leftarg = analytics.follower_set, rightarg = analytics.follower_set, commutator = operator(analytics.&));
create operator analytics.- (function = analytics.set_difference, leftarg = analytics.follower_set, rightarg = analytics.follower_set);
create operator analytics.# (function = analytics.set_symmetric_difference, leftarg = analytics.follower_set, rightarg = analytics.follower_set, commutator = operator(analytics.#));
create operator analytics.@> (function = analytics.set_contains, leftarg = analytics.follower_set, rightarg = analytics.follower_set,
  commutator = operator(analytics.<@), restrict = contsel, join = contjoinsel);
create operator analytics.<@ (function = analytics.set_contained, leftarg = analytics.follower_set, rightarg = analytics.follower_set,
  commutator = operator(analytics.@>), restrict = contsel, join = contjoinsel);
create operator analytics.&& (function = analytics.set_overlaps, leftarg = analytics.follower_set, rightarg = analytics.follower_set,
  commutator = operator(analytics.&&), restrict = contsel, join = contjoinsel);
create operator analytics.= (function = analytics.set_eq, leftarg = analytics.follower_set, rightarg = analytics.follower_set,
  commutator = operator(analytics.=), negator = operator(analytics.<>), restrict = eqsel, join = eqjoinsel, hashes);
create operator analytics.<> (function = analytics.set_ne, leftarg = analytics.follower_set, rightarg = analytics.follower_set,
  commutator = operator(analytics.<>), negator = operator(analytics.=), restrict = neqsel, join = neqjoinsel);

create operator class analytics.follower_set_hash_ops default for type analytics.follower_set using hash as
  operator 1 analytics.=,
  function 1 analytics.set_hash(analytics.follower_set),
  function 2 analytics.set_hash_extended(analytics.follower_set, bigint);

create aggregate analytics.follower_set_agg(bigint) (
  sfunc = analytics_private.collect_id, stype = internal, sspace = 8192, finalfunc = analytics_private.collect_end, combinefunc = analytics_private.collect_combine,
  serialfunc = analytics_private.collect_serialize, deserialfunc = analytics_private.collect_deserialize, parallel = safe);
create aggregate analytics.union_agg(analytics.follower_set) (
  sfunc = analytics_private.collect_set, stype = internal, sspace = 65536, finalfunc = analytics_private.collect_end, combinefunc = analytics_private.collect_combine,
  serialfunc = analytics_private.collect_serialize, deserialfunc = analytics_private.collect_deserialize, parallel = safe);
create aggregate analytics.intersect_agg(analytics.follower_set) (
  sfunc = analytics_private.common_set, stype = internal, sspace = 65536, finalfunc = analytics_private.common_end, combinefunc = analytics_private.common_combine,
  serialfunc = analytics_private.common_serialize, deserialfunc = analytics_private.common_deserialize, parallel = safe);

comment on aggregate analytics.follower_set_agg(bigint) is
$$the set of the ids, in any order, doubles included; null ids are left out
Ascending ids are compressed as they come; others are sorted in portions of 16 MB. NULL without any id. Errors: 22003 for a negative id.
Example: select analytics.follower_set_agg(id)::text = '{1,2,3}' from (values (3), (1), (2), (1)) as followers (id)$$;
comment on aggregate analytics.union_agg(analytics.follower_set) is
$$all ids that are in any of the sets; NULL without any set
Example: select analytics.union_agg(followers)::text = '{1,2,3,4,5}' from (values ('{1,2,3}'::analytics.follower_set), ('{1,4}'), ('{1,3,5}')) as accounts (followers)$$;
comment on aggregate analytics.intersect_agg(analytics.follower_set) is
$$the ids that are in all of the sets; NULL without any set
Example: select analytics.intersect_agg(followers)::text = '{1,3}' from (values ('{1,2,3}'::analytics.follower_set), ('{1,3,5}')) as accounts (followers)$$;

comment on function analytics.set_union(analytics.follower_set, analytics.follower_set) is
$$ids that are in either set; operator |
Errors: 54000 when the result would be larger than 1 GB.
Example: select analytics.set_union('{1,2}', '{2,3}')::text = '{1,2,3}'$$;
comment on function analytics.set_intersect(analytics.follower_set, analytics.follower_set) is
$$ids that are in both sets; operator &
Example: select analytics.set_intersect('{1,2}', '{2,3}')::text = '{2}'$$;
comment on function analytics.set_difference(analytics.follower_set, analytics.follower_set) is
$$ids of the first set that are not in the second; operator -
Example: select analytics.set_difference('{1,2}', '{2,3}')::text = '{1}'$$;
comment on function analytics.set_symmetric_difference(analytics.follower_set, analytics.follower_set) is
$$ids that are in exactly one of the sets; operator #
Example: select analytics.set_symmetric_difference('{1,2}', '{2,3}')::text = '{1,3}'$$;
comment on function analytics.set_contains(analytics.follower_set, analytics.follower_set) is
$$whether the first set has every id of the second; operator @>
Example: select analytics.set_contains('{1,2,3}', '{2,3}')$$;
comment on function analytics.set_contained(analytics.follower_set, analytics.follower_set) is
$$whether the second set has every id of the first; operator <@
Example: select analytics.set_contained('{2,3}', '{1,2,3}')$$;
comment on function analytics.set_overlaps(analytics.follower_set, analytics.follower_set) is
$$whether some id is in both sets; operator &&
Example: select analytics.set_overlaps('{1,2}', '{2,3}')$$;
comment on function analytics.set_eq(analytics.follower_set, analytics.follower_set) is
$$whether both sets have the same ids; operator =
Example: select analytics.set_eq('{1,2}', '{2,1,1}')$$;
comment on function analytics.set_ne(analytics.follower_set, analytics.follower_set) is
$$whether the sets differ; operator <>
Example: select analytics.set_ne('{1,2}', '{1,2,3}')$$;
comment on function analytics.union_count(analytics.follower_set, analytics.follower_set) is
$$number of ids in either set, counted without building the set
Example: select analytics.union_count('{1,2}', '{2,3}') = 3$$;
comment on function analytics.intersect_count(analytics.follower_set, analytics.follower_set) is
$$number of ids in both sets, counted without building the set
Example: select analytics.intersect_count('{1,2}', '{2,3}') = 1$$;
comment on function analytics.difference_count(analytics.follower_set, analytics.follower_set) is
$$number of ids of the first set that are not in the second, counted without building the set
Example: select analytics.difference_count('{1,2,4}', '{2,3}') = 2$$;
comment on function analytics.symmetric_difference_count(analytics.follower_set, analytics.follower_set) is
$$number of ids in exactly one of the sets, counted without building the set
Example: select analytics.symmetric_difference_count('{1,2}', '{2,3}') = 2$$;
comment on function analytics.cardinality(analytics.follower_set) is
$$number of ids; reads only the head of a stored set
Example: select analytics.cardinality('{7,8,9}'::analytics.follower_set) = 3$$;
comment on function analytics.set_min(analytics.follower_set) is
$$the smallest id, NULL of an empty set; reads only the head of a stored set
Example: select analytics.set_min('{7,8,9}') = 7$$;
comment on function analytics.set_max(analytics.follower_set) is
$$the largest id, NULL of an empty set; reads the head and the last chunk (8193 ids) of a stored set
Example: select analytics.set_max('{7,8,9}') = 9$$;
comment on function analytics.contains(analytics.follower_set, bigint) is
$$whether the id is in the set; reads the head and one chunk (8193 ids) of a stored set
Example: select analytics.contains('{7,8,9}', 8)$$;
comment on function analytics.members(analytics.follower_set, bigint, bigint) is
$$the ids, ascending: at most max_count of those above "after"; both are optional
Fetches a stored set chunk by chunk, so that a page of a large set costs what a page costs.
Example: select array(select analytics.members('{7,8,9,12}', 7, 2)) = '{8,9}'$$;
alter function analytics.members(analytics.follower_set, bigint, bigint) rows 10000;
comment on function analytics.follower_diff(analytics.follower_set, analytics.follower_set) is
$$who came (change_type new_follower) and who went (unfollower) between two lists, a row each
Example: select array_agg(change_type || ' ' || follower_id) = '{new_follower 4,unfollower 1}' from analytics.follower_diff('{1,2,3}', '{2,3,4}')$$;
comment on function analytics.follower_diff_sets(analytics.follower_set, analytics.follower_set) is
$$who came (gained) and who went (lost) between two lists, as two sets: one row
Example: select gained::text = '{4}' and lost::text = '{1}' from analytics.follower_diff_sets('{1,2,3}', '{2,3,4}')$$;
alter function analytics.follower_diff_sets(analytics.follower_set, analytics.follower_set) rows 1;
comment on function analytics.set_hash(analytics.follower_set) is
$$a 32-bit hash of the ids, for hash joins and grouping
Example: select analytics.set_hash('{1,2}') = analytics.set_hash('{2,1}')$$;
comment on function analytics.set_hash_extended(analytics.follower_set, bigint) is
$$a 64-bit hash of the ids with a seed, for hash partitions
Example: select analytics.set_hash_extended('{1,2}', 7) = analytics.set_hash_extended('{2,1}', 7)$$;
comment on function analytics.follower_set_in(cstring) is
$$the set written as {1,2,3}, in any order
Errors: 22P02 for anything else, 22003 for a negative id.
Example: select analytics.follower_set_in('{3,1}')::text = '{1,3}'$$;
comment on function analytics.follower_set_out(analytics.follower_set) is
$$the set as text, ascending
Example: select analytics.follower_set_out('{3,1}')::text = '{1,3}'$$;
comment on function analytics.follower_set_recv(internal) is
$$the set of a binary message, checked to the last byte
Errors: 22P03 for bytes that are no set. Called by the server only.
Example: select pg_typeof('{1}'::analytics.follower_set) = 'analytics.follower_set'::regtype$$;
comment on function analytics.follower_set_send(analytics.follower_set) is
$$the set as bytes, as it is stored
Example: select octet_length(analytics.follower_set_send('{}')) = 16$$;
comment on function analytics.follower_set_from_array(bigint[]) is
$$the set of the ids of an array, in any order, doubles included; also a cast
Errors: 22003 for a negative id, 22004 for a null.
Example: select analytics.follower_set_from_array('{3,1,3}')::text = '{1,3}'$$;
comment on function analytics.follower_set_to_array(analytics.follower_set) is
$$the ids as an array, ascending; also a cast
Errors: 54000 when the array would be larger than 1 GB.
Example: select analytics.follower_set_to_array('{3,1}') = '{1,3}'$$;
comment on function analytics_private.replay_deltas(analytics.follower_set, bytea[], bytea[]) is
  'the set after a row of changes, oldest first: of each, "removed" goes out and then "added" comes in; a null element is an empty set';
comment on function analytics_private.remap(analytics.follower_set, bigint[], bigint[]) is 'the set with each id of from_numbers, which ascend, replaced by the one at the same place of to_numbers';
comment on function analytics_private.greedy_cover(bytea[], integer) is
  'picks sets one after the other, each the one that adds most ids to those before: at least 63 % of what the best choice of as many covers. picked counts from 1';
