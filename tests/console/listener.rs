//! A subscriber that notes what it is told of each task, as `console-subscriber` would: by the names of spans and fields.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard};

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

/// What was told of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Spawned(HashMap<String, String>),
    Entered,
    Exited,
    Woken,
    Closed,
}

#[derive(Default)]
struct Notes {
    /// What was told of each span, by its number.
    spans: HashMap<u64, Vec<Told>>,
    on_wake: Option<fn()>,
}

/// Who listens.
#[derive(Clone, Default)]
pub(crate) struct Listener(Arc<Mutex<Notes>>);

impl Listener {
    /// What was told of the task with this name.
    #[track_caller]
    pub(crate) fn of(&self, name: &str) -> Vec<Told> {
        let is_it = |told: &&Vec<Told>| {
            let Told::Spawned(fields) = &told[0] else { return false };
            fields["task.name"] == name
        };
        self.notes().spans.values().find(is_it).expect("there is a span of this name").clone()
    }

    /// Does this whenever a wake is told.
    pub(crate) fn on_wake(&self, act: fn()) {
        self.notes().on_wake = Some(act);
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap()
    }

    fn note(&self, span: &span::Id, told: Told) {
        self.notes().spans.entry(span.into_u64()).or_default().push(told);
    }
}

/// The fields of a span or an event, as text.
#[derive(Default)]
struct Fields(HashMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tokio::task")
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        assert_eq!((span.metadata().name(), span.metadata().target()), ("runtime.spawn", "tokio::task"));
        let mut fields = Fields::default();
        span.record(&mut fields);
        let id = span::Id::from_u64(self.notes().spans.len() as u64 + 1);
        self.note(&id, Told::Spawned(fields.0));
        id
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        assert_eq!(event.metadata().target(), "tokio::task::waker");
        let mut fields = Fields::default();
        event.record(&mut fields);
        assert_eq!(fields.0["op"], "waker.wake_by_ref");
        self.note(&span::Id::from_u64(fields.0["task.id"].parse().unwrap()), Told::Woken);
        let act = self.notes().on_wake;
        if let Some(act) = act {
            act();
        }
    }

    fn enter(&self, span: &span::Id) {
        self.note(span, Told::Entered);
    }

    fn exit(&self, span: &span::Id) {
        self.note(span, Told::Exited);
    }

    fn try_close(&self, span: span::Id) -> bool {
        self.note(&span, Told::Closed);
        true
    }
}
