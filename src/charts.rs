//! Pictures: documents in, SVG, HTML, CSV and sparklines out. What the documents hold is in the domain crate; `sql/85_pages.sql`
//! makes them.

use analytics_domain::charts::{self as domain, Chart, Page};
use pgrx::datum::Array;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde::de::DeserializeOwned;

use crate::pg::json::JsonText;

/// Only our own SQL writes these documents; one that cannot be read is its mistake.
fn read<T: DeserializeOwned>(document: &JsonText) -> Option<T> {
    serde_json::from_str(document.0)
        .map_err(|problem| {
            let message = format!("this is no document of a picture: {problem}");
            ErrorReport::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message, "read")
                .report(PgLogLevel::ERROR);
        })
        .ok()
}

/// A chart as an SVG document, for a width in pixels.
#[pg_extern(immutable, strict, parallel_safe, schema = "analytics_private")]
fn draw_chart(document: JsonText, width: i32) -> Option<String> {
    read::<Chart>(&document).map(|chart| chart.svg(f64::from(width)))
}

/// A page as an HTML document.
#[pg_extern(immutable, strict, parallel_safe, schema = "analytics_private")]
fn draw_page(document: JsonText) -> Option<String> {
    read::<Page>(&document).map(|page| page.html())
}

/// A record of a CSV file, without the end of the line.
#[pg_extern(immutable, strict, parallel_safe, schema = "analytics_private")]
fn csv_record(fields: Array<&str>) -> String {
    domain::csv_record(fields.iter())
}

#[pg_extern(immutable, strict, parallel_safe)]
fn sparkline(numbers: Array<f64>) -> String {
    domain::sparkline(numbers.iter().collect::<Vec<_>>().into_iter())
}

extension_sql!(
    r"
comment on function sparkline(double precision[]) is
$$a line of values as a line of text, a block for each
numbers: lowest to highest of the finite ones are ▁▂▃▄▅▆▇█; NULL and NaN are ·, equal values are in the middle, an infinity is at the end of the scale. Returns as many characters as there are numbers.
Example: select analytics.sparkline(array[1, 5, 22, 13, null, 53]) = '▁▁▄▂·█'$$;
",
    name = "sparkline_comment",
    requires = [sparkline]
);
