//! Stripe's billing events, reduced to what decides about plans and credits. Names, addresses and cards are left out.
//!
//! Several API versions are read: which form an event has depends on the version its webhook endpoint was made with.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// Bytes of the largest payload that is read; Stripe's are a few kilobytes, one with very many lines below 256.
pub const MAX_PAYLOAD: usize = 1024 * 1024;

/// Characters of the longest name that Stripe gives an object.
const MAX_ID: usize = 255;
/// 2200-01-01: a later date is a mistake.
const LAST_SECOND: i64 = 7_258_118_400;
/// Credits that one purchase can bring.
const MAX_CREDITS: i64 = 1_000_000_000;

/// An event. At most one of its three objects is there; with none, `note` says why nothing follows from it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    pub event_id: String,
    /// As in `customer.subscription.updated`.
    pub event_type: String,
    /// Seconds since 1970; Stripe gives no finer time, and several events may share it.
    pub created: i64,
    /// False for events of Stripe's test mode.
    pub livemode: bool,
    pub note: Option<&'static str>,
    pub subscription: Option<Subscription>,
    pub invoice: Option<Invoice>,
    pub checkout: Option<Checkout>,
}

/// A subscription as it was when the event was made. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Subscription {
    pub id: String,
    pub customer: Option<String>,
    /// From the metadata that whoever started the subscription gave it.
    pub workspace_id: Option<String>,
    pub status: Status,
    /// Where the event stands among those of the same second, see [`order`].
    pub order: i64,
    /// No event of the same subscription comes after this state.
    pub is_final: bool,
    /// Of its items, in their order.
    pub prices: Vec<String>,
    pub period_start: Option<i64>,
    pub period_end: Option<i64>,
    pub anchor: Option<i64>,
    pub cancel_at_period_end: bool,
    pub ended_at: Option<i64>,
    pub created: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Incomplete,
    IncompleteExpired,
    Trialing,
    Active,
    PastDue,
    Canceled,
    Unpaid,
    Paused,
}

impl Status {
    /// Stripe never revives such a subscription; a new one gets a new id.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }

    /// How far along a subscription's life a status is.
    fn rank(self) -> i64 {
        match self {
            Self::Incomplete => 0,
            Self::Trialing => 1,
            Self::Active => 2,
            Self::PastDue => 3,
            Self::Unpaid => 4,
            Self::Paused => 5,
            Self::Canceled | Self::IncompleteExpired => 9,
        }
    }
}

/// An invoice that was paid.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Invoice {
    pub id: String,
    /// None for an invoice that belongs to no subscription.
    pub subscription: Option<String>,
    pub customer: Option<String>,
    pub workspace_id: Option<String>,
    pub prices: Vec<String>,
    /// In minor units of the currency.
    pub amount_paid: i64,
    pub currency: String,
    pub period_start: Option<i64>,
    pub period_end: Option<i64>,
}

/// A checkout that was completed: it tells which workspace a customer is, and may have sold credits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Checkout {
    pub id: String,
    pub customer: Option<String>,
    pub subscription: Option<String>,
    pub workspace_id: Option<String>,
    /// Credits that were bought and paid.
    pub credits: Option<i64>,
}

/// Why a payload is not an event. Says nothing of what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    pub message: String,
    pub hint: Option<&'static str>,
}

fn refusal(message: impl Into<String>) -> Refusal {
    Refusal { message: message.into(), hint: Some("pass the request body as Stripe sent it") }
}

/// What an event's type says about its place among events of the same second: an object is made before it changes, and
/// deleted last; among changes the status decides.
fn order(event_type: &str, status: Status) -> i64 {
    let step = match event_type {
        "customer.subscription.created" => 0,
        "customer.subscription.deleted" => 2,
        _ => 1,
    };
    step * 10 + status.rank()
}

#[derive(Deserialize)]
struct Envelope {
    id: String,
    object: String,
    #[serde(rename = "type")]
    event_type: String,
    created: Value,
    #[serde(default)]
    livemode: bool,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    object: Value,
}

/// Reads an event. What is no event is refused; an event that means nothing here has a note.
pub fn parse(payload: &str) -> Result<Event, Refusal> {
    if payload.len() > MAX_PAYLOAD {
        return Err(refusal(format!("a billing event has at most {MAX_PAYLOAD} bytes")));
    }
    let envelope: Envelope = serde_json::from_str(payload).map_err(|_| refusal("this is not a billing event"))?;
    let event_id =
        id(Some(&Value::String(envelope.id))).ok_or_else(|| refusal("the event's id is not one of Stripe's"))?;
    if envelope.event_type.len() > MAX_ID || !envelope.event_type.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(refusal("the event's type is not one of Stripe's"));
    }
    let mut event = Event {
        event_id,
        event_type: envelope.event_type,
        created: 0,
        livemode: envelope.livemode,
        note: None,
        subscription: None,
        invoice: None,
        checkout: None,
    };
    // Thin events write their time as text.
    if envelope.object == "v2.core.event" {
        event.note = Some("a thin event holds no object; subscribe the endpoint to snapshot events");
        return Ok(event);
    }
    if envelope.object != "event" {
        return Err(refusal("this is not a billing event"));
    }
    event.created = time(Some(&envelope.created)).ok_or_else(|| refusal("the event does not say when it was made"))?;
    let object = envelope.data.map(|data| data.object).unwrap_or_default();
    match event.event_type.as_str() {
        "invoice.paid" | "invoice.payment_succeeded" => {
            let paid = invoice(&object)?;
            match paid.subscription {
                Some(_) => event.invoice = Some(paid),
                None => event.note = Some("the invoice belongs to no subscription"),
            }
        }
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
            event.checkout = Some(checkout(&object)?);
        }
        kind if kind.starts_with("customer.subscription.") => {
            event.subscription = Some(subscription(&event.event_type, &object)?);
        }
        _ => event.note = Some("nothing follows from events of this type"),
    }
    Ok(event)
}

fn subscription(event_type: &str, object: &Value) -> Result<Subscription, Refusal> {
    is_a(object, "subscription")?;
    let status = Status::deserialize(&object["status"])
        .map_err(|_| refusal("the subscription's status is not one of Stripe's"))?;
    let status = if event_type == "customer.subscription.deleted" { Status::Canceled } else { status };
    let items = list(&object["items"]["data"]);
    // Until API version 2025-03-31 the period was the subscription's, since then it is each item's.
    let period = |name: &str| time(object.get(name)).or_else(|| items.iter().find_map(|item| time(item.get(name))));
    Ok(Subscription {
        id: id(object.get("id")).ok_or_else(|| refusal("the subscription has no id"))?,
        customer: id(object.get("customer")),
        workspace_id: workspace(&object["metadata"]),
        order: order(event_type, status),
        is_final: status.is_final(),
        status,
        prices: prices(items),
        period_start: period("current_period_start"),
        period_end: period("current_period_end"),
        anchor: time(object.get("billing_cycle_anchor")),
        // A subscription may also be set to end at a given time.
        cancel_at_period_end: object["cancel_at_period_end"].as_bool().unwrap_or(false)
            || time(object.get("cancel_at")).is_some(),
        ended_at: time(object.get("ended_at"))
            .or_else(|| time(object.get("canceled_at")).filter(|_| status.is_final())),
        created: time(object.get("created")),
    })
}

fn invoice(object: &Value) -> Result<Invoice, Refusal> {
    is_a(object, "invoice")?;
    // Until API version 2025-03-31, and since then.
    let parent = &object["parent"]["subscription_details"];
    let lines = list(&object["lines"]["data"]);
    // The invoice's own period is the one before; what was paid for is in its lines. A change of plan adds lines of the
    // period that is already running.
    let last = lines.iter().map(|line| &line["period"]).max_by_key(|period| time(period.get("end")));
    let period = last.filter(|period| time(period.get("end")).is_some());
    let amount_paid = object["amount_paid"].as_i64().filter(|amount| *amount >= 0);
    let currency = object["currency"].as_str().map(str::to_lowercase);
    Ok(Invoice {
        id: id(object.get("id")).ok_or_else(|| refusal("the invoice has no id"))?,
        subscription: id(object.get("subscription")).or_else(|| id(parent.get("subscription"))),
        customer: id(object.get("customer")),
        workspace_id: workspace(&parent["metadata"])
            .or_else(|| workspace(&object["subscription_details"]["metadata"]))
            .or_else(|| workspace(&object["metadata"])),
        prices: prices(lines),
        amount_paid: amount_paid.ok_or_else(|| refusal("the invoice does not say what was paid"))?,
        currency: currency
            .filter(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_lowercase()))
            .ok_or_else(|| refusal("the invoice's currency is none"))?,
        period_start: period.and_then(|period| time(period.get("start"))),
        period_end: period.and_then(|period| time(period.get("end"))),
    })
}

fn checkout(object: &Value) -> Result<Checkout, Refusal> {
    is_a(object, "checkout.session")?;
    let metadata = &object["metadata"];
    let is_paid = matches!(object["payment_status"].as_str(), Some("paid" | "no_payment_required"));
    let is_purchase = object["mode"].as_str() == Some("payment") && is_paid;
    let credits = metadata["credits"].as_str().and_then(|text| text.parse().ok()).or(metadata["credits"].as_i64());
    Ok(Checkout {
        id: id(object.get("id")).ok_or_else(|| refusal("the checkout session has no id"))?,
        customer: id(object.get("customer")),
        subscription: id(object.get("subscription")),
        // The metadata is the server's; the reference can be written into the address of a payment link.
        workspace_id: workspace(metadata).or_else(|| uuid(&object["client_reference_id"])),
        credits: credits.filter(|count| is_purchase && (1..=MAX_CREDITS).contains(count)),
    })
}

fn is_a(object: &Value, kind: &str) -> Result<(), Refusal> {
    if object["object"].as_str() == Some(kind) { Ok(()) } else { Err(refusal(format!("the event holds no {kind}"))) }
}

/// The id of an object that is given by it, or whole.
fn id(value: Option<&Value>) -> Option<String> {
    let value = value?;
    let text = value.as_str().or_else(|| value.get("id")?.as_str())?;
    let is_id = (1..=MAX_ID).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_id.then(|| text.to_owned())
}

fn time(value: Option<&Value>) -> Option<i64> {
    value?.as_i64().filter(|second| (1..LAST_SECOND).contains(second))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn uuid(value: &Value) -> Option<String> {
    Uuid::try_parse(value.as_str()?.trim()).ok().map(|id| id.hyphenated().to_string())
}

fn workspace(metadata: &Value) -> Option<String> {
    uuid(&metadata["workspace_id"])
}

/// Of items or invoice lines: `price` as an id or whole, the older `plan`, the newer `pricing`; doubles once.
fn prices(items: &[Value]) -> Vec<String> {
    let mut prices = Vec::new();
    for item in items {
        let price = id(item.get("price"))
            .or_else(|| id(item.get("plan")))
            .or_else(|| id(item["pricing"]["price_details"].get("price")));
        if let Some(price) = price.filter(|price| !prices.contains(price)) {
            prices.push(price);
        }
    }
    prices
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const WORKSPACE: &str = "0195c3a0-0000-7000-8000-000000000001";

    fn event(kind: &str, object: Value) -> Value {
        json!({"id": "evt_1", "object": "event", "type": kind, "created": 1_700_000_000, "livemode": true, "data": {"object": object}})
    }

    fn read(kind: &str, object: Value) -> Event {
        parse(&event(kind, object).to_string()).expect("an event")
    }

    fn a_subscription() -> Value {
        json!({
            "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "active", "created": 1_690_000_000,
            "billing_cycle_anchor": 1_690_000_001, "current_period_start": 1_699_000_000, "current_period_end": 1_701_000_000,
            "cancel_at_period_end": true, "metadata": {"workspace_id": WORKSPACE},
            "items": {"data": [{"price": {"id": "price_1"}}, {"price": {"id": "price_1"}}, {"plan": {"id": "plan_2"}}]}
        })
    }

    fn an_invoice() -> Value {
        json!({
            "id": "in_1", "object": "invoice", "customer": {"id": "cus_1", "email": "ada@example.com"}, "subscription": "sub_1",
            "amount_paid": 19900, "currency": "USD", "period_start": 1, "period_end": 2,
            "lines": {"data": [
                {"period": {"start": 1_699_000_000, "end": 1_701_000_000}, "price": {"id": "price_1"}},
                {"period": {"start": 1_698_000_000, "end": 1_699_000_000}, "pricing": {"price_details": {"price": "price_2"}}},
                {"period": null}
            ]}
        })
    }

    #[test]
    fn a_subscription_says_status_prices_and_period() {
        let read = read("customer.subscription.updated", a_subscription()).subscription.expect("a subscription");
        let expected = Subscription {
            id: "sub_1".to_owned(),
            customer: Some("cus_1".to_owned()),
            workspace_id: Some(WORKSPACE.to_owned()),
            status: Status::Active,
            order: 12,
            is_final: false,
            prices: vec!["price_1".to_owned(), "plan_2".to_owned()],
            period_start: Some(1_699_000_000),
            period_end: Some(1_701_000_000),
            anchor: Some(1_690_000_001),
            cancel_at_period_end: true,
            ended_at: None,
            created: Some(1_690_000_000),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn the_period_is_read_from_the_items_of_newer_api_versions() {
        let mut object = a_subscription();
        let fields = object.as_object_mut().expect("an object");
        let (start, end) = (fields.remove("current_period_start"), fields.remove("current_period_end"));
        object["items"]["data"][1]["current_period_start"] = start.expect("a time");
        object["items"]["data"][1]["current_period_end"] = end.expect("a time");
        let read = read("customer.subscription.updated", object).subscription.expect("a subscription");
        assert_eq!((read.period_start, read.period_end), (Some(1_699_000_000), Some(1_701_000_000)));
    }

    #[test]
    fn a_deleted_subscription_is_canceled_and_comes_last() {
        let order = |kind: &str, status: &str| {
            let mut object = a_subscription();
            object["status"] = status.into();
            let read = read(kind, object).subscription.expect("a subscription");
            (read.order, read.is_final)
        };
        let deleted = order("customer.subscription.deleted", "active");
        assert!(deleted.1);
        let sequence = [
            order("customer.subscription.created", "incomplete").0,
            order("customer.subscription.created", "active").0,
            order("customer.subscription.updated", "trialing").0,
            order("customer.subscription.updated", "active").0,
            order("customer.subscription.updated", "past_due").0,
            order("customer.subscription.updated", "canceled").0,
            deleted.0,
        ];
        assert!(sequence.is_sorted(), "{sequence:?}");
    }

    #[test]
    fn both_forms_of_an_invoice_are_read_and_its_last_line_is_what_was_paid_for() {
        let older = an_invoice();
        let mut newer = an_invoice();
        newer.as_object_mut().expect("an object").remove("subscription");
        newer["parent"] = json!({"subscription_details": {"subscription": "sub_1", "metadata": {}}});
        for object in [older, newer] {
            let read = read("invoice.paid", object).invoice.expect("an invoice");
            let expected = Invoice {
                id: "in_1".to_owned(),
                subscription: Some("sub_1".to_owned()),
                customer: Some("cus_1".to_owned()),
                workspace_id: None,
                prices: vec!["price_1".to_owned(), "price_2".to_owned()],
                amount_paid: 19900,
                currency: "usd".to_owned(),
                period_start: Some(1_699_000_000),
                period_end: Some(1_701_000_000),
            };
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn what_is_read_holds_no_personal_data() {
        let read = serde_json::to_string(&read("invoice.paid", an_invoice())).expect("JSON");
        assert!(!read.contains("ada@example.com"), "{read}");
    }

    #[test]
    fn a_checkout_sells_credits_only_when_it_is_a_payment_and_paid() {
        let session = |mode: &str, paid: &str, credits: Value| {
            let object = json!({
                "id": "cs_1", "object": "checkout.session", "customer": null, "mode": mode, "payment_status": paid,
                "client_reference_id": WORKSPACE, "metadata": {"credits": credits}
            });
            read("checkout.session.completed", object).checkout.expect("a checkout")
        };
        assert_eq!(session("payment", "paid", json!("1000")).credits, Some(1000));
        assert_eq!(session("payment", "paid", json!("1000")).workspace_id.as_deref(), Some(WORKSPACE));
        for (mode, paid, credits) in [
            ("payment", "unpaid", json!("1000")),
            ("subscription", "paid", json!("1000")),
            ("payment", "paid", json!("-1")),
            ("payment", "paid", json!("0")),
            ("payment", "paid", json!("1e3")),
            ("payment", "paid", json!("99999999999")),
            ("payment", "paid", json!(null)),
        ] {
            assert_eq!(session(mode, paid, credits.clone()).credits, None, "{mode} {paid} {credits}");
        }
    }

    #[test]
    fn metadata_goes_before_a_reference_that_a_link_may_hold() {
        let object = json!({
            "id": "cs_1", "object": "checkout.session", "mode": "subscription", "metadata": {"workspace_id": WORKSPACE},
            "client_reference_id": "0195c3a0-0000-7000-8000-0000000000ff"
        });
        let read = read("checkout.session.completed", object).checkout.expect("a checkout");
        assert_eq!(read.workspace_id.as_deref(), Some(WORKSPACE));
    }

    #[test]
    fn events_that_mean_nothing_here_have_a_note() {
        assert!(read("customer.created", json!({"id": "cus_1", "object": "customer"})).note.is_some());
        let mut lone = an_invoice();
        lone["subscription"] = Value::Null;
        assert!(read("invoice.paid", lone).note.is_some());
        let thin = json!({"id": "evt_1", "object": "v2.core.event", "type": "v1.billing.meter.error_report_triggered", "created": "2026-01-01T00:00:00Z"});
        assert!(parse(&thin.to_string()).expect("an event").note.is_some());
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let refused = |change: &dyn Fn(&mut Value)| {
            let mut payload = event("customer.subscription.updated", a_subscription());
            change(&mut payload);
            assert!(parse(&payload.to_string()).is_err(), "{payload}");
        };
        refused(&|e| e["id"] = "evt 1".into());
        refused(&|e| e["id"] = "".into());
        refused(&|e| e["id"] = "e".repeat(256).into());
        refused(&|e| e["object"] = "list".into());
        refused(&|e| e["type"] = "a\nb".into());
        refused(&|e| e["created"] = (-1).into());
        refused(&|e| e["created"] = 1.5.into());
        refused(&|e| e["created"] = i64::MAX.into());
        refused(&|e| e["livemode"] = "yes".into());
        refused(&|e| e["data"] = Value::Null);
        refused(&|e| e["data"]["object"]["object"] = "customer".into());
        refused(&|e| e["data"]["object"]["id"] = Value::Null);
        refused(&|e| e["data"]["object"]["status"] = "sleeping".into());
        for text in ["", "null", "[]", "{}", "\u{0}", "{\"id\":\"evt_1\"}"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&" ".repeat(MAX_PAYLOAD + 1)).is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            Just(Value::from("sub_1")),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[a-z_]{1,8}", inner, 0..4)
                    .prop_map(|map| map.into_iter().collect::<Value>()),
            ]
        })
    }

    proptest! {
        #[test]
        fn one_field_of_any_form_breaks_nothing(value in any_json(), field in 0..11_usize, kind in 0..3_usize) {
            let (kind, mut object) = [
                ("customer.subscription.updated", a_subscription()), ("invoice.paid", an_invoice()),
                ("checkout.session.completed", json!({"id": "cs_1", "object": "checkout.session"})),
            ][kind].clone();
            let name = ["id", "customer", "status", "items", "metadata", "lines", "subscription", "parent", "amount_paid", "mode", "current_period_end"][field];
            object[name] = value;
            if let Ok(event) = parse(&event(kind, object).to_string()) {
                let shown = serde_json::to_string(&event).expect("JSON");
                prop_assert!(!shown.contains("\\u0000"));
            }
        }

        #[test]
        fn text_of_any_form_breaks_nothing(text in "\\PC{0,200}") {
            let _ = parse(&text);
        }
    }
}
