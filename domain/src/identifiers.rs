//! Identifiers that sort by the time they were made.

use uuid::Uuid;

/// A new UUID of version 7 (RFC 9562): milliseconds since 1970, a counter, random bits. Within one process every call
/// gives a larger one than the call before, also within a millisecond and when the clock steps back.
pub fn uuidv7() -> Uuid {
    Uuid::now_v7()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::thread;

    #[test]
    fn each_identifier_is_larger_than_the_one_before() {
        let mut previous = uuidv7();
        for _ in 0..100_000 {
            let next = uuidv7();
            assert!(next > previous, "{next} after {previous}");
            previous = next;
        }
    }

    #[test]
    fn text_sorts_as_the_identifier_does() {
        let made: Vec<String> = (0..1_000).map(|_| uuidv7().to_string()).collect();
        assert!(made.is_sorted());
    }

    #[test]
    fn identifier_says_version_7_and_the_millisecond_it_was_made_in() {
        let before = chrono::Utc::now().timestamp_millis();
        let id = uuidv7();
        let after = chrono::Utc::now().timestamp_millis();
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        let made = i64::try_from(id.as_u128() >> 80).unwrap_or_default();
        // The counter may borrow from the next millisecond when many are made within one.
        assert!((before..=after + 1_000).contains(&made), "{before} {made} {after}");
    }

    #[test]
    fn threads_never_make_the_same_identifier() {
        let threads: Vec<_> =
            (0..8).map(|_| thread::spawn(|| (0..5_000).map(|_| uuidv7()).collect::<Vec<_>>())).collect();
        let made: Vec<Uuid> = threads.into_iter().flat_map(|t| t.join().unwrap_or_default()).collect();
        let distinct: HashSet<_> = made.iter().collect();
        assert_eq!((made.len(), distinct.len()), (40_000, 40_000));
    }
}
