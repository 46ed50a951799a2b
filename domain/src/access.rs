//! Access windows: unlocking a profile opens it for a while.
//!
//! Times are microseconds since any one epoch, as in a `timestamptz`. A window is half open, `[from, to)`: it is open at
//! `from`, and closed at `to`.

/// The time in which a profile is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First microsecond at which the profile is open.
    pub from: i64,
    /// First microsecond at which it is closed again.
    pub to: i64,
}

impl Window {
    /// Whether the window is open at that time.
    pub fn is_open(self, at: i64) -> bool {
        is_open(self.from, self.to, at)
    }
}

/// Whether `[from, to)` holds `at`. An inverted or empty window is never open.
pub fn is_open(from: i64, to: i64, at: i64) -> bool {
    from <= at && at < to
}

/// What unlocking comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unlock {
    /// The window that holds from now on.
    pub window: Window,
    /// Whether this unlock opened it, and so must be paid for; false while an earlier one is still open.
    pub opened: bool,
}

/// Unlocks at `now` for `length` microseconds. While the existing window is open nothing changes, not even its end.
///
/// A window that would end after the last representable time ends there. A length below one microsecond is taken as
/// one: nobody pays for a window that was never open.
pub fn unlock(existing: Option<Window>, now: i64, length: i64) -> Unlock {
    match existing.filter(|window| window.is_open(now)) {
        Some(window) => Unlock { window, opened: false },
        None => Unlock { window: Window { from: now, to: now.saturating_add(length.max(1)) }, opened: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MONTH: i64 = 30 * 24 * 3_600 * 1_000_000;
    const NOW: i64 = 800_000_000_000_000;

    #[test]
    fn window_is_open_from_its_first_to_its_last_microsecond() {
        let window = Window { from: NOW, to: NOW + MONTH };
        assert!(!window.is_open(NOW - 1));
        assert!(window.is_open(NOW));
        assert!(window.is_open(NOW + MONTH - 1));
        assert!(!window.is_open(NOW + MONTH));
        assert!(!window.is_open(NOW + MONTH + 1));
    }

    #[test]
    fn empty_or_inverted_window_is_never_open() {
        for at in [NOW - 1, NOW, NOW + 1] {
            assert!(!is_open(NOW, NOW, at));
            assert!(!is_open(NOW + 1, NOW - 1, at));
        }
    }

    #[test]
    fn first_unlock_opens_a_window_of_the_given_length() {
        let unlock = unlock(None, NOW, MONTH);
        let window = Window { from: NOW, to: NOW + MONTH };
        assert_eq!(unlock, Unlock { window, opened: true });
    }

    #[test]
    fn unlocking_again_changes_nothing_up_to_the_last_open_microsecond() {
        let window = Window { from: NOW, to: NOW + MONTH };
        for at in [NOW, NOW + 1, NOW + MONTH - 1] {
            let again = unlock(Some(window), at, 2 * MONTH);
            assert_eq!(again, Unlock { window, opened: false });
        }
        let after = unlock(Some(window), NOW + MONTH, MONTH);
        assert_eq!(after.window, Window { from: NOW + MONTH, to: NOW + 2 * MONTH });
        assert!(after.opened);
    }

    #[test]
    fn window_never_ends_after_the_end_of_time() {
        let unlock = unlock(None, i64::MAX - 1, MONTH);
        assert_eq!(unlock.window.to, i64::MAX);
        assert!(unlock.window.is_open(i64::MAX - 1));
    }

    #[test]
    fn length_of_zero_or_less_still_opens_for_one_microsecond() {
        for length in [0, -1, i64::MIN] {
            let window = unlock(None, NOW, length).window;
            assert!(window.is_open(NOW) && !window.is_open(NOW + 1));
        }
    }

    proptest! {
        #[test]
        fn after_an_unlock_the_window_is_open(
            existing in any::<Option<(i64, i64)>>(), now in i64::MIN..i64::MAX, length: i64,
        ) {
            let existing = existing.map(|(from, to)| Window { from, to });
            let unlock = unlock(existing, now, length);
            prop_assert!(unlock.window.is_open(now));
            prop_assert_eq!(unlock.opened, !existing.is_some_and(|w| w.is_open(now)));
        }

        #[test]
        fn second_unlock_at_the_same_time_opens_nothing(
            existing in any::<Option<(i64, i64)>>(), now in i64::MIN..i64::MAX, length: i64,
        ) {
            let first = unlock(existing.map(|(from, to)| Window { from, to }), now, length);
            let second = unlock(Some(first.window), now, length);
            prop_assert_eq!(second, Unlock { window: first.window, opened: false });
        }

        #[test]
        fn window_around_any_time_is_exact_to_the_microsecond(
            from in -1_000_000_i64..1_000_000, length in 1..1_000_000_i64, at in -2_000_000_i64..3_000_000,
        ) {
            prop_assert_eq!(is_open(from, from + length, at), (from..from + length).contains(&at));
        }
    }
}
