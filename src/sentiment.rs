//! How a text feels: VADER.

use analytics_domain::sentiment;
use pgrx::JsonB;
use pgrx::prelude::*;

#[pg_extern(name = "sentiment", immutable, parallel_safe)]
fn sentiment_of(content: &str) -> JsonB {
    let score = sentiment::score(content);
    JsonB(serde_json::json!({
        "positive": score.positive,
        "negative": score.negative,
        "neutral": score.neutral,
        "compound": score.compound,
        "label": sentiment::label(score.compound),
    }))
}

#[pg_extern(immutable, parallel_safe)]
fn sentiment_label(compound: f64) -> &'static str {
    sentiment::label(compound)
}

extension_sql!(
    r#"
comment on function sentiment(text) is
$$VADER sentiment of an English text with emoji: {positive, negative, neutral, compound, label}
positive, negative and neutral are shares from 0 to 1, compound runs from -1 to 1; label is positive from 0.05, negative to -0.05, else neutral. Longer texts are judged by their first 5000 characters.
Example: select analytics.sentiment('VADER is smart, handsome, and funny.') ->> 'label' = 'positive'$$;
comment on function sentiment_label(double precision) is
$$positive, negative or neutral for a VADER compound score
Example: select analytics.sentiment_label(0.8) = 'positive'$$;
"#,
    name = "sentiment_comments",
    requires = [sentiment_of, sentiment_label]
);
