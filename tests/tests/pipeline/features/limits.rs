//! What a task may take: its time, and the memory of the container.

use std::io::Write;

use batch::{ErrorCode, Part};
use tests::cgroup::Cgroup;
use tests::rabbitmq;

use super::worker::{Worker, until};
use tests::scene::{PATIENT, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_task_at_its_time_limit_is_done_image_by_image() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(24);
    scene.enqueue("calm").await;
    let mut worker = Worker::start(&scene, &node.url(), &["--until-complete", "--batch", "calm"], &[]);
    assert_eq!(worker.ended().await, Some(0));

    // Time enough for a busy machine to do all but the image that is refused.
    scene.enqueue_with("late", &["--task-size", "8", "--task-timeout", "8"]).await;
    let refused = "/00003.png";
    scene.s3.faults().set(|plan| {
        plan.slow_down = 1.0;
        plan.only = refused.into();
    });
    let mut worker = Worker::start(&scene, &node.url(), &["--until-complete", "--batch", "late"], &[]);
    let isolated = "pixelmill_tasks_isolated_total";
    until("a task that is begun again", async || worker.metric(isolated).await >= 1.0).await;
    scene.s3.faults().heal();
    assert_eq!(worker.ended().await, Some(0));
    scene.verify("late").await;
    scene.assert_same("late", "calm");
    let notes = scene.s3.objects("results").into_keys();
    let noted = notes.filter(|key| key.starts_with("store/batches/late/aside/00000000/")).count();
    assert_eq!(noted, 1, "the other seven images were done before");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_takes_all_memory_of_a_container_costs_it_nothing_else() {
    let group = match Cgroup::with_memory(400 << 20) {
        Ok(group) => group,
        Err(reason) => {
            // Not captured, as what is printed by the macros would be.
            writeln!(std::io::stderr(), "the memory of a control group: did not run, none can be made: {reason}")
                .unwrap();
            return;
        }
    };
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(16);
    let poisoned = ["00001", "00002", "00011"];
    for name in poisoned {
        scene.s3.put("photos", &format!("{name}.png"), "PIXELMILL-TEST:allocate");
    }
    // No image hangs: one that takes its time to take all memory does not count as such.
    scene.enqueue_with("greedy", &[&PATIENT[..], &["--image-timeout", "600"]].concat()).await;
    let mut worker = Worker::start_in(&group, &scene, &node.url(), &["--until-complete", "--batch", "greedy"]);
    assert_eq!(worker.ended().await, Some(0), "one and the same worker did it all");
    assert_eq!(group.kills(), 0, "nothing in the group was killed for want of memory");
    scene.verify("greedy").await;
    let rows: Vec<_> = scene.parts("greedy").values().flat_map(|part| Part::decode(part).unwrap().rows).collect();
    let failed: Vec<_> = rows.iter().filter_map(|row| Some((row.image.clone(), row.error.as_ref()?.code))).collect();
    assert_eq!(failed, poisoned.map(|name| (format!("s3://photos/{name}.png"), ErrorCode::Crashed)));
    assert_eq!(rows.iter().filter(|row| row.label.is_some()).count(), 13);
}
