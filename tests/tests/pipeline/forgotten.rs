//! The queue forgets: purged, deleted, its dead letters lost. Idle workers finish from the manifest; `reconcile` has it
//! finished at once.

use tests::rabbitmq::{self, Node};
use tests::running::ended;
use tests::scene::{HASTY, PATIENT, Scene};

#[derive(Clone, Copy, Debug)]
enum Loss {
    Purged,
    Deleted,
    /// Two messages came back too often while nothing was bound to the exchange of the dead letters.
    Unbound,
}

const LOSSES: [Loss; 3] = [Loss::Purged, Loss::Deleted, Loss::Unbound];

async fn lose(node: &Node, scene: &Scene, loss: Loss) {
    match loss {
        Loss::Purged => node.purge_queue(&scene.queue).await.unwrap(),
        Loss::Deleted => node.delete_queue(&scene.queue).await.unwrap(),
        Loss::Unbound => {
            node.unbind(&format!("{}.dead", scene.queue)).await.unwrap();
            scene.reject(2).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_queue_forgets_is_finished_by_idle_workers_alone() {
    let node = rabbitmq::shared().await;
    for loss in LOSSES {
        let scene = Scene::start(node.url()).await;
        scene.put_images(40);
        scene.enqueue_with("idle", &HASTY).await;
        lose(&node, &scene, loss).await;
        let workers = [scene.worker("idle"), scene.worker("idle")];
        for worker in workers {
            assert_eq!(ended(worker).await, Some(0), "{loss:?}");
        }
        scene.verify("idle").await;
        scene.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_queue_forgets_is_published_by_reconcile_at_once() {
    let node = rabbitmq::shared().await;
    for loss in LOSSES {
        let scene = Scene::start(node.url()).await;
        scene.put_images(40);
        // Idle workers would look after four minutes: longer than the scene may take.
        scene.enqueue_with("asked", &PATIENT).await;
        lose(&node, &scene, loss).await;
        let said = scene.produce(&["reconcile", "asked"]).await;
        assert!(said.contains("5 missing tasks published"), "{loss:?}: {said}");
        assert_eq!(node.bindings(&format!("{}.dead", scene.queue)).await.unwrap().len(), 1, "{loss:?}");
        assert_eq!(ended(scene.worker("asked")).await, Some(0), "{loss:?}");
        scene.verify("asked").await;
        scene.drain().await;
    }
}
