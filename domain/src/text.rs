//! Mentions and hashtags as Instagram reads them in captions and comments.
//!
//! Results are in order of first appearance, each once, lower case, without the sign, and never more than
//! [`MAX_RESULTS`].

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup, UnicodeEmoji, UnicodeGeneralCategory};
use unicode_segmentation::UnicodeSegmentation;

/// Most mentions or hashtags taken from one text. Instagram itself allows 30 hashtags and 20 mentions per caption.
pub const MAX_RESULTS: usize = 1_000;
/// Characters of the longest username.
pub const MAX_HANDLE: usize = 30;
/// A longer run of letters behind a # is not taken for a hashtag.
pub const MAX_HASHTAG: usize = 255;
/// Characters of the longest mention context.
pub const MAX_CONTEXT: usize = 120;

/// Bytes of a text that are read, two hundred times what a caption may have: bounds the time of one call.
pub const MAX_TEXT: usize = 1 << 20;

/// How far back from a sign its word is searched for a dot. Keeps the search linear.
const LOOK_BACK: usize = 100;

/// Usernames mentioned in the text.
///
/// A mention is `@` and a username: 1 to 30 letters of the English alphabet, digits, underscores and dots, no dot at
/// either end, no two in a row; dots that follow belong to the sentence. No mention: `@` after a letter, digit or
/// underscore (an e-mail address); a name directly followed by `@` (a fediverse address) or by an accented letter (a
/// word that cannot be a username); a name in the path of an address on the web (`tiktok.com/@name`).
pub fn extract_mentions(text: &str) -> Vec<String> {
    distinct(mentions(beginning(text)).map(|(_, name)| name.to_ascii_lowercase()))
}

/// Hashtags of the text, normalised to NFC.
///
/// A hashtag is `#` or `＃` and any letters, marks, digits, underscores and emoji, of which one at least is no digit.
/// None begins after a letter, digit or underscore that is not itself part of one (`#a#b` is two, `a#b` is none), after
/// `&` (`&#39;` is an apostrophe in HTML), or in the path of an address on the web. Pictographs count as emoji; © ® ™ ‼
/// ⁉ and arrows do not, being signs in running text.
pub fn extract_hashtags(text: &str) -> Vec<String> {
    distinct(hashtags(beginning(text)).filter(|tag| tag.chars().take(MAX_HASHTAG + 1).count() <= MAX_HASHTAG).map(
        |tag| {
            let lower = tag.nfc().collect::<String>().to_lowercase();
            lower.nfc().collect::<String>()
        },
    ))
}

/// The words around the first mention of `handle`, at most [`MAX_CONTEXT`] characters with the mention in the middle
/// where the text allows it. Never cuts an emoji or an accented letter in two. `None` when there is no such mention.
pub fn mention_context(caption: &str, handle: &str) -> Option<String> {
    let handle = handle.strip_prefix('@').unwrap_or(handle);
    let caption = beginning(caption);
    let (start, name) = mentions(caption).find(|(_, name)| name.eq_ignore_ascii_case(handle))?;
    let end = start + 1 + name.len();
    let (before, after) = (&caption[..start], &caption[end..]);

    let spare = MAX_CONTEXT - (1 + name.len());
    let (_, follow) = fit(after.graphemes(true), spare - spare / 2);
    let (left, lead) = fit(before.graphemes(true).rev(), spare - follow);
    let (right, _) = fit(after.graphemes(true), spare - lead);
    Some(caption[start - left..end + right].trim().to_owned())
}

/// The first [`MAX_TEXT`] bytes, or one character less.
fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

/// Bytes and characters of the graphemes that fit into so many characters.
fn fit<'a>(graphemes: impl Iterator<Item = &'a str>, limit: usize) -> (usize, usize) {
    let (mut bytes, mut chars) = (0, 0);
    for grapheme in graphemes {
        // A grapheme of more characters than the limit need not be counted to its end.
        let length = grapheme.chars().take(limit + 1).count();
        if chars + length > limit {
            break;
        }
        bytes += grapheme.len();
        chars += length;
    }
    (bytes, chars)
}

fn distinct(found: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = HashSet::new();
    found.filter(|item| seen.insert(item.clone())).take(MAX_RESULTS).collect()
}

/// Position of the `@`, and the name as written.
fn mentions(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices('@').filter_map(|(at, _)| {
        let name = handle_prefix(&text[at + 1..])?;
        may_begin(&text[..at]).then_some((at, name))
    })
}

/// The username at the beginning of the text.
fn handle_prefix(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let (run, rest) = text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()));
    let name = run.split("..").next()?.trim_end_matches('.');
    let goes_on = name.len() == run.len()
        && rest.chars().next().is_some_and(|c| {
            let is_latin = matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}');
            c == '@' || (is_latin && c.is_alphabetic()) || is_mark(c)
        });
    let is_name = !name.is_empty() && !name.starts_with('.') && name.len() <= MAX_HANDLE;
    (is_name && !goes_on).then_some(name)
}

/// Hashtags as written, without the sign.
fn hashtags(text: &str) -> impl Iterator<Item = &str> {
    // End of the last run behind a sign: another sign may follow directly.
    let mut done = 0;
    text.match_indices(['#', '＃']).filter_map(move |(at, sign)| {
        let before = &text[..at];
        if (at != done && !may_begin(before)) || before.ends_with('&') {
            return None;
        }
        let run = hashtag_run(&text[at + sign.len()..]);
        if !run.is_empty() {
            done = at + sign.len() + run.len();
        }
        run.contains(|c| c == '_' || is_emoji(c) || is_in(c, GeneralCategoryGroup::Letter))
            .then(|| run.trim_end_matches(is_joiner))
    })
}

/// Everything at the beginning of the text that can be part of a hashtag.
fn hashtag_run(text: &str) -> &str {
    if !text.starts_with(|c| is_word(c) && !is_mark(c) || is_emoji(c)) {
        return "";
    }
    // The variation selector and the keycap are marks; subdivision flags are spelled with tag characters.
    let is_part = |c: char| {
        is_word(c)
            || is_in(c, GeneralCategoryGroup::Mark)
            || is_emoji(c)
            || is_joiner(c)
            || matches!(c, '\u{e0020}'..='\u{e007f}')
    };
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    &text[..end]
}

/// Whether a sign after this text can begin something: not within a word, and not in the path of a web address, which
/// is a word with a dot that ends with a slash.
fn may_begin(before: &str) -> bool {
    let mut word = before.chars().rev().take(LOOK_BACK).take_while(|c| !c.is_whitespace());
    match word.next() {
        Some('/') => !word.any(|c| c == '.'),
        Some(c) => !is_word(c),
        None => true,
    }
}

/// Letters, digits, underscores, and the marks that belong to letters.
fn is_word(c: char) -> bool {
    c == '_' || is_in(c, GeneralCategoryGroup::Letter) || is_in(c, GeneralCategoryGroup::Number) || is_mark(c)
}

/// Marks of letters: not the variation selectors and enclosing marks that end an emoji.
fn is_mark(c: char) -> bool {
    is_in(c, GeneralCategoryGroup::Mark) && !matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{20dd}'..='\u{20e4}')
}

fn is_in(c: char, group: GeneralCategoryGroup) -> bool {
    c.general_category_group() == group
}

/// Pictographs, which begin at U+231A. Not Ⓜ, which has a lower case that is no emoji.
fn is_emoji(c: char) -> bool {
    c >= '\u{231a}' && c != '\u{24c2}' && c.is_emoji_char()
}

/// Joins emoji, and separates or joins letters in Persian and Indic scripts.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_is_read_up_to_a_bound_and_cut_between_characters() {
        let filler = "é".repeat(MAX_TEXT / 2 - 4);
        assert_eq!(extract_mentions(&format!("{filler} @near")), ["near"]);
        assert_eq!(extract_hashtags(&format!("{filler} #near")), ["near"]);
        let beyond = format!("x{filler}{filler} @far #far");
        assert!(extract_mentions(&beyond).is_empty() && extract_hashtags(&beyond).is_empty());
    }

    #[test]
    fn mentions_are_lower_case_in_order_and_each_once() {
        let text = "With @Bob.Smith and @alice_1, again @BOB.smith!\n(@carol) ¡@dan";
        assert_eq!(extract_mentions(text), ["bob.smith", "alice_1", "carol", "dan"]);
    }

    #[test]
    fn email_addresses_are_not_mentions() {
        for text in [
            "write to jane@example.com",
            "j_@example.com",
            "9@example.com",
            "josé@example.com",
            "jose\u{301}@example.com",
        ] {
            assert_eq!(extract_mentions(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn dots_of_the_sentence_do_not_belong_to_the_name() {
        assert_eq!(extract_mentions("thanks @nba. And @a.b... and @c..d"), ["nba", "a.b", "c"]);
        assert_eq!(extract_mentions("@.name @. @ @@ @..x"), [""; 0]);
    }

    #[test]
    fn names_of_thirty_characters_are_the_longest() {
        let longest = "a".repeat(MAX_HANDLE);
        assert_eq!(extract_mentions(&format!("@{longest}")), [longest.as_str()]);
        assert_eq!(extract_mentions(&format!("@{longest}.")), [longest.as_str()]);
        assert_eq!(extract_mentions(&format!("@{longest}b")), [""; 0]);
    }

    #[test]
    fn mention_ends_where_another_script_begins() {
        assert_eq!(extract_mentions("@tokyoさんと@osaka😍❤️@kyoto"), ["tokyo", "kyoto"]);
        assert_eq!(extract_mentions("by @josé, @jose\u{301}, @žena"), [""; 0], "no username has accents");
    }

    #[test]
    fn addresses_on_other_sites_are_not_mentions() {
        assert_eq!(extract_mentions("https://www.tiktok.com/@someone youtube.com/@other"), [""; 0]);
        assert_eq!(extract_mentions("@someone@mastodon.social photo w/@friend"), ["friend"]);
    }

    #[test]
    fn hashtags_of_every_script_are_found() {
        assert_eq!(
            extract_hashtags("#Réel #日本語 #عيد_سعيد #हिन्दी #москва #Ελλάς #naïve #100days #_x #แมว"),
            ["réel", "日本語", "عيد_سعيد", "हिन्दी", "москва", "ελλάς", "naïve", "100days", "_x", "แมว"]
        );
    }

    #[test]
    fn hashtags_may_follow_each_other_directly_or_an_emoji() {
        assert_eq!(extract_hashtags("#a#b＃c#2024#d 😍#e ❤️#f 1️⃣#g"), ["a", "b", "c", "d", "e", "f", "g"]);
        assert_eq!(extract_hashtags("(#x) \"#y\", #z."), ["x", "y", "z"]);
    }

    #[test]
    fn numbers_words_and_html_are_not_hashtags() {
        for text in [
            "#1 #2024 #١٢ #",
            "c# a#b _#b é#b e\u{301}#b",
            "it&#39;s &#x27;",
            "https://example.com/a#top https://example.com/#top",
            "#️⃣ #\u{301}a # a #-a #@a",
        ] {
            assert_eq!(extract_hashtags(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn emoji_belong_to_a_hashtag_and_signs_do_not() {
        assert_eq!(extract_hashtags("#love❤️ #👨‍👩‍👧 #👍🏽 #🇩🇪 #🏴󠁧󠁢󠁥󠁮󠁧󠁿"), ["love❤️", "👨‍👩‍👧", "👍🏽", "🇩🇪", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]);
        assert_eq!(
            extract_hashtags("#brand™ #mark® #wow‼ #a→b #it’s #rock'n'roll"),
            ["brand", "mark", "wow", "a", "it", "rock"]
        );
    }

    #[test]
    fn spellings_of_the_same_hashtag_are_one() {
        assert_eq!(extract_hashtags("#Cafe\u{301} #CAFÉ #café"), ["caf\u{e9}"], "NFC, lower case");
        assert_eq!(extract_hashtags("#J\u{30c}"), ["\u{1f0}"], "only the small letter has a code point of its own");
        assert_eq!(extract_hashtags("#می\u{200c}خواهم\u{200c}"), ["می\u{200c}خواهم"]);
    }

    #[test]
    fn results_are_bounded() {
        let many: String = (0..3 * MAX_RESULTS).map(|i| format!("@u{i} #t{i} ")).collect();
        assert_eq!(extract_mentions(&many).len(), MAX_RESULTS);
        assert_eq!(extract_hashtags(&many).len(), MAX_RESULTS);
        let long = "x".repeat(MAX_HASHTAG);
        assert_eq!(extract_hashtags(&format!("#{long}")), [long.as_str()]);
        assert_eq!(extract_hashtags(&format!("#{long}x #y")), ["y"]);
    }

    #[test]
    fn context_is_the_caption_itself_when_it_is_short() {
        assert_eq!(
            mention_context("  Shot by @Jane.Doe in Oslo \n", "jane.doe").as_deref(),
            Some("Shot by @Jane.Doe in Oslo")
        );
        assert_eq!(mention_context("by @jane", "@Jane").as_deref(), Some("by @jane"));
    }

    #[test]
    fn context_surrounds_the_mention_and_uses_the_whole_length() {
        let word = "abcdefghi ";
        let (before, after) = (word.repeat(30), word.repeat(30));
        let context = |caption: &str| mention_context(caption, "jane").unwrap_or_default();

        let middle = context(&format!("{before}@jane {after}"));
        let (left, right) = middle.split_once("@jane").unwrap_or_default();
        assert_eq!(middle.chars().count(), MAX_CONTEXT);
        assert!(left.len().abs_diff(right.len()) <= 2, "{left}|{right}");

        let first = context(&format!("@jane{after}").replace("@jane", "@jane "));
        assert!(first.starts_with("@jane") && first.chars().count() >= MAX_CONTEXT - 1);
        let last = context(&format!("{before}@jane"));
        assert!(last.ends_with("@jane") && last.chars().count() == MAX_CONTEXT);
    }

    #[test]
    fn context_never_cuts_an_emoji() {
        let family = "👨‍👩‍👧";
        let caption = format!("{}@jane{}", family.repeat(40), family.repeat(40));
        let context = mention_context(&caption, "jane").unwrap_or_default();
        let (left, right) = context.split_once("@jane").unwrap_or_default();
        assert_eq!(left.replace(family, ""), "");
        assert_eq!(right.replace(family, ""), "");
        assert!(left.contains(family) && right.contains(family));
        assert!(context.chars().count() <= MAX_CONTEXT);
    }

    #[test]
    fn context_of_somebody_else_is_none() {
        assert_eq!(mention_context("with @jane_doe and jane@jane.com", "jane"), None);
        assert_eq!(mention_context("", ""), None);
    }

    #[test]
    fn every_character_in_a_hashtag_survives_being_extracted_again() {
        let assigned = |c: &char| !is_in(*c, GeneralCategoryGroup::Other) || is_joiner(*c);
        for c in ('\0'..=char::MAX).filter(assigned) {
            let tags = extract_hashtags(&format!("#{c} #x{c}x"));
            let again: String = tags.iter().map(|tag| format!("#{tag} ")).collect();
            assert_eq!(extract_hashtags(&again), tags, "U+{:04X}", c as u32);
        }
    }

    /// Text dense in what the rules are about.
    fn dense_text() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            4 => prop::sample::select(vec![
                "@", "#", "＃", ".", "..", "/", "&", " ", "\n", "_", "a", "B", "7", "é", "e\u{301}", "ß", "İ", "ﬁ",
                "日", "ा", "😍", "❤️", "\u{200d}", "\u{200c}", "\u{fe0f}", "\u{20e3}", "👨‍👩‍👧", "🇩🇪", "Σ", "x.com/",
            ]).prop_map(str::to_owned),
            1 => any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn mentions_are_usernames_and_are_found_again(text in dense_text()) {
            let names = extract_mentions(&text);
            for name in &names {
                prop_assert!(!name.is_empty() && name.len() <= MAX_HANDLE);
                prop_assert!(!name.starts_with('.') && !name.ends_with('.') && !name.contains(".."));
                prop_assert_eq!(extract_mentions(&format!("@{name}")), [name.clone()]);
            }
            let again: String = names.iter().map(|name| format!("@{name} ")).collect();
            prop_assert_eq!(extract_mentions(&again), names);
        }

        #[test]
        fn hashtags_are_normalised_and_are_found_again(text in dense_text()) {
            let tags = extract_hashtags(&text);
            let again: String = tags.iter().map(|tag| format!("#{tag} ")).collect();
            prop_assert_eq!(extract_hashtags(&again), tags);
        }

        #[test]
        fn every_mention_has_a_context_that_holds_it(text in dense_text()) {
            for name in extract_mentions(&text) {
                let context = mention_context(&text, &name).unwrap_or_default();
                prop_assert!(context.to_ascii_lowercase().contains(&format!("@{name}")), "{:?}", context);
                prop_assert!(context.chars().count() <= MAX_CONTEXT);
                prop_assert!(text.contains(&context));
            }
        }

        #[test]
        fn arbitrary_text_never_panics(text: String, handle: String) {
            extract_mentions(&text);
            extract_hashtags(&text);
            mention_context(&text, &handle);
        }
    }
}
