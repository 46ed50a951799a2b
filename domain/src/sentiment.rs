//! Sentiment of an English text by VADER (Hutto & Gilbert, ICWSM 2014): the mean ratings of 7 488 words and emoticons,
//! changed by the words around them, by capitals and by punctuation.
//!
//! The tables in `data/vader` and the constants below are those of vaderSentiment 3.3.2; with its licence beside them.
//! Results equal that program's, peculiarities included, so that scores can be compared with published ones. The crates
//! vader_sentiment 0.1.1 and vader-sentimental 0.1.3 do not: of the 466 sentences in `data/vader/reference.tsv` a third
//! get another compound score and 31 another label (older tables, no rule for "no", one-letter words dropped).
//!
//! One thing comes before: what phones write today and a table from 2014 cannot know. Typographic quotes and ellipses
//! become plain ones and the emoji variation selector goes, so that "don’t" negates as "don't" does, and "❤️" is "❤".

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::LazyLock;

use serde::Serialize;

/// Characters that are read; the rest of a longer text does not count. Instagram's captions and comments end at 2 200.
pub const MAX_CHARS: usize = 5_000;

/// Mean rise of intensity by a word in capitals, by an exclamation mark (four count), by a question mark (from the
/// second on), and by more than three question marks.
const CAPITALS: f64 = 0.733;
const EXCLAMATION_MARK: f64 = 0.292;
const QUESTION_MARK: f64 = 0.18;
const MANY_QUESTION_MARKS: f64 = 0.96;
/// A negated rating is turned round and weakened.
const NEGATION: f64 = -0.74;
/// "never so good", "this good"
const NEVER_SO: f64 = 1.25;
/// Weight of a degree word one, two and three words before.
const DISTANCE: [f64; 3] = [1.0, 0.95, 0.9];
/// Squared scale of the sum of ratings when it is brought into -1 to 1.
const NORMALIZATION: f64 = 15.0;

/// What a text says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sentiment {
    /// Share of positive words, 0 to 1.
    pub positive: f64,
    /// Share of negative words, 0 to 1.
    pub negative: f64,
    /// Share of all other words, 0 to 1. The three are all 0 when there are no words.
    pub neutral: f64,
    /// All together, from -1 (most negative) to 1 (most positive).
    pub compound: f64,
}

/// The usual reading of a compound score: `positive` from 0.05, `negative` from -0.05 down, else `neutral`.
pub fn label(compound: f64) -> &'static str {
    if compound >= 0.05 {
        "positive"
    } else if compound <= -0.05 {
        "negative"
    } else {
        "neutral"
    }
}

/// Scores the first [`MAX_CHARS`] characters. Shares are rounded to three decimals, the compound score to four.
pub fn score(text: &str) -> Sentiment {
    let text = spelled_out(text);
    let words: Vec<Word> = split(&text).map(Word::new).collect();
    if words.is_empty() {
        return Sentiment { positive: 0.0, negative: 0.0, neutral: 0.0, compound: 0.0 };
    }
    let shouted = words.iter().filter(|word| word.capitals).count();
    let sentence = Sentence { emphatic_capitals: 0 < shouted && shouted < words.len(), words };
    let mut valences: Vec<f64> = (0..sentence.words.len()).map(|i| sentence.valence(i)).collect();
    sentence.weigh_around_but(&mut valences);
    sum_up(&valences, punctuation_emphasis(&text))
}

/// The text with plain punctuation and with emoji replaced by their descriptions.
fn spelled_out(text: &str) -> String {
    let mut plain = String::with_capacity(text.len().min(4 * MAX_CHARS));
    let mut after_space = true;
    for c in text.chars().take(MAX_CHARS) {
        if c == '\u{fe0f}' {
            continue;
        }
        if let Some(description) = TABLES.emoji.get(&c) {
            if !after_space {
                plain.push(' ');
            }
            plain.push_str(description);
            after_space = false;
            continue;
        }
        match c {
            '‘' | '’' => plain.push('\''),
            '“' | '”' => plain.push('"'),
            '…' => plain.push_str("..."),
            _ => plain.push(c),
        }
        after_space = c == ' ';
    }
    plain
}

/// Words without the punctuation around them. What has two characters or fewer without it is taken for an emoticon and
/// keeps it.
fn split(text: &str) -> impl Iterator<Item = &str> {
    // The reference also splits at the four separators from U+001C on.
    text.split(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)).filter(|token| !token.is_empty()).map(
        |token| {
            let word = token.trim_matches(|c: char| c.is_ascii_punctuation());
            if word.chars().nth(2).is_some() { word } else { token }
        },
    )
}

struct Word<'a> {
    lower: Cow<'a, str>,
    /// It has letters, and all of them are capitals.
    capitals: bool,
    /// Rating of the lexicon.
    rating: Option<f64>,
    /// How much it strengthens (or weakens) what follows.
    degree: Option<f64>,
    negates: bool,
}

impl<'a> Word<'a> {
    fn new(word: &'a str) -> Self {
        let lower = if word.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii()) {
            Cow::Owned(word.to_lowercase())
        } else {
            Cow::Borrowed(word)
        };
        Word {
            capitals: word.chars().any(char::is_uppercase) && !word.chars().any(char::is_lowercase),
            rating: TABLES.rating.get(lower.as_ref()).copied(),
            degree: TABLES.degree.get(lower.as_ref()).copied(),
            negates: TABLES.negation.contains(lower.as_ref()) || lower.contains("n't"),
            lower,
        }
    }

    fn is_one_of(&self, words: &[&str]) -> bool {
        words.contains(&self.lower.as_ref())
    }
}

struct Sentence<'a> {
    words: Vec<Word<'a>>,
    /// Some words are in capitals, but not all: then capitals mean something.
    emphatic_capitals: bool,
}

impl Sentence<'_> {
    /// Valence of word `i` in its place. Only words of the lexicon have one.
    fn valence(&self, i: usize) -> f64 {
        let word = &self.words[i];
        let kind_of = word.lower == "kind" && self.is(i + 1, &["of"]);
        let Some(rating) = word.rating.filter(|_| word.degree.is_none() && !kind_of) else {
            return 0.0;
        };
        let before = |distance| i.checked_sub(distance).map(|j| &self.words[j]);
        let is_before = |distance, words: &[&str]| before(distance).is_some_and(|w| w.is_one_of(words));

        let mut valence = rating;
        if word.lower == "no" && self.words.get(i + 1).is_some_and(|w| w.rating.is_some()) {
            // It negates the next word instead.
            valence = 0.0;
        }
        if is_before(1, &["no"]) || is_before(2, &["no"]) || (is_before(3, &["no"]) && is_before(1, &["or", "nor"])) {
            valence = rating * NEGATION;
        }
        if word.capitals && self.emphatic_capitals {
            valence += away_from_zero(CAPITALS, valence);
        }
        for distance in 1..=3 {
            let Some(earlier) = before(distance).filter(|w| w.rating.is_none()) else {
                continue;
            };
            valence += self.degree(earlier, valence) * DISTANCE[distance - 1];
            valence *= self.negation(i, distance);
            if distance == 3 {
                valence = self.phrase(i, valence);
            }
        }
        if is_before(1, &["least"]) && !is_before(2, &["at", "very"]) {
            valence *= NEGATION;
        }
        valence
    }

    fn is(&self, i: usize, words: &[&str]) -> bool {
        self.words.get(i).is_some_and(|w| w.is_one_of(words))
    }

    /// What a degree word before a word of that valence adds to it.
    fn degree(&self, word: &Word, valence: f64) -> f64 {
        let Some(degree) = word.degree else {
            return 0.0;
        };
        let mut change = if valence < 0.0 { -degree } else { degree };
        if word.capitals && self.emphatic_capitals {
            change += away_from_zero(CAPITALS, valence);
        }
        change
    }

    /// Factor by which the word at that distance before word `i`, which must exist, changes its valence.
    fn negation(&self, i: usize, distance: usize) -> f64 {
        let is = |distance: usize, words: &[&str]| self.is(i - distance, words);
        let so = ["so", "this"];
        // At distance 3 a "so" or "this" right before the word needs no "never": so the reference has it.
        let (never_so, without_doubt) = match distance {
            1 => (false, false),
            2 => (is(2, &["never"]) && is(1, &so), is(2, &["without"]) && is(1, &["doubt"])),
            _ => (
                (is(3, &["never"]) && is(2, &so)) || is(1, &so),
                is(3, &["without"]) && (is(2, &["doubt"]) || is(1, &["doubt"])),
            ),
        };
        if never_so {
            NEVER_SO
        } else if !without_doubt && self.words[i - distance].negates {
            NEGATION
        } else {
            1.0
        }
    }

    /// Valence of word `i`, which has three words before it, when it is part of a phrase that has a rating of its own,
    /// or follows one that expresses degree.
    fn phrase(&self, i: usize, valence: f64) -> f64 {
        let rated = |range: Range<usize>| {
            let phrases = TABLES.phrases.iter();
            phrases.filter(|(phrase, _)| self.says(range.clone(), phrase)).map(|&(_, rating)| rating).next()
        };
        let around = [i - 1..i + 1, i - 2..i + 1, i - 2..i, i - 3..i, i - 3..i - 1];
        let mut valence = around.into_iter().find_map(rated).unwrap_or(valence);
        for ahead in [i..i + 2, i..i + 3] {
            valence = rated(ahead).unwrap_or(valence);
        }
        for earlier in [i - 3..i, i - 3..i - 1, i - 2..i] {
            for (phrase, degree) in &TABLES.degree_phrases {
                if self.says(earlier.clone(), phrase) {
                    valence += degree;
                }
            }
        }
        valence
    }

    fn says(&self, range: Range<usize>, phrase: &str) -> bool {
        self.words.get(range).is_some_and(|words| words.iter().map(|w| w.lower.as_ref()).eq(phrase.split(' ')))
    }

    /// What comes before the first "but" counts half, what follows counts half as much again.
    fn weigh_around_but(&self, valences: &mut [f64]) {
        let Some(but) = self.words.iter().position(|w| w.lower == "but") else {
            return;
        };
        for i in 0..valences.len() {
            let valence = valences[i];
            if valence == 0.0 {
                continue;
            }
            // The reference weighs the first equal valence, which is an earlier one when a weighed one happens to
            // equal this one.
            let first = (0..i).find(|&j| valences[j] == valence).unwrap_or(i);
            if first < but {
                valences[first] = valence * 0.5;
            } else if first > but {
                valences[first] = valence * 1.5;
            }
        }
    }
}

/// The amount with the sign that leads away from 0; from 0 itself downwards, as the reference has it.
fn away_from_zero(amount: f64, valence: f64) -> f64 {
    if valence > 0.0 { amount } else { -amount }
}

fn punctuation_emphasis(text: &str) -> f64 {
    let count = |mark| text.bytes().filter(|&b| b == mark).count();
    let exclamations = count(b'!').min(4) as f64 * EXCLAMATION_MARK;
    let questions = match count(b'?') {
        0 | 1 => 0.0,
        few @ (2 | 3) => few as f64 * QUESTION_MARK,
        _ => MANY_QUESTION_MARKS,
    };
    exclamations + questions
}

fn sum_up(valences: &[f64], emphasis: f64) -> Sentiment {
    // Not `sum()`: it starts from -0.0, this from 0.0, and the order of additions is the reference's.
    let mut sum = valences.iter().fold(0.0, |sum, valence| sum + valence);
    if sum > 0.0 {
        sum += emphasis;
    } else if sum < 0.0 {
        sum -= emphasis;
    }
    let compound = (sum / (sum * sum + NORMALIZATION).sqrt()).clamp(-1.0, 1.0);

    // One is added per word, so that words weigh as much as the neutral ones, which count 1.
    let (mut positive, mut negative, mut neutral) = (0.0_f64, 0.0_f64, 0.0_f64);
    for &valence in valences {
        if valence > 0.0 {
            positive += valence + 1.0;
        } else if valence < 0.0 {
            negative += 1.0 - valence;
        } else {
            neutral += 1.0;
        }
    }
    if positive > negative {
        positive += emphasis;
    } else if positive < negative {
        negative += emphasis;
    }
    let total = positive + negative + neutral;
    Sentiment {
        positive: round(positive / total, 3),
        negative: round(negative / total, 3),
        neutral: round(neutral / total, 3),
        compound: round(compound, 4),
    }
}

/// Rounds the exact binary value, as the reference does; scaling first would round some values twice.
fn round(value: f64, decimals: usize) -> f64 {
    format!("{value:.decimals$}").parse().unwrap_or(value)
}

struct Tables {
    rating: HashMap<&'static str, f64>,
    degree: HashMap<&'static str, f64>,
    degree_phrases: Vec<(&'static str, f64)>,
    phrases: Vec<(&'static str, f64)>,
    negation: HashSet<&'static str>,
    emoji: HashMap<char, &'static str>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let modifiers = |kind| {
        include_str!("../data/vader/modifiers.tsv")
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .filter(move |(its_kind, _)| *its_kind == kind)
            .map(|(_, rest)| rest)
    };
    let (degree_phrases, degree): (Vec<_>, Vec<_>) =
        modifiers("degree").filter_map(rated).partition(|(words, _)| words.contains(' '));
    Tables {
        rating: include_str!("../data/vader/lexicon.tsv").lines().filter_map(rated).collect(),
        degree: degree.into_iter().collect(),
        degree_phrases,
        phrases: modifiers("phrase").filter_map(rated).collect(),
        negation: modifiers("negation").collect(),
        emoji: include_str!("../data/vader/emoji.tsv")
            .lines()
            .filter_map(|line| {
                let (emoji, description) = line.split_once('\t')?;
                Some((emoji.chars().next()?, description))
            })
            .collect(),
    }
});

fn rated(line: &'static str) -> Option<(&'static str, f64)> {
    let (words, rating) = line.split_once('\t')?;
    Some((words, rating.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compound(text: &str) -> f64 {
        score(text).compound
    }

    /// Positive, compound, neutral and negative as the README of vaderSentiment prints them. Two of its 16 lines are of
    /// an older release, which counted no one-letter words and put descriptions of emoji elsewhere; they have the
    /// scores of 3.3.2 here.
    const PUBLISHED: [(&str, [f64; 4]); 16] = [
        ("VADER is smart, handsome, and funny.", [0.746, 0.8316, 0.254, 0.0]),
        ("VADER is smart, handsome, and funny!", [0.752, 0.8439, 0.248, 0.0]),
        ("VADER is very smart, handsome, and funny.", [0.701, 0.8545, 0.299, 0.0]),
        ("VADER is VERY SMART, handsome, and FUNNY.", [0.754, 0.9227, 0.246, 0.0]),
        ("VADER is VERY SMART, handsome, and FUNNY!!!", [0.767, 0.9342, 0.233, 0.0]),
        ("VADER is VERY SMART, uber handsome, and FRIGGIN FUNNY!!!", [0.706, 0.9469, 0.294, 0.0]),
        ("VADER is not smart, handsome, nor funny.", [0.0, -0.7424, 0.354, 0.646]),
        ("The book was good.", [0.492, 0.4404, 0.508, 0.0]),
        ("At least it isn't a horrible book.", [0.322, 0.431, 0.678, 0.0]),
        ("The book was only kind of good.", [0.303, 0.3832, 0.697, 0.0]),
        (
            "The plot was good, but the characters are uncompelling and the dialog is not great.",
            [0.094, -0.7042, 0.579, 0.327],
        ),
        ("Today SUX!", [0.0, -0.5461, 0.221, 0.779]),
        ("Today only kinda sux! But I'll get by, lol", [0.317, 0.5249, 0.556, 0.127]),
        ("Make sure you :) or :D today!", [0.706, 0.8633, 0.294, 0.0]),
        ("Catch utf-8 emoji such as 💘 and 💋 and 😁", [0.417, 0.875, 0.583, 0.0]),
        ("Not bad at all", [0.487, 0.431, 0.513, 0.0]),
    ];

    #[test]
    fn published_sentences_have_their_published_scores() {
        for (text, [positive, compound, neutral, negative]) in PUBLISHED {
            let expected = Sentiment { positive, negative, neutral, compound };
            assert_eq!(score(text), expected, "{text}");
        }
    }

    #[test]
    fn scores_equal_the_reference_implementation() {
        // Made by vaderSentiment 3.3.2 under Python 3.11 from sentences of our own.
        let mut compared = 0;
        for line in include_str!("../data/vader/reference.tsv").lines() {
            let mut columns = line.splitn(5, '\t');
            let mut number = || columns.next().and_then(|n| n.parse().ok()).unwrap_or(f64::NAN);
            let expected = Sentiment { positive: number(), negative: number(), neutral: number(), compound: number() };
            let text = columns.next().unwrap_or_default();
            assert_eq!(score(text), expected, "{text}");
            compared += 1;
        }
        assert_eq!(compared, 466);
    }

    #[test]
    fn tables_are_complete() {
        assert_eq!(TABLES.rating.len(), 7_488);
        assert_eq!(TABLES.emoji.len(), 1_212);
        assert_eq!(
            TABLES.degree.len() + TABLES.degree_phrases.len() + TABLES.phrases.len() + TABLES.negation.len(),
            include_str!("../data/vader/modifiers.tsv").lines().count()
        );
    }

    #[test]
    fn label_follows_the_usual_thresholds() {
        assert_eq!(label(0.05), "positive");
        assert_eq!(label(0.0499), "neutral");
        assert_eq!(label(0.0), "neutral");
        assert_eq!(label(-0.0499), "neutral");
        assert_eq!(label(-0.05), "negative");
    }

    #[test]
    fn text_without_words_is_neither() {
        for text in ["", " \n\t", "\u{fe0f}"] {
            let nothing = Sentiment { positive: 0.0, negative: 0.0, neutral: 0.0, compound: 0.0 };
            assert_eq!(score(text), nothing, "{text:?}");
        }
        assert_eq!(label(compound("The table is made of wood.")), "neutral");
    }

    #[test]
    fn words_are_separated_as_the_reference_separates_them() {
        let plain = score("good bad dog");
        for separator in ['\n', '\t', '\u{a0}', '\u{1c}', '\u{1f}', '\u{3000}'] {
            assert_eq!(score(&format!("good{separator}bad dog")), plain, "{separator:?}");
        }
        assert_ne!(score("good\u{1b}bad dog"), plain);
    }

    #[test]
    fn typography_of_phones_reads_as_plain_text() {
        for (phone, plain) in [
            ("I don’t like this", "I don't like this"),
            ("“awful” they said", "\"awful\" they said"),
            ("so good…", "so good..."),
            ("I feel ❤️", "I feel ❤"),
        ] {
            assert_eq!(score(phone), score(plain), "{phone}");
            assert_ne!(compound(phone), 0.0, "{phone}");
        }
        assert_eq!(label(compound("I don’t like this")), "negative");
    }

    #[test]
    fn text_beyond_the_limit_does_not_count() {
        let neutral = "a ".repeat(MAX_CHARS / 2);
        assert_eq!(compound(&format!("{neutral}awful")), 0.0);
        assert!(compound(&format!("{}awful", &neutral[6..])) < 0.0);
    }

    proptest! {
        #[test]
        fn shares_add_up_and_scores_stay_in_range(text in "([a-zA-Z!?']{1,8} |good |BAD |not |very |but |no |😍|💔|:\\) ){0,40}") {
            let sentiment = score(&text);
            let shares = [sentiment.positive, sentiment.negative, sentiment.neutral];
            prop_assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
            prop_assert!((-1.0..=1.0).contains(&sentiment.compound));
            let sum: f64 = shares.iter().sum();
            prop_assert!(text.trim().is_empty() || (sum - 1.0).abs() < 0.002, "{}", sum);
        }

        #[test]
        fn arbitrary_text_never_panics(text: String) {
            score(&text);
        }
    }
}
