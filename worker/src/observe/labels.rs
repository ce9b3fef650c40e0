//! The labels of the metrics: closed sets, so that every series is there from the start.

use batch::ErrorCode;

use super::exposition::Label;

/// Defines a closed set of label values.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident($label:literal) { $($(#[$about:meta])* $member:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$about])* $member,)+ }

        impl $name {
            pub(super) const COUNT: usize = [$($text),+].len();
            pub(super) const LABEL: Label<{ Self::COUNT }> = Label { name: $label, values: [$($text),+] };
        }
    };
}

labels! {
    /// A part of the work on an image or a task that takes time.
    Stage("stage") {
        /// Reading an image's bytes from where it lies, retries included.
        Fetch = "fetch",
        /// From bytes to the model's input tensor.
        Decode = "decode",
        /// From the input tensor to scores.
        Infer = "infer",
        /// Creating a part in the store, retries included.
        Store = "store",
        /// A whole task, from its message to its stored part.
        Task = "task",
    }
}

labels! {
    /// What became of a task that this worker had in its hands.
    TaskEnd("outcome") {
        /// Its part was stored.
        Done = "done",
        /// Somebody else had stored its part before.
        DoneBefore = "done_before",
        /// Its batch is finished, cancelled or deleted.
        Dropped = "dropped",
        /// No batch owns the message.
        SetAside = "set_aside",
        /// It could not be done now and went back to the queue.
        GivenBack = "given_back",
        /// This worker cannot load the model.
        LeftToOthers = "left_to_others",
        /// The worker could not go on.
        Failed = "failed",
    }
}

labels! {
    /// How a task came to this worker.
    Source("source") {
        /// By a message.
        Queue = "queue",
        /// It was missing in the manifest, and the queue was silent.
        Idle = "idle",
        /// It is of a batch that got no part for long while the queue brings others.
        Starved = "starved",
    }
}

labels! {
    /// What became of an attempt to start an engine.
    EngineStart("result") {
        /// Its model is loaded.
        Ready = "ready",
        /// Its model cannot be used.
        Refused = "refused",
        /// It did not come up.
        Failed = "failed",
    }
}

labels! {
    /// How a shared engine ended before its time.
    EngineEnd("reason") {
        /// It died.
        Crashed = "crashed",
        /// An image exceeded its time limit.
        Hung = "hung",
        /// Somebody else asked it to end.
        Asked = "asked",
    }
}

labels! {
    /// What a trial of an image alone in a process of its own showed.
    TrialEnd("result") {
        /// The image has an outcome.
        Done = "done",
        /// The process died.
        Crashed = "crashed",
        /// The time limit was exceeded.
        Hung = "hung",
        /// Somebody else asked the process to end: it proves nothing.
        Interrupted = "interrupted",
    }
}

labels! {
    /// What became of a dead letter.
    LetterEnd("outcome") {
        /// Published again, for isolated work.
        Republished = "republished",
        /// Nothing of it is left to do.
        Dropped = "dropped",
        /// No batch owns it.
        SetAside = "set_aside",
    }
}

labels! {
    /// Where a model package was found.
    ModelPlace("found") {
        /// In the binary.
        Builtin = "builtin",
        /// In a directory of this machine.
        Directory = "directory",
        /// In the cache of packages from S3.
        Cache = "cache",
        /// In S3; it is in the cache now.
        Store = "store",
        /// Nowhere that this worker can reach.
        Nowhere = "nowhere",
    }
}

/// Outcomes of an image: `ok`, then the error codes in their order.
pub(super) const IMAGE_OUTCOMES: Label<{ ErrorCode::ALL.len() + 1 }> = {
    let mut values = ["ok"; ErrorCode::ALL.len() + 1];
    let mut place = 0;
    while place < ErrorCode::ALL.len() {
        values[place + 1] = ErrorCode::ALL[place].as_str();
        place += 1;
    }
    Label { name: "outcome", values }
};
