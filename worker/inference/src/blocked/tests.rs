//! Random small networks give tract's numbers on every instruction set.

use kernels::{Activation, Isa, Shape, Window};
use tract_onnx::tract_core::internal::*;

use super::layer::{Convolution, Kind, Layer};
use super::lower::{Work, lower};
use super::network::Network;
use super::op::Blocked;
use super::weights::Weights;
use super::{rewrite, runs};

const NETWORKS: u64 = 400;

#[test]
fn random_networks_give_the_numbers_of_tract() {
    for seed in 0..NETWORKS {
        let mut network = Network::new(seed);
        network.convolution(1);
        let depth = 4 + network.below(12);
        for _ in 0..depth {
            network.grow();
        }
        let model = network.finish();
        let shape = model.input_fact(0).unwrap().shape.as_concrete().unwrap();
        let image = Network::new(seed + 1000).tensor(shape);
        // Not optimised: tract's optimiser gets strided pointwise convolutions of one row wrong.
        let wanted = run(model.clone(), &image);
        let largest = wanted.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        assert!(largest > 1e-6, "network {seed} says nothing");
        for isa in Isa::available() {
            let is_large = if seed % 2 == 0 { |_: Shape| true } else { |_: Shape| false };
            let rewritten = runs::rewrite(&model, isa, is_large).unwrap();
            assert!(blocked(&rewritten) > 0, "network {seed}: nothing was found");
            let actual = run(optimised(rewritten), &image);
            for (actual, wanted) in actual.iter().zip(&wanted) {
                let difference = (actual - wanted).abs() / largest;
                assert!(difference < 2e-5, "network {seed}, {isa:?}: {actual}, not {wanted}");
            }
        }
    }
}

#[test]
fn nothing_is_lost_between_projections_that_follow_each_other() {
    for seed in 0..40 {
        let mut network = Network::new(seed);
        network.convolution(1);
        network.bottleneck();
        // As many channels as the hidden image may have, so that either projection could read it.
        for outputs in [32, 20, 48, 32] {
            network.pointwise(outputs);
        }
        network.bottleneck();
        let model = network.finish();
        let image = Network::new(seed + 1000).tensor(model.input_fact(0).unwrap().shape.as_concrete().unwrap());
        let rewritten = runs::rewrite(&model, Isa::best(), |_| true).unwrap();
        assert_eq!(blocked(&rewritten), 1, "network {seed}");
        let (actual, wanted) = (run(rewritten, &image), run(model, &image));
        let largest = wanted.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        let close = |(actual, wanted): (&f32, &f32)| (actual - wanted).abs() / largest < 2e-5;
        assert!(actual.iter().zip(&wanted).all(close), "network {seed}: {actual:?}, not {wanted:?}");
    }
}

#[test]
fn a_graph_without_convolutions_stays_as_it_is() {
    let mut network = Network::new(1);
    network.relu();
    network.elsewhere();
    let model = network.model_with_output();
    let rewritten = rewrite(&model, Isa::best()).unwrap();
    assert_eq!((blocked(&rewritten), rewritten.nodes.len()), (0, model.nodes.len()));
}

#[test]
fn a_mask_that_nobody_reads_does_not_end_a_run() {
    for (is_read, runs) in [(false, 1), (true, 2)] {
        let mut network = Network::new(3);
        network.convolution(1);
        let mask = network.dropout();
        network.convolution(1);
        let mut model = network.model_with_output();
        let image = Network::new(4).tensor(model.input_fact(0).unwrap().shape.as_concrete().unwrap());
        if is_read {
            model.outputs.push(mask);
        }
        let rewritten = rewrite(&model, Isa::best()).unwrap();
        assert_eq!(blocked(&rewritten), runs);
        let (actual, wanted) = (run(rewritten, &image), run(model, &image));
        assert_eq!(actual.len(), wanted.len());
        assert!(actual.iter().zip(&wanted).all(|(actual, wanted)| (actual - wanted).abs() < 1e-4));
    }
}

#[test]
fn equal_convolutions_are_packed_once() {
    let shape = Shape::new(16, 9, 9);
    let convolution = |weight: f32| {
        Kind::Convolution(Convolution {
            outputs: 16,
            groups: 1,
            window: Window { padding: [1; 4], ..Window::square(3, 1, 0) },
            weights: Weights::new(Arc::new(tensor1(&[weight; 16 * 16 * 9])), 16, false).unwrap(),
            bias: vec![0.5; 16],
            activation: Activation::None,
        })
    };
    let layer = |kind, inputs: &[usize]| Layer { kind, inputs: inputs.to_vec(), shape };
    let layers = [
        layer(Kind::Input(OutletId::new(0, 0)), &[]),
        layer(convolution(1.0), &[0]),
        layer(convolution(1.0), &[1]),
        layer(convolution(2.0), &[2]),
    ];
    let program = lower(Isa::best(), &layers, &[3]).unwrap();
    let packed: Vec<_> = program
        .steps
        .iter()
        .filter_map(|step| match &step.work {
            Work::Convolution { op, .. } => Some(op),
            _ => None,
        })
        .collect();
    let [first, second, third] = packed[..] else { panic!("{} convolutions", packed.len()) };
    assert!(Arc::ptr_eq(first, second) && !Arc::ptr_eq(second, third));
}

fn blocked(model: &TypedModel) -> usize {
    model.nodes.iter().filter(|node| node.op_is::<Blocked>()).count()
}

fn optimised(model: TypedModel) -> TypedModel {
    let mut model = model.into_decluttered().unwrap();
    model.optimize().unwrap();
    model
}

fn run(model: TypedModel, image: &Tensor) -> Vec<f32> {
    let plan: Arc<TypedSimplePlan> = TypedSimplePlan::new(model).unwrap();
    let mut state = plan.spawn().unwrap();
    // Twice: what the first image leaves in memory must not matter.
    state.run(tvec![image.clone().into()]).unwrap();
    let outputs = state.run(tvec![image.clone().into()]).unwrap();
    outputs[0].try_as_plain_ram().unwrap().as_slice::<f32>().unwrap().to_vec()
}
