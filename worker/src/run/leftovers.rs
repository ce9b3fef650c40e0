//! What a queue holds of batches that are over. A worker without anything left to do drops it before it ends: who starts
//! workers as long as messages wait, as autoscalers do, would start them for it without end.

use std::time::{Duration, Instant};

use queue::ConsumerStatus;

/// A queue that brings nothing for so long has nothing.
const SILENT: Duration = Duration::from_secs(1);
/// A broker that is away is not waited for any longer.
const SUBSCRIBED_WITHIN: Duration = Duration::from_secs(10);
/// New batches may keep a queue busy; they are for other workers.
const AT_MOST: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// Waits, while deliveries are worked on as always, until none comes any more.
pub(super) async fn taken(queue: &ConsumerStatus) {
    let begun = Instant::now();
    let mut subscribed: Option<Instant> = None;
    while begun.elapsed() < AT_MOST {
        match queue.is_connected() {
            false if begun.elapsed() >= SUBSCRIBED_WITHIN => return,
            false => subscribed = None,
            true => {
                let since = subscribed.get_or_insert_with(Instant::now);
                if since.elapsed() >= SILENT && queue.idle() >= SILENT {
                    return;
                }
            }
        }
        tokio::time::sleep(POLL).await;
    }
}
