//! The domain of analytics_ext as plain Rust: arguments in, answer out. No PostgreSQL, no I/O, no clock but
//! [`identifiers`]. The extension in `src/` offers these functions to SQL under the same names.
#![forbid(unsafe_code)]

/// Access windows: when an unlocked profile is open.
pub mod access;
/// Values of a series that stand out.
pub mod anomalies;
/// Who an audience is made of: distributions merged into one.
pub mod audience;
/// Ids of changes that are stored as sets.
pub mod audiences;
/// Audit records: canonical form, digests, Merkle roots, chained segments, signed checkpoints.
pub mod audit;
/// Billing events of Stripe.
pub mod billing;
/// Pictures of numbers: SVG charts, pages, sparklines, CSV.
pub mod charts;
/// SHA-256 as text.
pub mod digest;
/// Engagement rates.
pub mod engagement;
/// Engagement rates of many posts in one mergeable summary.
pub mod engagement_stats;
/// Taking people who were removed on request out of a document.
pub mod erasure;
/// Compressed sets of followers.
pub mod follower_set;
/// Lists of followers as they come from anywhere.
pub mod followers;
/// Time-ordered identifiers.
pub mod identifiers;
/// A creator's weight in one number.
pub mod influence;
/// Instagram payloads, parsed and normalised.
pub mod instagram;
/// When a failed job runs again, and when it is given up.
pub mod jobs;
/// Lists from outside, read within bounds.
pub mod list;
/// Captures of metrics and posts as they come.
pub mod metrics;
/// Quota periods: months counted from an anchor.
pub mod quota;
/// Who asks, and from where: token claims and request headers.
pub mod request;
/// Sentiment of a text (VADER).
pub mod sentiment;
/// Mentions and hashtags in captions and comments.
pub mod text;
/// Instagram usernames as people type and paste them.
pub mod username;
