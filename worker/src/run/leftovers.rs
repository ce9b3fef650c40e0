//! What a queue holds of batches that are over. A worker without anything left to do drops it before it ends: who starts
//! workers as long as messages wait, as autoscalers do, would start them for it without end.

use std::time::{Duration, Instant};

use queue::{Admin, ConsumerStatus};

use super::quiet::Quiet;

/// A worker that is subscribed and had nothing to do for so long may ask whether anything waits.
const SILENT: Duration = Duration::from_secs(1);
/// A broker that is away is not waited for any longer.
const SUBSCRIBED_WITHIN: Duration = Duration::from_secs(10);
/// New batches may keep a queue busy; they are for other workers.
const AT_MOST: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// Waits, while deliveries are worked on as always, until none is left.
pub(super) async fn taken(queue: &ConsumerStatus, tasks: &Quiet, mut admin: Admin) {
    let begun = Instant::now();
    let mut subscribed: Option<Instant> = None;
    while begun.elapsed() < AT_MOST {
        match queue.is_connected() {
            false if begun.elapsed() >= SUBSCRIBED_WITHIN => break,
            false => subscribed = None,
            true => {
                let since = subscribed.get_or_insert_with(Instant::now).elapsed();
                let without_task = tasks.lasts().unwrap_or_default();
                // Silence alone may be that of a broker that is slow.
                if since.min(queue.idle()).min(without_task) >= SILENT
                    && !admin.depth().await.is_ok_and(|depth| depth.ready > 0)
                {
                    break;
                }
            }
        }
        tokio::time::sleep(POLL).await;
    }
    admin.close().await;
}
