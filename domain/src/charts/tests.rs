use super::*;
use proptest::prelude::*;
use roxmltree::{Document, Node};
use serde_json::{Value, json};

const DAY: i64 = 86_400;
const START: i64 = 1_772_323_200; // 1 Mar 2026

fn chart(plot: Value) -> Chart {
    serde_json::from_value(json!({
        "title": "Followers of @natgeo", "subtitle": "one value a day", "zone": "UTC", "captured_at": START + 29 * DAY + 50_700, "plot": plot,
    }))
    .unwrap()
}

fn line(values: Value) -> Value {
    let count = values.as_array().unwrap().len() as i64;
    let times: Vec<i64> = (0..count).map(|i| START + i * DAY).collect();
    json!({"line": {"unit": "followers", "from": START, "until": START + count * DAY, "bucket": "day",
        "series": [{"name": "@natgeo", "times": times, "values": values}]}})
}

fn elements<'a>(document: &'a Document, name: &'static str) -> Vec<Node<'a, 'a>> {
    document.descendants().filter(|node| node.tag_name().name() == name).collect()
}

fn content(node: &Node) -> String {
    node.descendants().filter(Node::is_text).filter_map(|text| text.text()).collect()
}

fn texts(document: &Document) -> Vec<String> {
    elements(document, "text").iter().map(|node| content(node)).collect()
}

#[test]
fn a_line_says_what_it_shows() {
    let svg = chart(line(json!([11_840, 11_902, 12_010, 12_431]))).svg(640.0);
    let document = Document::parse(&svg).unwrap();
    let root = document.root_element();
    assert_eq!((root.attribute("role"), root.attribute("aria-labelledby")), (Some("img"), Some("c-title c-desc")));
    assert_eq!(elements(&document, "title")[0].text(), Some("Followers of @natgeo"));
    assert_eq!(
        elements(&document, "desc")[0].text(),
        Some("@natgeo: 11,840 on 1 Mar 2026, 12,431 on 4 Mar 2026; lowest 11,840, highest 12,431.")
    );
    let texts = texts(&document);
    for expected in [
        "followers",
        "11.8k",
        "2 Mar",
        "12,431",
        "the axis starts at 11.8k, not at 0",
        "captured 30 Mar 2026 14:05 UTC",
    ] {
        assert!(texts.iter().any(|text| text == expected), "{expected} in {texts:?}");
    }
    assert!(!svg.contains("hatched"));
}

#[test]
fn a_gap_is_no_line() {
    let svg = chart(line(json!([1, 2, null, null, 4, null, 5, 6, "NaN", 1e300]))).svg(640.0);
    let document = Document::parse(&svg).unwrap();
    let paths: Vec<_> =
        elements(&document, "path").into_iter().filter(|path| path.attribute("class") == Some("path")).collect();
    // Two runs; the value between the gaps stands alone.
    assert_eq!(paths[0].attribute("d").unwrap().matches('M').count(), 2);
    assert_eq!(
        elements(&document, "rect").iter().filter(|rect| rect.attribute("fill") == Some("url(#c-gap)")).count(),
        3
    );
    assert!(texts(&document).contains(&"hatched: not known (5 of 10 days)".to_owned()));
}

#[test]
fn captures_far_apart_are_not_joined() {
    let mut plot = line(json!([10, 11, null, 14]));
    plot["line"]["bucket"] = json!("capture");
    let chart = chart(plot);
    let svg = chart.svg(640.0);
    let document = Document::parse(&svg).unwrap();
    assert!(texts(&document).contains(&"hatched: not known".to_owned()));
    // What only marks the gap is no row.
    assert_eq!(chart.table().rows.len(), 3);
}

#[test]
fn nothing_known_is_said() {
    let mut empty = chart(line(json!([null, null])));
    empty.reason = Some(Text::new("Instagram shows this from 100 followers on"));
    let svg = empty.svg(320.0);
    let document = Document::parse(&svg).unwrap();
    assert!(texts(&document).contains(&"Nothing known yet".to_owned()));
    assert_eq!(
        elements(&document, "desc")[0].text(),
        Some("Nothing known yet: Instagram shows this from 100 followers on.")
    );
    assert!(elements(&document, "path").is_empty());
    for plot in [
        json!({"dots": {"unit": "percent", "from": 0, "until": 1, "things": "posts", "points": []}}),
        json!({"heat": {"unit": "percent", "cells": []}}),
        json!({"bars": {"panels": []}}),
        json!({"line": {"unit": "", "from": 0, "until": 0, "bucket": "day", "series": []}}),
    ] {
        assert!(chart(plot).svg(640.0).contains("nothing was captured in this time"));
    }
}

#[test]
fn hours_without_posts_have_no_colour() {
    let svg = chart(json!({"heat": {"unit": "percent", "cells": [
        {"weekday": 1, "hour": 8, "value": 4.2, "posts": 3}, {"weekday": 7, "hour": 23, "value": 2.1, "posts": 1}, {"weekday": 3, "hour": 3, "value": null, "posts": 0},
        {"weekday": 8, "hour": 3, "value": 5, "posts": 1}, {"weekday": 1, "hour": 24, "value": 5, "posts": 1}]}}))
    .svg(640.0);
    let document = Document::parse(&svg).unwrap();
    let titles: Vec<_> =
        elements(&document, "title").iter().filter_map(|title| title.text().map(str::to_owned)).collect();
    assert_eq!(titles[1..], ["Monday 08:00: 4.2%, 3 posts", "Sunday 23:00: 2.1%, 1 post"]);
}

fn page(sections: Value) -> String {
    let page: Page = serde_json::from_value(json!({
        "title": "@natgeo", "kicker": "Dashboard", "zone": "UTC", "known_at": START,
        "facts": [{"label": "Followers", "value": 12_431, "unit": "followers", "note": "measured 4 Mar 2026"}, {"label": "Reach", "value": null, "unit": "people", "reason": "never captured"}],
        "sections": sections,
    }))
    .unwrap();
    page.html()
}

/// HTML as XML: only elements of the head stand without an end.
fn parse_page(html: &str) -> String {
    let body = html.strip_prefix("<!DOCTYPE html>").unwrap();
    let (head, rest) = body.split_once("<title>").unwrap();
    let closed: String =
        head.replace("><", ">\n<")
            .lines()
            .map(|tag| {
                if tag.starts_with("<meta") || tag.starts_with("<link") {
                    tag.replace('>', "/>")
                } else {
                    tag.to_owned()
                }
            })
            .collect();
    format!("{closed}<title>{rest}")
}

#[test]
fn pages_have_tables_and_need_nothing() {
    let html = page(
        json!([{"chart": serde_json::Value::from_iter([("title", json!("Followers")), ("zone", json!("UTC")), ("plot", line(json!([1, null, 3])))])},
        {"table": {"title": "Posts", "columns": [["post", null], ["likes", "likes"]], "rows": [[{"text": "one", "href": "https://example.com/p/1"}, 5], [{"text": "two", "href": "javascript:alert(1)"}, null]]}}]),
    );
    let xml = parse_page(&html);
    let document = Document::parse(&xml).unwrap();
    let cells: Vec<_> = elements(&document, "td").iter().map(|cell| content(cell)).collect();
    assert_eq!(cells[..3], ["1", "not known", "3"]);
    let links: Vec<_> = elements(&document, "a").iter().map(|a| a.attribute("href")).collect();
    assert_eq!(links, [Some("https://example.com/p/1")]);
    assert!(!html.contains("javascript:") && !html.contains("<script") && !html.contains("http-equiv=\"refresh\""));
    let mut ids: Vec<_> = document.descendants().filter_map(|node| node.attribute("id")).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "every id is there once");
    for labelled in document.descendants().filter_map(|node| node.attribute("aria-labelledby")) {
        assert!(labelled.split(' ').all(|id| ids.contains(&id)), "{labelled}");
    }
}

/// Texts that are markup in one language or another, among any others.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[<>&\"']{0,12}[a-z ]{0,5}[\u{0}-\u{1F}\u{7F}\u{FFFE}\u{202E}]{0,3}",
        Just("<img src=x onerror=alert(1)>".to_owned()),
        Just("\"><svg onload=alert(1)>".to_owned()),
        Just("]]>--><script>alert(1)</script>".to_owned()),
        Just("</style></title></desc><script>".to_owned()),
        Just("' onload='alert(1)".to_owned()),
    ]
}

fn any_number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<f64>().prop_map(|v| json!(v)),
        any::<i64>().prop_map(|v| json!(v)),
        Just(json!(null)),
        Just(json!("Infinity")),
        (0..1_000i64).prop_map(|v| json!(v))
    ]
}

fn any_time() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), START..START + 400 * DAY]
}

prop_compose! {
    fn any_plot()(text in any_text(), other in any_text(), from in any_time(), until in any_time(), unit in prop_oneof![Just("percent".to_owned()), any_text()],
        values in prop::collection::vec((any_time(), any_number(), 0u8..9, 0u8..26), 0..12), kind in 0..4, more: bool, flag: bool) -> Value {
        let numbers = || values.iter().map(|v| &v.1).collect::<Vec<_>>();
        let times: Vec<_> = values.iter().map(|v| v.0).collect();
        match kind {
            0 => {
                let mut series = vec![json!({"name": text, "times": times, "values": numbers()})];
                if more { series.extend([json!({"name": other, "times": times, "values": numbers()}), json!({"name": text, "times": [], "values": numbers()})]); }
                json!({"line": {"unit": unit, "from": from, "until": until, "bucket": other, "from_zero": flag, "is_change": more, "series": series}})
            }
            1 => json!({"dots": {"unit": unit, "from": from, "until": until, "things": text, "level": {"value": values.first().map(|v| &v.1), "label": other},
                "points": values.iter().map(|v| json!({"at": v.0, "value": v.1, "label": text})).collect::<Vec<_>>()}}),
            2 => json!({"heat": {"unit": unit, "cells": values.iter().map(|v| json!({"weekday": v.2, "hour": v.3, "value": v.1, "posts": v.3})).collect::<Vec<_>>()}}),
            _ => json!({"bars": {"panels": [{"name": text, "unit": unit, "note": other, "bars": values.iter().map(|v| json!({"label": text, "value": v.1, "share": v.1})).collect::<Vec<_>>()},
                {"name": other, "unit": text, "bars": [], "note": null}]}}),
        }
    }
}

/// The elements and attributes that templates write; anything else came from outside.
fn check_vocabulary(document: &Document) -> Result<(), TestCaseError> {
    const ELEMENTS: &[&str] = &[
        "svg", "title", "desc", "style", "rect", "g", "text", "tspan", "line", "path", "circle", "defs", "pattern",
        "html", "head", "meta", "link", "body", "div", "header", "main", "footer", "p", "h1", "h2", "bdi", "dl", "dt",
        "dd", "section", "figure", "ul", "li", "details", "summary", "table", "caption", "thead", "tbody", "tr", "th",
        "td", "a", "span",
    ];
    for node in document.descendants().filter(Node::is_element) {
        prop_assert!(ELEMENTS.contains(&node.tag_name().name()), "element {}", node.tag_name().name());
        for attribute in node.attributes() {
            prop_assert!(!attribute.name().starts_with("on"), "attribute {}", attribute.name());
            prop_assert!(!attribute.value().to_ascii_lowercase().trim_start().starts_with("javascript:"));
            if ["x", "y", "width", "height", "cx", "cy", "x1", "y2"].contains(&attribute.name()) {
                prop_assert!(
                    attribute.value().parse::<f64>().is_ok_and(f64::is_finite),
                    "{}={}",
                    attribute.name(),
                    attribute.value()
                );
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_stays_text(title in any_text(), note in any_text(), plot in any_plot(), width in prop_oneof![Just(320.0), 0.0..3_000.0], at in any_time()) {
        let chart: Chart = serde_json::from_value(json!({"title": title, "subtitle": note, "zone": note, "captured_at": at, "reason": title, "notes": [note], "plot": plot})).unwrap();
        let svg = chart.svg(width);
        let document = Document::parse(&svg).map_err(|problem| TestCaseError::fail(format!("{problem}: {svg}")))?;
        check_vocabulary(&document)?;
        let shown = elements(&document, "title")[0].text().unwrap_or_default();
        let cleaned = Text::new(&title);
        prop_assert_eq!(shown, cleaned.as_str());
    }

    #[test]
    fn any_text_of_a_page_stays_text(title in any_text(), other in any_text(), plot in any_plot(), number in any_number(), at in any_time()) {
        let chart = json!({"title": title, "zone": other, "plot": plot});
        let page: Page = serde_json::from_value(json!({"title": title, "kicker": other, "subtitle": other, "zone": other, "known_at": at, "notes": [title],
            "facts": [{"label": title, "value": number, "unit": other, "note": other, "is_change": true, "reason": title}],
            "sections": [{"chart": chart}, {"half": chart}, {"table": {"title": title, "columns": [[title, null], [other, other], ["n", "percent"]], "reason": other, "notes": [title],
                "rows": [[{"text": title, "href": other}, number, title], [{"text": title, "href": format!("https://{other}")}, 1.5, null]]}}]})).unwrap();
        let html = page.html();
        let xml = parse_page(&html);
        let document = Document::parse(&xml).map_err(|problem| TestCaseError::fail(format!("{problem}: {xml}")))?;
        check_vocabulary(&document)?;
    }

    #[test]
    fn a_csv_record_has_its_fields(fields in prop::collection::vec(any_text(), 1..6)) {
        let line = csv_record(fields.iter().map(|field| Some(field.as_str())));
        // A reader of RFC 4180, by hand.
        let (mut read, mut field, mut quoted) = (Vec::new(), String::new(), false);
        let mut characters = line.chars().peekable();
        while let Some(c) = characters.next() {
            match c {
                '"' if quoted && characters.peek() == Some(&'"') => { characters.next(); field.push('"'); }
                '"' if quoted || field.is_empty() => quoted = !quoted,
                ',' if !quoted => read.push(std::mem::take(&mut field)),
                other => { prop_assert!(quoted || !matches!(other, '\r' | '\n')); field.push(other); }
            }
        }
        read.push(field);
        prop_assert_eq!(read.len(), fields.len());
        for (read, field) in read.iter().zip(&fields) {
            prop_assert_eq!(read.strip_prefix('\'').filter(|_| !field.starts_with('\'')).unwrap_or(read), field);
            prop_assert!(!read.starts_with(['=', '+', '@', '\t', '\r']));
        }
    }

    #[test]
    fn a_sparkline_has_a_block_for_each_value(values in prop::collection::vec(prop::option::of(any::<f64>()), 0..50)) {
        prop_assert_eq!(sparkline(values.iter().copied()).chars().count(), values.len());
    }
}
