//! What goes wrong, as a test wants it: probabilities and switches, drawn from a seed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Between two looks at whether requests are still held.
const LOOK: Duration = Duration::from_millis(10);

/// What goes wrong. Probabilities are per request; nothing does by default.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Every connection is reset.
    pub outage: bool,
    /// 503 SlowDown instead of doing anything.
    pub slow_down: f64,
    /// The connection is reset before anything is done.
    pub reset_before: f64,
    /// The connection is reset after everything was done: the answer is lost.
    pub reset_after: f64,
    /// 500 InternalError after everything was done.
    pub error_after: f64,
    /// The request is taken and never answered.
    pub hang: f64,
    /// 409 ConditionalRequestConflict for conditional writes.
    pub conflict: f64,
    /// The body of an answer is cut after [`cut_after`](Plan::cut_after) bytes.
    pub cut: f64,
    /// Where bodies are cut.
    pub cut_after: usize,
    /// The body of an answer stalls for ever after [`cut_after`](Plan::cut_after) bytes.
    pub stall: f64,
    /// How long each 64 KiB of a body are held back.
    pub slow_body: Option<Duration>,
    /// Nothing is done and answered before this is over.
    pub held: bool,
    /// `If-None-Match` is ignored for objects put whole.
    pub ignore_put_conditions: bool,
    /// `If-None-Match` is ignored for objects put in parts.
    pub ignore_upload_conditions: bool,
    /// User metadata is forgotten.
    pub forget_metadata: bool,
    /// 403 for requests that are not the SDK's own.
    pub only_the_sdk: bool,
    /// 503 for requests that are not the SDK's own.
    pub busy_but_for_the_sdk: bool,
    /// Only requests whose path contains this go wrong; all if empty.
    pub only: String,
}

impl Plan {
    /// One request in ten goes wrong in one way or another, half of these by 503 SlowDown; and bodies come slowly.
    pub fn bad_weather() -> Plan {
        Plan {
            slow_down: 0.05,
            reset_before: 0.01,
            reset_after: 0.01,
            error_after: 0.01,
            conflict: 0.02,
            cut: 0.02,
            cut_after: 500,
            slow_body: Some(Duration::from_millis(5)),
            ..Plan::default()
        }
    }
}

/// The plan of one server; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    plan: Plan,
    random: u64,
    injected: u64,
    requests: u64,
    by_the_sdk: u64,
}

/// The fate of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Fine,
    SlowDown,
    ResetBefore,
    ResetAfter,
    ErrorAfter,
    Hang,
    Conflict,
    Cut(usize),
    Stall(usize),
}

impl Faults {
    /// Changes the plan for the requests that come from now on.
    pub fn set(&self, change: impl FnOnce(&mut Plan)) {
        change(&mut self.state().plan);
    }

    /// Draws from this seed from now on.
    pub fn seed(&self, seed: u64) {
        self.state().random = seed;
    }

    /// From now on everything works.
    pub fn heal(&self) {
        self.set(|plan| *plan = Plan::default());
    }

    /// How many requests went wrong so far.
    pub fn injected(&self) -> u64 {
        self.state().injected
    }

    /// How many requests came so far.
    pub fn requests(&self) -> u64 {
        self.state().requests
    }

    /// How many of the requests the SDK made, with all that it does.
    pub fn requests_by_the_sdk(&self) -> u64 {
        self.state().by_the_sdk
    }

    pub(super) fn is_by_the_sdk(&self, yes: bool) {
        self.state().by_the_sdk += u64::from(yes);
    }

    pub(super) fn plan(&self) -> Plan {
        self.state().plan.clone()
    }

    /// Waits while requests for `path` are held.
    pub(super) async fn released(&self, path: &str) {
        while self.plan_for(path).held {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The plan, as far as it concerns `path`.
    pub(super) fn plan_for(&self, path: &str) -> Plan {
        let plan = self.plan();
        if path.contains(&plan.only) { plan } else { Plan::default() }
    }

    pub(super) fn fate(&self, path: &str, is_conditional: bool) -> Fate {
        let mut state = self.state();
        state.requests += 1;
        let plan = state.plan.clone();
        if !path.contains(&plan.only) {
            return Fate::Fine;
        }
        if plan.outage {
            state.injected += 1;
            return Fate::ResetBefore;
        }
        let chances = [
            (plan.slow_down, Fate::SlowDown),
            (plan.reset_before, Fate::ResetBefore),
            (plan.reset_after, Fate::ResetAfter),
            (plan.error_after, Fate::ErrorAfter),
            (plan.hang, Fate::Hang),
            (if is_conditional { plan.conflict } else { 0.0 }, Fate::Conflict),
            (plan.cut, Fate::Cut(plan.cut_after)),
            (plan.stall, Fate::Stall(plan.cut_after)),
        ];
        for (probability, fate) in chances {
            if probability > 0.0 && state.draw() < probability {
                state.injected += 1;
                return fate;
            }
        }
        Fate::Fine
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Uniform in [0, 1): SplitMix64 (Steele, Lea, Flood 2014).
    fn draw(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
