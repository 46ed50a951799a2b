//! Changes of a follower list that are stored as sets still have identities.

use sha2::{Digest, Sha256};

/// A stable id of one change: RFC 9562's version 8, from the SHA-256 of who changed, in which list of which account, and how.
///
/// `captured_at` in microseconds; never change what goes in, or every change gets another id.
pub fn change_id(account: [u8; 16], captured_at: i64, kind: u8, number: i64) -> [u8; 16] {
    let mut key = [0; 33];
    key[..16].copy_from_slice(&account);
    key[16..24].copy_from_slice(&captured_at.to_be_bytes());
    key[24] = kind;
    key[25..].copy_from_slice(&number.to_be_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&Sha256::digest(key)[..16]);
    id[6] = id[6] & 0x0f | 0x80;
    id[8] = id[8] & 0x3f | 0x80;
    id
}

#[cfg(test)]
mod tests {
    use super::change_id;

    #[test]
    fn stays_the_same_for_ever() {
        // SHA-256 of 33 zero bytes: 7f9c9e31ac8256ca 2f258583df262dbc …
        assert_eq!(change_id([0; 16], 0, 0, 0), 0x7f9c9e31_ac82_86ca_af25_8583df262dbc_u128.to_be_bytes());
    }

    #[test]
    fn differs_in_every_part() {
        let one = change_id([1; 16], 1, 1, 1);
        for other in [
            change_id([2; 16], 1, 1, 1),
            change_id([1; 16], 2, 1, 1),
            change_id([1; 16], 1, 2, 1),
            change_id([1; 16], 1, 1, 2),
        ] {
            assert_ne!(one, other);
        }
    }
}
