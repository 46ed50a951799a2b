//! Which files of an export count. They are known by their names, wherever they lie.

use super::Relation;

/// What a file of an export is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    List(Relation, u32),
    Unfollowed,
    Insights,
    Html,
    Archive,
    Other,
}

/// The folder of insights; other files have no names of their own in it.
const INSIGHTS: &str = "past_instagram_insights";

pub fn kind(path: &str) -> Kind {
    let mut words = path.rsplit('/');
    let (name, folder) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // What macOS adds to archives.
    if name.starts_with("._") || path.split('/').any(|word| word == "__MACOSX") {
        return Kind::Other;
    }
    let Some((stem, extension)) = name.rsplit_once('.') else { return Kind::Other };
    let numbered = |word: &str| match stem.strip_prefix(word)? {
        "" => Some(1),
        rest => rest.strip_prefix('_').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?.parse().ok(),
    };
    let list = [Relation::Followers, Relation::Following]
        .into_iter()
        .find_map(|relation| Some((relation, numbered(relation.as_str())?)));
    match (extension, list) {
        ("json", Some((relation, number))) => Kind::List(relation, number),
        ("html", Some(_)) => Kind::Html,
        ("json", None) if matches!(stem, "recently_unfollowed_profiles" | "recently_unfollowed_accounts") => {
            Kind::Unfollowed
        }
        ("json", None) if folder == INSIGHTS => Kind::Insights,
        ("zip", _) => Kind::Archive,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_names_wherever_they_lie() {
        for (path, expected) in [
            ("connections/followers_and_following/followers_1.json", Kind::List(Relation::Followers, 1)),
            ("followers_and_following/followers_12.json", Kind::List(Relation::Followers, 12)),
            ("followers.json", Kind::List(Relation::Followers, 1)),
            ("a/following.json", Kind::List(Relation::Following, 1)),
            ("a/recently_unfollowed_profiles.json", Kind::Unfollowed),
            ("a/recently_unfollowed_accounts.json", Kind::Unfollowed),
            ("logged_information/past_instagram_insights/posts.json", Kind::Insights),
            ("a/followers_1.html", Kind::Html),
            ("part_2.zip", Kind::Archive),
            ("a/pending_follow_requests.json", Kind::Other),
            ("a/following_hashtags.json", Kind::Other),
            ("a/followers_1_old.json", Kind::Other),
            ("a/followers_99999999999.json", Kind::Other),
            ("a/followers_.json", Kind::Other),
            ("a/._followers_1.json", Kind::Other),
            ("__MACOSX/a/followers_1.json", Kind::Other),
            ("media/posts/1.jpg", Kind::Other),
        ] {
            assert_eq!(kind(path), expected, "{path}");
        }
    }
}
